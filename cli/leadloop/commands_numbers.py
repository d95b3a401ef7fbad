"""``leadloop win-rates, replay``: what came of it, and the proof. `leadloop.main` says what each command does."""

from collections.abc import Sequence
from typing import Any, Literal

from cyclopts.types import NonNegativeInt, PositiveInt
from rich.table import Table

from contracts.aggregator.replay import Replay
from contracts.aggregator.win_rates import (
    Columns,
    Dimension,
    Order,
    View,
    WeeklyWinRate,
    WeeklyWinRates,
    WeeklyWinRateTable,
    WinRate,
    WinRates,
    WinRateTable,
    columns,
    to_csv,
    whole,
)
from contracts.taxonomy import Intent
from leadloop.app import Common, Tenant
from leadloop.commands_tenants import check_known
from leadloop.installation import Installation
from leadloop.output import Answer, table


async def win_rates(
    *,
    tenant: Tenant,
    by: Literal["source", "geo"],
    view: Literal["closing", "cohort"] = "closing",
    weekly: bool = False,
    weeks: PositiveInt | None = None,
    until: str | None = None,
    intent: Intent | None = None,
    key: str | None = None,
    min: NonNegativeInt = 0,
    sort: Order | None = None,
    descending: bool = False,
    format: Literal["table", "csv", "json"] = "table",
    all_columns: bool = False,
    common: Common = Common(),
) -> Answer:
    """``leadloop win-rates``.

    Args:
        by: group by where the leads came from, or by their place.
        view: the leads with outcomes in these weeks, or the leads that came in them.
        weekly: a row for each week.
        weeks: only N ISO weeks, the last included; every week by default.
        until: the last ISO week (2026-W47); the one under way by default.
        intent: only leads of this intent.
        key: only groups whose name contains this.
        min: leave out rows with fewer leads won or lost.
        sort: the column to sort by; by week and name by default.
        descending: the largest first.
        all_columns: in CSV also how many are decided, the interval, and of cohorts the maturity.
    """
    terms: dict[str, Any] = {
        "by": Dimension(by), "view": View(view), "weeks": weeks, "until": until, "intent": intent, "key": key,
        "minimum": min, "sort": sort, "descending": descending,
    }  # fmt: skip
    async with Installation(common.open()).asking() as caller:
        await check_known(caller, tenant, "aggregator")
        found: WinRateTable | WeeklyWinRateTable
        if weekly:
            found = await whole(lambda page: caller.ask(tenant, WeeklyWinRates(**terms, page=page), seconds=120))
        else:
            found = await whole(lambda page: caller.ask(tenant, WinRates(**terms, page=page), seconds=120))
    if format == "csv" and not common.json:
        names = columns(View(view), weekly, Columns.ALL if all_columns else Columns.COUNTS)
        return Answer({}, [to_csv(found.rows, names).removesuffix("\n")])
    if format == "json":
        return Answer(found.model_dump(), [found.model_dump_json(indent=2)])
    return Answer(found.model_dump(), _table(found, View(view), weekly))


def _table(found: WinRateTable | WeeklyWinRateTable, view: View, weekly: bool) -> list[str | Table]:
    if not found.rows:
        return ["no outcomes yet" if view is View.CLOSING else "no leads yet"]
    window = found.first_week if found.first_week == found.last_week else f"{found.first_week} to {found.last_week}"
    partial = " (partial: the last week is still going on)" if found.partial else ""
    of = "Win rates" if view is View.CLOSING else "Win rates of the leads that came"
    numbers = ["leads", "appointments", "won", "lost", "win rate", "95 % interval"]
    numbers += ["decided"] if view is View.COHORT else []
    shown = table(
        f"{of} by {found.by}, {window}{partial}",
        *(["week"] if weekly else []), found.by, "intent", *numbers, "",
        right=numbers,
    )  # fmt: skip
    for row in found.rows:
        shown.add_row(*_cells(row, view))
    return [shown]


def _cells(row: WinRate, view: View) -> Sequence[str]:
    rate = "" if row.win_rate is None else f"{row.win_rate:.1%}"
    interval = "" if row.low is None or row.high is None else f"{row.low:.0%} to {row.high:.0%}"
    week = [row.week] if isinstance(row, WeeklyWinRate) else []
    mature = [] if view is View.CLOSING else ["" if row.maturity is None else f"{row.maturity:.0%}"]
    counts = map(str, (row.leads_entered, row.appointments, row.won, row.lost))
    return [*week, row.key, row.intent, *counts, rate, interval, *mature, "█" * round(20 * (row.win_rate or 0))]


async def replay(*, tenant: Tenant, common: Common = Common()) -> Answer:
    """``leadloop replay``."""
    async with Installation(common.open()).asking() as caller:
        await check_known(caller, tenant, "aggregator")
        report = await caller.ask(tenant, Replay(), seconds=600)
    same = "identical to the live numbers" if not report.differences else f"{len(report.differences)} differences:"
    return Answer(
        report.model_dump(),
        [f"{report.events} events replayed into {report.rows} weekly rows: {same}", *report.differences],
        ok=not report.differences,
    )
