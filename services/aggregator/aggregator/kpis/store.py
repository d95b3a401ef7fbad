"""Every query about the dashboard's numbers."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping

from aggregator.kpis.domain_numbers import Counted, Numbers, Part
from chassis.paging import Place
from chassis.unit_of_work import UnitOfWork
from contracts.aggregator.kpis import Kpi
from contracts.aggregator.replay import Validation

_NUMBERS = " union all ".join(
    f"""select '{kpi}' as kpi, part, count(*) as count, sum(amount) as amount, max(occurred_at) as latest
        from kpi_{kpi}(:tenant, :as_of) group by part"""
    for kpi in Kpi
)


async def numbers(uow: UnitOfWork, tenant: str, as_of: datetime) -> Numbers:
    """Every number, counted by one statement, and so of one state of the database."""
    # To plan it anew takes longer than to run it; its parts are read by an index each, whatever is asked for.
    await uow.execute("select set_config('plan_cache_mode', 'force_generic_plan', true)")
    rows = await uow.execute(_NUMBERS, tenant=tenant, as_of=as_of)
    return {
        Part(Kpi(row["kpi"]), row["part"]): Counted(row["count"], row["amount"], row["latest"])
        for row in rows.mappings()
    }


async def counted_events(
    uow: UnitOfWork, tenant: str, kpi: Kpi, part: str | None, as_of: datetime, before: Place | None, limit: int
) -> Sequence[RowMapping]:
    """A page of the events that a number counts, the last that occurred first; one that is archived has no type."""
    conditions = ["true"]
    if part is not None:
        conditions.append("counted.part = :part")
    if before:
        conditions.append("(counted.occurred_at, counted.event_id) < (:at, :id)")
    rows = await uow.execute(
        f"""select counted.event_id, event.type, counted.occurred_at, event.stored_at, event.told_at, event.lead_id,
                   event.campaign_id, event.account_id, event.correlation_id, event.body
            from (
                select event_id, told_at, occurred_at from kpi_{kpi}(:tenant, :as_of) as counted
                where {" and ".join(conditions)} order by occurred_at desc, event_id desc limit :limit
            ) as counted
            left join event on event.tenant_id = :tenant and event.event_id = counted.event_id and event.told_at = counted.told_at
            order by counted.occurred_at desc, counted.event_id desc""",
        tenant=tenant, as_of=as_of, limit=limit,
        **({"part": part} if part is not None else {}),
        **({"at": before.at, "id": before.id} if before else {}),
    )  # fmt: skip
    return rows.mappings().all()


async def keep_check(uow: UnitOfWork, tenant: str, found: Validation) -> None:
    """Keep what a check found, for as long as the last thirty."""
    await uow.execute(
        """insert into number_check (tenant_id, checked_at, events, compared, drift, differences)
           values (:tenant, :now, :events, :compared, :drift, cast(:differences as jsonb)) on conflict do nothing""",
        tenant=tenant, now=uow.now, events=found.events, compared=found.compared, drift=found.drift,
        differences=f"[{','.join(difference.model_dump_json() for difference in found.differences)}]",
    )  # fmt: skip
    await uow.execute(
        """delete from number_check where tenant_id = :tenant and checked_at < (
               select checked_at from number_check where tenant_id = :tenant order by checked_at desc offset 29 limit 1)""",
        tenant=tenant,
    )


async def last_check(uow: UnitOfWork, tenant: str) -> RowMapping | None:
    rows = await uow.execute(
        """select checked_at, compared, drift from number_check where tenant_id = :tenant
           order by checked_at desc limit 1""",
        tenant=tenant,
    )
    return rows.mappings().one_or_none()


async def drift(uow: UnitOfWork, tenants: Iterable[str]) -> int:
    """How many numbers differed when each of these tenants was last checked."""
    found = await uow.execute(
        """select coalesce(sum(last.drift), 0) as drift
           from unnest(cast(:tenants as text[])) as wanted (tenant) cross join lateral (
               select drift from number_check where tenant_id = wanted.tenant order by checked_at desc limit 1
           ) as last""",
        tenants=list(tenants),
    )
    total: Any = found.scalar_one()
    return int(total)
