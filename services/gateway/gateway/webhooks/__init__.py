"""Webhooks: what services sign and send to tell what comes back of an account's messages."""
