"""``leadloop win-rates, replay``: what came of it, and the proof. `leadloop.main` says what each command does."""

from typing import Literal

from cyclopts.types import NonNegativeInt, PositiveInt
from rich.table import Table

from contracts.aggregator.replay import Replay
from contracts.aggregator.win_rates import Dimension, WinRates, WinRateTable
from contracts.taxonomy import Intent
from leadloop.app import Common, Tenant
from leadloop.commands_tenants import check_known
from leadloop.installation import Installation
from leadloop.output import Answer, table


async def win_rates(
    *,
    tenant: Tenant,
    by: Literal["source", "geo"],
    weeks: PositiveInt | None = None,
    intent: Intent | None = None,
    min: NonNegativeInt = 0,
    format: Literal["table", "csv", "json"] = "table",
    common: Common = Common(),
) -> Answer:
    """``leadloop win-rates``.

    Args:
        by: group by where the leads came from, or by their place.
        weeks: only the last N ISO weeks, this one included; every week by default.
        intent: only leads of this intent.
        min: leave out groups with fewer leads won or lost.
    """
    async with Installation(common.open()).asking() as caller:
        await check_known(caller, tenant, "aggregator")
        ask = WinRates(by=Dimension(by), weeks=weeks, intent=intent, minimum=min)
        found = await caller.ask(tenant, ask, seconds=120)
    if format == "csv" and not common.json:
        return Answer({}, [found.to_csv().removesuffix("\n")])
    if format == "json":
        return Answer(found.model_dump(), [found.model_dump_json(indent=2)])
    return Answer(found.model_dump(), _table(found))


def _table(found: WinRateTable) -> list[str | Table]:
    if not found.rows:
        return ["no outcomes yet"]
    window = found.first_week if found.first_week == found.last_week else f"{found.first_week} to {found.last_week}"
    partial = " (partial: the last week is still going on)" if found.partial else ""
    shown = table(
        f"Win rates by {found.by}, {window}{partial}",
        found.by, "intent", "leads", "appointments", "won", "lost", "win rate", "",
        right=("leads", "appointments", "won", "lost", "win rate"),
    )  # fmt: skip
    for row in found.rows:
        rate = "" if row.win_rate is None else f"{row.win_rate:.1%}"
        bar = "█" * round(20 * (row.win_rate or 0))
        shown.add_row(
            row.key, row.intent, *map(str, (row.leads_entered, row.appointments, row.won, row.lost)), rate, bar
        )
    return [shown]


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
