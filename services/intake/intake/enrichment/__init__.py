"""Enrichment: companies, people in them and their e-mail addresses, from providers that are paid by the call."""
