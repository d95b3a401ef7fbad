"""How many leads a source may submit, and what waits beyond that."""
