"""How a message's flaws are told."""

from collections.abc import Mapping, Sequence
from typing import Any

from chassis.exports.errors import reason


def told(flaws: Sequence[Mapping[str, Any]]) -> str:
    """All that pydantic refuses, each with its field."""
    return "; ".join(": ".join(filter(None, (".".join(map(str, flaw["loc"])), reason(flaw)))) for flaw in flaws)
