"""The send queue, the gates in front of the wire, and the worker between them."""
