"""The numbers made anew from the events, and compared with the live ones."""
