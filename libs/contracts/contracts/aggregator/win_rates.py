"""Win rates."""

import csv
import io
from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, TypeVar

from pydantic import AfterValidator, BaseModel, Field

from contracts.aggregator.events import StoredEvent
from contracts.cells import harmless
from contracts.message import Kind, Reply, Request, Topic
from contracts.taxonomy import KEY_LENGTH, Intent
from contracts.values import NO_NUL

MOST_ROWS: Final = 1000
"""How many rows of a table fit into one message, whatever the groups are called."""


def _in_the_calendar(name: str) -> str:
    try:
        date.fromisocalendar(int(name[:4]), int(name[-2:]), 1)
    except ValueError:
        raise ValueError("is no week: its year has 52") from None
    return name


Weeks = Annotated[int, Field(ge=1, le=10_000)]
WeekName = Annotated[
    str,
    Field(pattern=r"^[1-9][0-9]{3}-W(0[1-9]|[1-4][0-9]|5[0-3])$", examples=["2026-W47"]),
    AfterValidator(_in_the_calendar),
]
"""An ISO week (ISO 8601), UTC."""


class Dimension(StrEnum):
    """What win rates are grouped by."""

    SOURCE = "source"
    GEO = "geo"


class View(StrEnum):
    """Which leads a week has."""

    CLOSING = "closing"
    """Those with an outcome that occurred in it, by the attribution frozen into their outcomes."""
    COHORT = "cohort"
    """Those that came in it, by the attribution they came with, whenever their outcomes occurred; not those that were withdrawn with their
    import, unless they came again."""


class Order(StrEnum):
    """A column that a table is sorted by."""

    KEY = "key"
    INTENT = "intent"
    WEEK = "week"
    LEADS_ENTERED = "leads_entered"
    APPOINTMENTS = "appointments"
    WON = "won"
    LOST = "lost"
    DECIDED = "decided"
    WIN_RATE = "win_rate"
    LOW = "low"
    HIGH = "high"
    MATURITY = "maturity"


class Columns(StrEnum):
    """Which columns a table is written with where it is a file."""

    COUNTS = "counts"
    """Group, counts and rate."""
    ALL = "all"
    """Also how many were decided, the interval, and of cohorts the maturity."""


class Counted(BaseModel):
    """How many leads came how far. None of them counts twice, and a voided outcome counts nowhere."""

    leads_entered: int
    """Leads with any outcome; of cohorts, leads that came."""
    appointments: int
    """Leads with an appointment."""
    won: int
    """Leads won."""
    lost: int
    """Leads lost."""
    win_rate: float | None
    """`won` / distinct leads with won or lost, 0 to 1, unrounded; empty when there are none."""
    decided: int | None = None
    """Distinct leads with won or lost; one that was lost and then won counts once."""
    low: float | None = None
    """Where the 95 % interval of the rate begins (Wilson's score interval, 1927), 0 to 1; empty when none is decided."""
    high: float | None = None
    """Where that interval ends."""
    maturity: float | None = None
    """Of cohorts: `decided` / `leads_entered`, 0 to 1; what is low is not to be judged yet."""


class WinRate(Counted):
    """Distinct leads of one group."""

    key: str
    """The group: a source key or a geo key, ``unknown`` where none was given."""
    intent: str
    """`buyer` or `seller`, ``unknown`` where none was given."""


class WeeklyWinRate(WinRate):
    """A group's win rate in one week."""

    week: str
    """ISO, ``2026-W47``, UTC."""


_COUNTS: Final = ("leads_entered", "appointments", "won", "lost", "win_rate")
_MORE: Final = ("decided", "low", "high")


def columns(view: View, weekly: bool, which: Columns) -> tuple[str, ...]:
    """The columns of a table where it is a file, in their order."""
    group = ("week", "key", "intent") if weekly else ("key", "intent")
    more = (*_MORE, "maturity") if view is View.COHORT else _MORE
    return (*group, *_COUNTS, *(more if which is Columns.ALL else ()))


def to_csv(rows: Sequence[WinRate], names: Sequence[str]) -> str:
    """A header and a line per row; rates are unrounded, and empty where nothing was decided.

    A text that a spreadsheet would take for a formula is written behind an apostrophe (OWASP, CSV Injection).
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(getattr(row, name)) for name in names] for row in rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    return harmless(value) if isinstance(value, str) else value


class Windowed(BaseModel):
    """By what leads are counted, and of which weeks."""

    by: Dimension = Dimension.SOURCE
    view: View = View.CLOSING
    """By which week leads are counted."""
    weeks: Weeks | None = None
    """How many ISO weeks, `until` included; every week there is, if empty."""
    until: WeekName | None = None
    """The last ISO week; the one under way, if empty."""


class Terms(Windowed):
    """Which leads are counted."""

    intent: Intent | None = None
    """Only leads with this intent."""
    key: Annotated[str, Field(min_length=1, max_length=KEY_LENGTH, pattern=NO_NUL, examples=["dublin"])] | None = None
    """Only groups whose key contains this, written as keys are: ``Dublin, OH`` is `dublin_oh`."""


class TableTerms(Terms):
    """Which rows of a table, and in which order."""

    minimum: Annotated[int, Field(ge=0)] = 0
    """Leaves out rows with fewer decided leads (won or lost)."""
    sort: Order | None = None
    """The column to sort by; equals by week, key and intent, which is also the order if this is empty. What has no value is last."""
    descending: bool = False
    """Whether the largest come first."""
    limit: Annotated[int, Field(ge=1, le=MOST_ROWS)] = MOST_ROWS
    """How many rows a page has."""
    page: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Which page, the first being 1."""


