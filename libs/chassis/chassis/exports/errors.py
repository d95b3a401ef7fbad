"""The base of every error that is told to whoever gave the file, the mapping or the command."""

from collections.abc import Mapping
from typing import Any


class LeadLoopError(Exception):
    """What was asked could not be done; the message says what was wrong, where, and what to do."""


def reason(flaw: Mapping[str, Any]) -> str:
    """Why pydantic refuses a field, without the name of the exception that says so."""
    return str(flaw["msg"]).removeprefix("Value error, ")
