"""Leads become clean and private."""
