"""Campaigns, the messages they put into the send queue, and the workers that send them at most once."""
