"""Those who carry messages: what is asked of them, and the ways to ask."""
