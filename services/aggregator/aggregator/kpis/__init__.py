"""The dashboard's numbers: how things stand as events tell it, and what is counted of that as of any moment."""
