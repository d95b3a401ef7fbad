"""The accounts that messages leave from."""
