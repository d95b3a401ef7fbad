"""Leads as far as contacting them goes."""
