"""Made-up histories."""
