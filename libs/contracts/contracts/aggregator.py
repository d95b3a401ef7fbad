"""Messages of the aggregator: win rates, the event store, replay."""

import csv
import io
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar
from uuid import UUID

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


class StoredEvent(BaseModel):
    """An event as it was published."""

    event_id: UUID
    """The id of the message that carried it."""
    type: str
    """Its CloudEvents type, e.g. ``intake.event.lead_accepted.v1``."""
    occurred_at: datetime
    stored_at: datetime
    """When the aggregator stored it."""
    lead_id: UUID | None
    """The lead it is about, if it is about one."""
    body: dict[str, Any]
    """The event's JSON."""


class EventPage(Reply):
    """A page of events."""

    events: list[StoredEvent]
    """The events of this page."""
    next_cursor: Annotated[str, Field(examples=["1762"])] | None = None


class ListEvents(Request[EventPage]):
    """A tenant's events, last stored first, a page at a time."""

    topic: ClassVar = Topic("aggregator", Kind.REQUEST, "list_events")
    lead_id: UUID | None = None
    """Only events about this lead."""
    types: list[str] = []
    """Only events of these types; of every type, if empty."""
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200, examples=["1762"])] | None = None


class ReplayReport(Reply):
    """What a replay found."""

    events: int
    """How many events were read."""
    rows: int
    """How many rows of the weekly table they made."""
    differences: list[str]
    """The rows that had been otherwise before."""


class Replay(Request[ReplayReport]):
    """Rebuild a tenant's projections from its events, compare them with the live ones, and swap them in."""

    topic: ClassVar = Topic("aggregator", Kind.REQUEST, "replay")
