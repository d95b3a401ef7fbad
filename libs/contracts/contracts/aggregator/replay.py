"""Replay: the numbers made anew from the events, and compared with those that are shown."""

from datetime import datetime
from typing import Annotated, ClassVar, Final

from pydantic import BaseModel, Field

from contracts.aggregator.kpis import Dashboard
from contracts.message import Kind, Reply, Request, Topic
from contracts.values import Moment


class ReplayReport(Reply):
    """What a replay found."""

    events: int
    """How many events were read."""
    rows: int
    """How many rows of the weekly table they made."""
    differences: list[str]
    """The rows that had been otherwise before."""
    projected: dict[str, int] = {}
    """How many rows of each projection they made."""
    dashboard: Dashboard | None = None
    """The numbers as they are now."""


class Replay(Request[ReplayReport]):
    """Rebuild every projection of a tenant from its events, compare them with the live ones, and swap them in where they differ.

    `conflict` while events are archived.
    """

    topic: ClassVar = Topic("aggregator", Kind.REQUEST, "replay")


class Difference(BaseModel):
    """A number that is not what the events say."""

    number: str
    """Which: a KPI, or a win rate with what it is grouped by."""
    part: str
    """Of what: a campaign, an account, a stage, a currency; or a week, key and intent."""
    shown: str
    """What the queries count."""
    folded: str
    """What the events say."""


_DIFFERENCES: Final = [{"number": "todays_sends", "part": "", "shown": "2", "folded": "3"}]


class Validation(Reply):
    """What the comparison of the numbers with a fold of the events found."""

    drift: int
    """How many numbers differ."""
    compared: int
    """How many were compared."""
    differences: Annotated[list[Difference], Field(examples=[_DIFFERENCES])]
    """Those that differ, 100 at most."""
    as_of: datetime
    """As of when."""
    events: int
    """How many events were folded."""


class Validate(Request[Validation]):
    """Fold the tenant's events, apart from every query, and compare each KPI and win rate with what the queries count.

    Both read one snapshot of the database, as of one moment; archived events are read where they are. Nothing is changed. `conflict` where a
    file of the archive is gone or not what was written, or events are archived that the queries count.
    """

    topic: ClassVar = Topic("aggregator", Kind.REQUEST, "validate")
    as_of: Moment | None = None
    """Now, if empty; win rates are always as of now."""
