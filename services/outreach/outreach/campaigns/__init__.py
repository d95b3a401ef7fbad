"""Campaigns, and who is enrolled in them."""
