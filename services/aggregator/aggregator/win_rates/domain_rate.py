"""What win rates are, how sure they are, and in which order they are shown. Pure; the store does the counting."""

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final, TypeVar

from contracts.aggregator.win_rates import Counted, Order, View, WinRate

Z: Final = 1.959964
"""The normal quantile of a two-sided 95 % interval."""

R = TypeVar("R", bound=WinRate)


def interval(won: int, decided: int) -> tuple[float, float]:
    """Where the true rate lies, with 95 % confidence: Wilson's score interval.

    E. B. Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 22 (1927), 209-212.

    Args:
        won: how many were won.
        decided: of how many, at least one.
    """
    rate, square = won / decided, Z**2 / decided
    centre = (rate + square / 2) / (1 + square)
    half = Z / (1 + square) * math.sqrt(rate * (1 - rate) / decided + square / (4 * decided))
    # At none and at all won, the bound is 0 and 1; the arithmetic misses that by a hair.
    return 0.0 if won == 0 else centre - half, 1.0 if won == decided else centre + half


def counted(row: Mapping[Any, Any], view: View) -> Counted:
    """Counts with what follows from them: won over decided (won or lost) leads, and empty where none is decided."""
    won, decided, leads = row["won"], row["decided"], row["leads_entered"]
    low, high = interval(won, decided) if decided else (None, None)
    return Counted(
        leads_entered=leads,
        appointments=row["appointments"],
        won=won,
        lost=row["lost"],
        decided=decided,
        win_rate=won / decided if decided else None,
        low=low,
        high=high,
        maturity=decided / leads if view is View.COHORT and leads else None,
    )


def ordered(rows: Sequence[R], by: Order | None, descending: bool) -> list[R]:
    """The rows by a column; equals by week, key and intent, and those that have no value there last, whichever way."""
    natural = sorted(rows, key=lambda row: (getattr(row, "week", ""), row.key, row.intent))
    if by is None:
        return natural[::-1] if descending else natural
    having = [row for row in natural if getattr(row, by, None) is not None]
    lacking = [row for row in natural if getattr(row, by, None) is None]
    having.sort(key=lambda row: getattr(row, by), reverse=descending)  # stable, in reverse too
    return having + lacking


def page_of(rows: Sequence[R], limit: int, page: int) -> Sequence[R]:
    """The rows of a page, the first being 1."""
    return rows[(page - 1) * limit : page * limit]


def age(week: date, this_week: date) -> int:
    """How many weeks ago a week was."""
    return (this_week - week).days // 7
