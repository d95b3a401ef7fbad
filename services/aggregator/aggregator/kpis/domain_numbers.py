"""What a number is, whoever counted it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from contracts.aggregator.kpis import Kpi


class Part(NamedTuple):
    """A number, or the part of it that falls to a campaign, an account, a stage or a currency (``""`` where it has no parts)."""

    kpi: Kpi
    part: str


@dataclass(frozen=True, slots=True)
class Counted:
    """The events that a number counts.

    Attributes:
        amount: what they come to, where they are worth something.
        latest: when the last of them occurred.
    """

    count: int
    amount: Decimal | None
    latest: datetime


Numbers = Mapping[Part, Counted]
"""Every part that counts anything; what is not there is nothing."""