class Window(Reply):
    """The ISO weeks that were counted."""

    by: Dimension
    first_week: str | None = None
    """Where the window begins (ISO, ``2026-W47``); empty when nothing was recorded."""
    last_week: str | None = None
    """Where the window ends; empty when nothing was recorded."""
    partial: bool = False
    """Whether the window holds the week that is still going on."""


class WinRateTable(Window):
    """Win rates over a window of ISO weeks."""

    first_week: str | None
    """Where the window begins (ISO, ``2026-W47``); empty when nothing was recorded."""
    last_week: str | None
    """Where the window ends; empty when nothing was recorded."""
    partial: bool
    """Whether the window holds the week that is still going on."""
    rows: list[WinRate]
    """One for each key and intent: distinct leads over the whole window; a page of them."""
    total: int | None = None
    """How many rows there are on all pages."""
    left_out: int | None = None
    """How many rows more there would be without `minimum`."""


class WinRates(TableTerms, Request[WinRateTable]):
    """Win rates by source or place, over the weeks in which outcomes occurred or leads came."""

    topic: ClassVar = Topic("aggregator", Kind.REQUEST, "win_rates")


class WeeklyWinRateTable(Window):
    """Win rates week by week."""

    rows: list[WeeklyWinRate]
    """One for each week, key and intent; a page of them."""
    total: int | None = None
    """How many rows there are on all pages."""
    left_out: int | None = None
    """How many rows more there would be without `minimum`."""


class WeeklyWinRates(TableTerms, Request[WeeklyWinRateTable]):
    """Win rates of each ISO week, key and intent; by closing week out of a table that is a cache of the events."""

    topic: ClassVar = Topic("aggregator", Kind.REQUEST, "weekly_win_rates")
    weeks: Weeks | None = 26
    """How many ISO weeks, `until` included; every week there is, if null."""


Table = TypeVar("Table", WinRateTable, WeeklyWinRateTable)


async def whole(page: Callable[[int], Awaitable[Table]]) -> Table:
    """A table with the rows of all its pages, which are asked for by their numbers, one after the other."""
    table = await page(1)
    rows: list[Any] = list(table.rows)
    while len(rows) < (table.total or 0) and (more := (await page(len(rows) // MOST_ROWS + 1)).rows):
        rows += more
    return table.model_copy(update={"rows": rows})


class WeekCounted(Counted):
    """All leads of one week."""

    week: str
    """ISO, ``2026-W47``, UTC."""
    age: int
    """How many weeks ago it was; 0 for the one under way."""


class WinRateTrend(Window):
    """How win rates went, week by week."""

    points: list[WeekCounted]
    """Oldest first; a week without leads has none."""


class TrendOfWinRates(Terms, Request[WinRateTrend]):
    """All matching leads of each ISO week together; a lead counts once in a week, in however many groups it is."""

    topic: ClassVar = Topic("aggregator", Kind.REQUEST, "win_rate_trend")
    weeks: Weeks | None = 26
    """How many ISO weeks, `until` included; every week there is, if null."""


class Count(StrEnum):
    """A count of a group, as `Counted` has it."""

    LEADS_ENTERED = "leads_entered"
    APPOINTMENTS = "appointments"
    WON = "won"
    LOST = "lost"
    DECIDED = "decided"


class WinRateEventPage(Reply):
    """A page of the events that a count of a group comes from."""

    events: list[StoredEvent]
    """One of each lead; all pages together are as many as the count says."""
    next_cursor: str | None = None


class ListWinRateEvents(Windowed, Request[WinRateEventPage]):
    """The events that a count of a group comes from, one of each lead and by lead, a page at a time: the first outcome by which the lead
    counts, and of a cohort's `leads_entered`, that the lead came.

    `conflict` where one of them is archived.
    """

    topic: ClassVar = Topic("aggregator", Kind.REQUEST, "list_win_rate_events")
    count: Count
    """Which count."""
    key: Annotated[str, Field(min_length=1, max_length=KEY_LENGTH, pattern=NO_NUL, examples=["unknown"])]
    """The group's key, as the table has it."""
    intent: Annotated[str, Field(min_length=1, max_length=20, pattern=NO_NUL, examples=["unknown"])]
    """The group's intent, as the table has it."""
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None
