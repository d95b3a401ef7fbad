"""Messages of the aggregator: win rates, the event store, replay."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, Field

from contracts.message import Kind, Reply, Request, Topic
from contracts.taxonomy import Intent


class Dimension(StrEnum):
    SOURCE = "source"
    GEO = "geo"


class WinRate(BaseModel):
    """Distinct leads of one group over the whole window; `win_rate` = won / distinct leads with won or lost."""

    key: str
    intent: str
    leads_entered: int
    appointments: int
    won: int
    lost: int
    win_rate: float | None


class WinRateTable(Reply):
    """Win rates sorted by key, then intent.

    `first_week` and `last_week` (ISO, ``2026-W47``) bound the window; both are empty when nothing was recorded.
    `partial` says that the window holds the week that is still going on.
    """

    by: Dimension
    first_week: str | None
    last_week: str | None
    partial: bool
    rows: list[WinRate]


class WinRates(Request[WinRateTable]):
    """Win rates over the last `weeks` ISO weeks by occurred_at, this one included; over all weeks by default.

    `minimum` leaves out groups with fewer decided leads (won or lost).
    """

    topic: ClassVar = Topic("aggregator", Kind.REQUEST, "win_rates")
    by: Dimension = Dimension.SOURCE
    weeks: Annotated[int, Field(ge=1, le=10_000)] | None = None
    intent: Intent | None = None
    minimum: Annotated[int, Field(ge=0)] = 0


class WeeklyWinRate(WinRate):
    week: str


class WeeklyWinRateTable(Reply):
    by: Dimension
    rows: list[WeeklyWinRate]


class WeeklyWinRates(Request[WeeklyWinRateTable]):
    """The weekly table, a cache of the events: one row per ISO week, key and intent, oldest week first."""

    topic: ClassVar = Topic("aggregator", Kind.REQUEST, "weekly_win_rates")
    by: Dimension = Dimension.SOURCE
    weeks: Annotated[int, Field(ge=1, le=520)] = 26


class StoredEvent(BaseModel):
    event_id: UUID
    type: str
    occurred_at: datetime
    stored_at: datetime
    lead_id: UUID | None
    body: dict[str, Any]


class EventPage(Reply):
    events: list[StoredEvent]
    next_cursor: str | None = None


class ListEvents(Request[EventPage]):
    """A tenant's events, last stored first, a page at a time."""

    topic: ClassVar = Topic("aggregator", Kind.REQUEST, "list_events")
    lead_id: UUID | None = None
    types: list[str] = []
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class ReplayReport(Reply):
    """What a replay found: rows of the weekly table rebuilt from the events, and those that differed before."""

    events: int
    rows: int
    differences: list[str]


class Replay(Request[ReplayReport]):
    """Rebuild a tenant's projections from its events, compare them with the live ones, and swap them in."""

    topic: ClassVar = Topic("aggregator", Kind.REQUEST, "replay")
