"""Submissions become leads."""
