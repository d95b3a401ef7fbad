"""The replay's queries."""

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import orjson
from sqlalchemy import text

from aggregator import locks
from aggregator.kpis.domain_fold import Happened
from aggregator.kpis.projecting import ITEMS_FROM_EVENTS, STANDING_FROM_EVENTS, STANDING_UNTIL
from aggregator.win_rates.store import WEEKLY_FROM_OUTCOMES, refresh_weekly
from aggregator.win_rates.store_projections import (
    ALL_WITHDRAWN,
    ARRIVALS_AFTER_WITHDRAWAL,
    ARRIVALS_FROM_EVENTS,
    OUTCOMES_FROM_EVENTS,
)
from chassis.unit_of_work import UnitOfWork

_AT_ONCE: Final = 500
"""How many events of a fold are in hand at once: what others ask for waits no longer than they take."""
_SHOWN: Final = 100
_ALL: Final = "tenant_id = :tenant"
_OF_MONTH: Final = "tenant_id = :tenant and told_at >= :since and told_at < :until"
_COMPARED: Final = {
    "weekly_win_rate": "and week not in (select week from stale_week where tenant_id = :tenant)"  # those are not shown
}

_EVENTS: Final = f"(select tenant_id, type, body from event where {_OF_MONTH}) as event"

PROJECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "outcome": (OUTCOMES_FROM_EVENTS.format(table="replayed_outcome", events=_EVENTS),),
    "arrival": (
        ARRIVALS_FROM_EVENTS.format(table="replayed_arrival", events=_EVENTS),
        ARRIVALS_AFTER_WITHDRAWAL.format(table="replayed_arrival", withdrawn=ALL_WITHDRAWN),
    ),
    "weekly_win_rate": (
        WEEKLY_FROM_OUTCOMES.format(weekly="replayed_weekly_win_rate", outcome="replayed_outcome", which="true"),
    ),
    "standing": (
        STANDING_FROM_EVENTS.format(standing="replayed_standing", which=_OF_MONTH),
        STANDING_UNTIL.format(standing="replayed_standing", which=_ALL),
    ),
    "open_item": (ITEMS_FROM_EVENTS.format(open_item="replayed_open_item as live", which=_OF_MONTH),),
}
"""Every table made of a tenant's events, with the statements that make it beside the live one; each may use those before it. One that
reads the events reads a month of them at a time, so that no history is too long for the time that a statement has."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay made.

    Attributes:
        rows: of each projection.
        differences: the rows that had been otherwise before.
    """

    events: int
    rows: Mapping[str, int]
    differences: list[str]


async def compare(uow: UnitOfWork, tenant: str) -> Replayed:
    """Rebuild the tenant's projections from its events and compare them with the live ones, which stay as they are.

    The unit of work must see one state of the database throughout: an event and what is projected of it are committed together, so
    that nobody who stores events has to wait.
    """
    return await _rebuilt(uow, tenant, swaps=False)


async def replay(uow: UnitOfWork, tenant: str) -> Replayed:
    """Rebuild the tenant's projections from its events, compare them with the live ones, and swap them in where they differ.

    Nothing is projected meanwhile, and whoever stores events waits: what came between the fold and the swap would be lost from the numbers.
    """
    await locks.replay(uow, tenant)
    await refresh_weekly(uow, tenant)
    return await _rebuilt(uow, tenant, swaps=True)


async def _rebuilt(uow: UnitOfWork, tenant: str, *, swaps: bool) -> Replayed:
    months = await _months(uow, tenant)
    rows, differences = {}, []
    for table, statements in PROJECTIONS.items():
        await uow.execute(f"create temporary table replayed_{table} (like {table} including all) on commit drop")
        for statement in statements:
            for month in months if ":since" in statement else [{}]:
                await uow.execute(statement, tenant=tenant, **month)
        await uow.execute(f"analyze replayed_{table}")
        found = await _differences(uow, tenant, table)
        if found and swaps:
            await uow.execute(f"delete from {table} where tenant_id = :tenant", tenant=tenant)
            await uow.execute(f"insert into {table} select * from replayed_{table}")
        differences += found
        count = await uow.execute(f"select count(*) from replayed_{table}")
        rows[table] = int(count.scalar_one())
    events = await uow.execute("select count(*) from event where tenant_id = :tenant", tenant=tenant)
    return Replayed(int(events.scalar_one()), rows, differences)


async def _months(uow: UnitOfWork, tenant: str) -> list[dict[str, datetime]]:
    """The months in which events were told: when each begins, and when the next."""
    rows = await uow.execute(
        """select month at time zone 'UTC' as since, (month + interval '1 month') at time zone 'UTC' as until
           from (select distinct date_trunc('month', told_at at time zone 'UTC') as month from event where tenant_id = :tenant) as told
           order by month""",
        tenant=tenant,
    )
    return [dict(row) for row in rows.mappings()]


async def _differences(uow: UnitOfWork, tenant: str, table: str) -> list[str]:
    """The rows of a projection that are missing from the live one or only there, some of each."""
    found = []
    for what, one, other in (("missing from", f"replayed_{table}", table), ("only in", table, f"replayed_{table}")):
        rows = await uow.execute(
            f"""(select * from {one} where tenant_id = :tenant {_COMPARED.get(table, "")}) except
                (select * from {other} where tenant_id = :tenant) limit {_SHOWN}""",
            tenant=tenant,
        )
        found += [f"{what} {table}: {', '.join(map(str, row[1:]))}" for row in rows]
    return found


async def happened(uow: UnitOfWork, tenant: str, types: Collection[str]) -> AsyncIterator[Happened]:
    """A tenant's events of these types, in no order, read some at a time."""
    statement = text(
        "select event_id, type, occurred_at, cast(body as text) from event where tenant_id = :tenant and type = any(:types)"
    ).execution_options(yield_per=_AT_ONCE)
    async with uow.connection.stream(statement, {"tenant": tenant, "types": list(types)}) as rows:
        async for some in rows.partitions(_AT_ONCE):
            for event_id, type_, occurred_at, body in some:
                yield Happened(event_id, type_, occurred_at, orjson.loads(body))


async def stale_weeks(uow: UnitOfWork, tenant: str) -> set[date]:
    """The weeks whose cached win rates are recounted before anybody is shown them."""
    weeks = await uow.execute("select week from stale_week where tenant_id = :tenant", tenant=tenant)
    return {row.week for row in weeks}
