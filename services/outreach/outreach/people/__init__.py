"""Who may not be contacted, and who is held by which campaign."""
