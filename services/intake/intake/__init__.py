"""Leads become clean, private, routed and owned."""
