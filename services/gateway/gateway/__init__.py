"""Tenants and their keys, the HTTP API, and the pages people work in."""
