"""The base of every error that a command tells its user about."""


class LeadLoopError(Exception):
    """What was asked could not be done; the message says what was wrong, where, and what to do."""
