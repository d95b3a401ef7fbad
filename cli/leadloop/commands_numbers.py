"""``leadloop win-rates, stats, replay, validate``: what came of it, and the proof. `leadloop.main` says what each command does."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from cyclopts.types import NonNegativeInt, PositiveInt
from rich.table import Table

from contracts.aggregator.kpis import Dashboard, DashboardStats
from contracts.aggregator.replay import Replay, Validate
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
    told = _table(found, View(view), weekly)
    if found.left_out:
        told = [*(told if found.rows else []), f"left out, with fewer than {min} leads decided: {found.left_out}"]
    return Answer(found.model_dump(), told)


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


async def stats(*, tenant: Tenant, as_of: datetime | None = None, common: Common = Common()) -> Answer:
    """``leadloop stats``.

    Args:
        as_of: as the numbers were at a moment (ISO 8601; UTC unless it names an offset); as they are now by default.
    """
    async with Installation(common.open()).asking() as caller:
        await check_known(caller, tenant, "aggregator")
        found = await caller.ask(tenant, DashboardStats(as_of=_aware(as_of)), seconds=60)
    return Answer(found.model_dump(), _dashboard(found))


async def replay(*, tenant: Tenant, common: Common = Common()) -> Answer:
    """``leadloop replay``."""
    async with Installation(common.open()).asking() as caller:
        await check_known(caller, tenant, "aggregator")
        report = await caller.ask(tenant, Replay(), seconds=600)
    same = "identical to the live numbers" if not report.differences else f"{len(report.differences)} differences:"
    made = ", ".join(f"{rows} of {name}" for name, rows in report.projected.items())
    return Answer(
        report.model_dump(),
        [
            f"{report.events} events replayed into {report.rows} weekly rows: {same}",
            *report.differences,
            *([f"rows made: {made}"] if made else []),
            *(_dashboard(report.dashboard) if report.dashboard else []),
        ],
        ok=not report.differences,
    )


async def validate(*, tenant: Tenant, as_of: datetime | None = None, common: Common = Common()) -> Answer:
    """``leadloop validate``.

    Args:
        as_of: compare the numbers as they were at a moment (ISO 8601; UTC unless it names an offset); as they are now by default.
    """
    async with Installation(common.open()).asking() as caller:
        await check_known(caller, tenant, "aggregator")
        await caller.ask(
            tenant, WeeklyWinRates(weeks=1), seconds=120
        )  # weeks that are to be recounted are not compared
        found = await caller.ask(tenant, Validate(as_of=_aware(as_of)), seconds=600)
    told = f"{found.compared} numbers compared with a fold of {found.events} events"
    if not found.compared:
        told = "nothing to compare: the tenant has no events"
    return Answer(
        found.model_dump(),
        [
            f"{told}: {found.drift or 'none'} differ{'s' if found.drift == 1 else ''}" if found.compared else told,
            *(f"{each.number} {each.part}: shown {each.shown}; events say {each.folded}" for each in found.differences),
        ],
        ok=found.compared > 0 and found.drift == 0,
    )


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def _dashboard(found: Dashboard) -> list[str | Table]:
    kpis, health = found.kpis, found.system_health
    limit = "no limit is set" if kpis.daily_limit is None else f"of {kpis.daily_limit}, {kpis.send_colour}"
    rate = "nobody was contacted" if kpis.reply_rate is None else f"{kpis.reply_rate} %"
    money = ", ".join(f"{each.amount} {each.currency or '(no currency)'}" for each in found.revenue)
    shown = table(f"As of {found.as_of.isoformat(timespec='seconds')}", "", "")
    for name, value in (
        ("sent today", f"{kpis.today_sends} ({limit})"),
        ("replies requiring action", str(kpis.replies_needing_action)),
        ("reply rate, 7 days", f"{rate} ({kpis.leads_replied} of {kpis.leads_contacted} leads)"),
        ("system status", f"{kpis.system_status}: {kpis.system_status_reason}"),
        ("funnel, 30 days", ", ".join(f"{each.stage} {each.leads}" for each in found.funnel)),
        ("won, 30 days", f"{found.conversions}{f', {money}' if money else ''}"),
    ):
        shown.add_row(name, value)
    lines: list[str | Table] = [shown]
    if not health.hidden:
        lines.append(
            f"accounts: {health.errors_last_24h} errors in 24 hours, cooldown {'on' if health.cooldown_active else 'off'}, "
            f"captcha {'seen' if health.captcha_detected else 'not seen'}, by {health.automation_method}"
        )
    lines += [f"next: {action.title}" for action in found.next_actions]
    if found.campaign_snapshots:
        campaigns = table(
            "Campaigns today", "campaign", "status", "queue", "sent", "replies", right=("queue", "sent", "replies")
        )
        for each in found.campaign_snapshots:
            counts = map(str, (each.queue_remaining, each.today_sends, each.replies_today))
            campaigns.add_row(each.name or str(each.id), each.status, *counts)
        lines.append(campaigns)
    return lines
