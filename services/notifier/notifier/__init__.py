"""Alerts: what needs people's attention, said once."""
