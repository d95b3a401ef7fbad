"""What those who import are told of outcomes that were refused."""

from typing import Final

from contracts.outcomes import REASON_UNKNOWN, OutcomeResult, OutcomeVerdict, Refusal

_REFUSED: Final[dict[str | None, tuple[str, str]]] = {
    REASON_UNKNOWN: ("reason_code", "is none of the tenant's: `leadloop tenant set` shows them, and sets them"),
    Refusal.IN_FUTURE: ("occurred_at", "lies in the future: record what has happened"),
    Refusal.LEAD_UNKNOWN: (
        "type",
        "was refused, as its lead had not come within 24 hours: record it over the HTTP API",
    ),
}


def refused_for(result: OutcomeResult) -> tuple[str, str] | None:
    """The field at fault and what to do; none where it was not refused.

    A rejected lead is an error of its own, which its outcomes do not repeat.
    """
    if result.verdict is not OutcomeVerdict.REFUSED or result.refusal is Refusal.LEAD_REJECTED:
        return None
    why = result.refusal or result.refused_for
    return _REFUSED.get(why, ("type", f"was refused: {why}"))
