"""Win rates."""

import csv
import io
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from contracts.message import Kind, Reply, Request, Topic
from contracts.taxonomy import Intent


class Dimension(StrEnum):
    """What win rates are grouped by."""

    SOURCE = "source"
    GEO = "geo"


class WinRate(BaseModel):
    """Distinct leads of one group over the whole window, by the attribution frozen into their outcomes."""

    key: str
    """The group: a source key or a geo key, ``unknown`` where none was given."""
    intent: str
    """`buyer` or `seller`, ``unknown`` where none was given."""
    leads_entered: int
    """Leads with any outcome."""
    appointments: int
    """Leads with an appointment."""
    won: int
    """Leads won."""
    lost: int
    """Leads lost."""
    win_rate: float | None
    """`won` / distinct leads with won or lost, 0 to 1, unrounded; empty when there are none."""


class WinRateTable(Reply):
    """Win rates over a window of ISO weeks."""

    by: Dimension
    first_week: str | None
    """Where the window begins (ISO, ``2026-W47``); empty when nothing was recorded."""
    last_week: str | None
    """Where the window ends; empty when nothing was recorded."""
    partial: bool
    """Whether the window holds the week that is still going on."""
    rows: list[WinRate]
    """Sorted by key, then intent."""

    def to_csv(self) -> str:
        """A header and a line per row; the rate unrounded, and empty where nothing was decided."""
        out = io.StringIO()
        writer = csv.DictWriter(out, list(WinRate.model_fields), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row.model_dump() for row in self.rows)
        return out.getvalue()


class WinRates(Request[WinRateTable]):
    """Win rates by source or place, over the weeks in which outcomes occurred."""

    topic: ClassVar = Topic("aggregator", Kind.REQUEST, "win_rates")
    by: Dimension = Dimension.SOURCE
    weeks: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """How many of the last ISO weeks, this one included; every week that has outcomes, if empty."""
    intent: Intent | None = None
    """Only leads with this intent."""
    minimum: Annotated[int, Field(ge=0)] = 0
    """Leaves out groups with fewer decided leads (won or lost)."""


class WeeklyWinRate(WinRate):
    """A group's win rate in one week."""

    week: str
    """ISO, ``2026-W47``, UTC."""


class WeeklyWinRateTable(Reply):
    """Win rates week by week."""

    by: Dimension
    rows: list[WeeklyWinRate]
    """Oldest week first, then by key and intent."""


class WeeklyWinRates(Request[WeeklyWinRateTable]):
    """The weekly table, a cache of the events: one row per ISO week, key and intent."""

    topic: ClassVar = Topic("aggregator", Kind.REQUEST, "weekly_win_rates")
    by: Dimension = Dimension.SOURCE
    weeks: Annotated[int, Field(ge=1, le=520)] = 26
    """How many of the last ISO weeks, this one included."""
