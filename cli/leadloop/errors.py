"""The base of every error that a command tells its user about, and how a message's flaws are told."""

from collections.abc import Mapping, Sequence
from typing import Any


class LeadLoopError(Exception):
    """What was asked could not be done; the message says what was wrong, where, and what to do."""


def reason(flaw: Mapping[str, Any]) -> str:
    """Why pydantic refuses a field, without the name of the exception that says so."""
    return str(flaw["msg"]).removeprefix("Value error, ")


def told(flaws: Sequence[Mapping[str, Any]]) -> str:
    """All that pydantic refuses, each with its field."""
    return "; ".join(": ".join(filter(None, (".".join(map(str, flaw["loc"])), reason(flaw)))) for flaw in flaws)
