"""Every event, and the numbers anyone can recompute from them."""
