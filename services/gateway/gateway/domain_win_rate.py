"""Win rates as people read them: how sure they are, and in which order."""

import math
from collections.abc import Sequence
from enum import StrEnum

from contracts.aggregator.win_rates import WinRate

_Z = 1.959964
"""The normal quantile of a two-sided 95 % interval."""


class Order(StrEnum):
    """What a table of win rates is sorted by; the counts and the rate from the largest down."""

    KEY = "key"
    LEADS = "leads"
    WON = "won"
    RATE = "rate"


def decided(row: WinRate) -> int:
    """How many distinct leads were won or lost: the rate's denominator.

    A lead that was lost and then won counts once, so it is less than the sum of the two.
    """
    return round(row.won / row.win_rate) if row.win_rate else row.lost


def interval(row: WinRate) -> tuple[float, float]:
    """Where the true rate lies, with 95 % confidence (Wilson's score interval, 1927); 0 to 1 when nothing was decided."""
    n = decided(row)
    if not n or row.win_rate is None:
        return 0.0, 1.0
    centre = (row.win_rate + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(row.win_rate * (1 - row.win_rate) / n + _Z**2 / (4 * n**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def ranked(rows: Sequence[WinRate], order: Order) -> list[WinRate]:
    """The rows in an order; equals by key and intent, and rows without a rate after those that have one."""
    alphabetical = sorted(rows, key=lambda row: (row.key, row.intent))
    match order:
        case Order.KEY:
            return alphabetical
        case Order.LEADS:
            return sorted(alphabetical, key=lambda row: -row.leads_entered)
        case Order.WON:
            return sorted(alphabetical, key=lambda row: -row.won)
        case Order.RATE:
            return sorted(alphabetical, key=lambda row: (row.win_rate is None, -(row.win_rate or 0.0)))
