"""Every query of the aggregator."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from contracts.intake.privacy import DERIVED_FROM_A_PERSON
from contracts.outcomes import OutcomeRecorded
from contracts.taxonomy import UNKNOWN, OutcomeType

_WEEK = "cast(date_trunc('week', occurred_at at time zone 'UTC') as date)"
"""The Monday of an event's ISO week in UTC, as `domain.week_of` has it."""
_DECIDED = f"type in ('{OutcomeType.CLOSED_WON}', '{OutcomeType.CLOSED_LOST}')"

_STORE_EVENTS = """
    insert into event (tenant_id, event_id, type, occurred_at, lead_id, body)
    select tenant_id, event_id, type, occurred_at, lead_id,
           case when erased.yes then body - cast(:personal as text[]) else body end
    from unnest(cast(:tenants as text[]), cast(:ids as uuid[]), cast(:types as text[]),
                cast(:occurred as timestamptz[]), cast(:leads as uuid[]), cast(:bodies as jsonb[]))
         as given (tenant_id, event_id, type, occurred_at, lead_id, body)
    left join lateral (
        select true as yes from erased_lead
        where erased_lead.tenant_id = given.tenant_id and erased_lead.lead_id = given.lead_id
          and coalesce(cast(given.body ->> 'version' as integer), 0) <= erased_lead.version
        limit 1
    ) as erased on true
    on conflict do nothing
"""

_OUTCOMES_FROM_EVENTS = f"""
    insert into {{outcome}} (tenant_id, outcome_id, lead_id, type, week, source_key, geo_key, intent)
    select tenant_id, cast(body ->> 'outcome_id' as uuid), lead_id, body ->> 'type', {_WEEK},
           coalesce(nullif(body -> 'attribution' ->> 'source_key', ''), '{UNKNOWN}'),
           coalesce(nullif(body -> 'attribution' ->> 'geo_key', ''), '{UNKNOWN}'),
           coalesce(body -> 'attribution' ->> 'intent', '{UNKNOWN}')
    from event
    where type = '{OutcomeRecorded.topic.type}' and {{which}}
    on conflict do nothing
"""

# A mark that is there is written again: whoever recounts the week then waits until these outcomes are committed.
_MARK_STALE = f"""
    insert into stale_week (tenant_id, week)
    select distinct tenant_id, {_WEEK}
    from event where (tenant_id, event_id) in (select * from unnest(cast(:tenants as text[]), cast(:ids as uuid[])))
    order by 1, 2
    on conflict (tenant_id, week) do update set week = excluded.week
"""

_COUNTS = f"""
    count(distinct lead_id) as leads_entered,
    count(distinct lead_id) filter (where type = '{OutcomeType.APPOINTMENT_SET}') as appointments,
    count(distinct lead_id) filter (where type = '{OutcomeType.CLOSED_WON}') as won,
    count(distinct lead_id) filter (where type = '{OutcomeType.CLOSED_LOST}') as lost,
    count(distinct lead_id) filter (where {_DECIDED}) as decided
"""

_WEEKLY_FROM_OUTCOMES = f"""
    insert into {{weekly}} (tenant_id, dimension, week, key, intent, leads_entered, appointments, won, lost, decided)
    select tenant_id, dimension, week, key, intent, {_COUNTS}
    from {{outcome}}, lateral (values ('source', source_key), ('geo', geo_key)) as grouped (dimension, key)
    where tenant_id = :tenant and {{which}}
    group by tenant_id, dimension, week, key, intent
"""


async def store_events(uow: UnitOfWork, rows: Sequence[tuple[str, UUID, str, Any, UUID | None, str]]) -> None:
    """Store events (tenant, id, type, occurred_at, lead, JSON body); an id that is there already is left as it is."""
    tenants, ids, types, occurred, leads, bodies = (list(column) for column in zip(*rows, strict=True))
    await uow.execute(
        _STORE_EVENTS, tenants=tenants, ids=ids, types=types, occurred=occurred, leads=leads, bodies=bodies,
        personal=list(DERIVED_FROM_A_PERSON),
    )  # fmt: skip


async def keep_erased(uow: UnitOfWork, tenant: str, lead_id: UUID, version: int) -> None:
    """Keep that a lead's person was erased with this version of it; a later one is another person's."""
    await uow.execute(
        """insert into erased_lead (tenant_id, lead_id, version) values (:tenant, :lead_id, :version)
           on conflict (tenant_id, lead_id) do update set version = greatest(erased_lead.version, excluded.version)""",
        tenant=tenant, lead_id=lead_id, version=version,
    )  # fmt: skip


async def forget(uow: UnitOfWork, tenant: str, lead_id: UUID, version: int) -> int:
    """Take what is made of a lead's person from its events, up to this version of it; returns from how many."""
    scrubbed = await uow.execute(
        """update event set body = body - cast(:personal as text[])
           where tenant_id = :tenant and lead_id = :lead_id and body ?| cast(:personal as text[])
             and coalesce(cast(body ->> 'version' as integer), 0) <= :version""",
        tenant=tenant, lead_id=lead_id, version=version, personal=list(DERIVED_FROM_A_PERSON),
    )  # fmt: skip
    return scrubbed.rowcount


async def project_outcomes(uow: UnitOfWork, tenants: Sequence[str], ids: Sequence[UUID]) -> None:
    """Project the outcomes among these events, and mark the weeks they fall into as stale."""
    # Shared, so that batches do not wait for each other; a replay, which puts its own projection in place, does.
    await uow.execute(
        """select pg_advisory_xact_lock_shared(hashtextextended('projection/' || tenant, 0))
           from (select distinct unnest(cast(:tenants as text[])) as tenant order by 1) as tenants""",
        tenants=list(tenants),
    )
    these = "(tenant_id, event_id) in (select * from unnest(cast(:tenants as text[]), cast(:ids as uuid[])))"
    statement = _OUTCOMES_FROM_EVENTS.format(outcome="outcome", which=these)
    await uow.execute(statement, tenants=list(tenants), ids=list(ids))
    await uow.execute(_MARK_STALE, tenants=list(tenants), ids=list(ids))


async def win_rates(
    uow: UnitOfWork, tenant: str, dimension: str, first_week: date | None, intent: str | None, minimum: int
) -> Sequence[RowMapping]:
    """Counts of distinct leads per key and intent over the whole window."""
    key = {"source": "source_key", "geo": "geo_key"}[dimension]
    rows = await uow.execute(
        f"""select {key} as key, intent, {_COUNTS} from outcome
            where tenant_id = :tenant and (cast(:first as date) is null or week >= :first)
              and (cast(:intent as text) is null or intent = :intent)
            group by {key}, intent
            having count(distinct lead_id) filter (where {_DECIDED}) >= :minimum
            order by {key} collate "C", intent collate "C" """,
        tenant=tenant, first=first_week, intent=intent, minimum=minimum,
    )  # fmt: skip
    return rows.mappings().all()


async def window(uow: UnitOfWork, tenant: str, first_week: date | None) -> tuple[date | None, date | None]:
    """The first and the last week with outcomes, from `first_week` on."""
    weeks = await uow.execute(
        "select min(week) as first_week, max(week) as last_week from outcome where tenant_id = :tenant and (cast(:first as date) is null or week >= :first)",
        tenant=tenant, first=first_week,
    )  # fmt: skip
    row = weeks.one()
    return row.first_week, row.last_week


async def refresh_weekly(uow: UnitOfWork, tenant: str) -> int:
    """Recount the tenant's stale weeks from its outcomes; returns how many weeks there were."""
    stale = await uow.execute("delete from stale_week where tenant_id = :tenant returning week", tenant=tenant)
    weeks = [row.week for row in stale]
    if weeks:
        await uow.execute(
            "delete from weekly_win_rate where tenant_id = :tenant and week = any(:weeks)", tenant=tenant, weeks=weeks
        )
        statement = _WEEKLY_FROM_OUTCOMES.format(
            weekly="weekly_win_rate", outcome="outcome", which="week = any(:weeks)"
        )
        await uow.execute(statement, tenant=tenant, weeks=weeks)
    return len(weeks)


async def weekly(uow: UnitOfWork, tenant: str, dimension: str, first_week: date) -> Sequence[RowMapping]:
    rows = await uow.execute(
        """select week, key, intent, leads_entered, appointments, won, lost, decided from weekly_win_rate
           where tenant_id = :tenant and dimension = :dimension and week >= :first
           order by week, key collate "C", intent collate "C" """,
        tenant=tenant, dimension=dimension, first=first_week,
    )  # fmt: skip
    return rows.mappings().all()


async def events(
    uow: UnitOfWork, tenant: str, lead_id: UUID | None, types: Sequence[str], before: int | None, limit: int
) -> Sequence[RowMapping]:
    """A page of events, last stored first, from before a sequence number."""
    rows = await uow.execute(
        """select seq, event_id, type, occurred_at, stored_at, lead_id, body from event
           where tenant_id = :tenant
             and (cast(:lead_id as uuid) is null or lead_id = :lead_id)
             and (cardinality(cast(:types as text[])) = 0 or type = any(:types))
             and (cast(:before as bigint) is null or seq < :before)
           order by seq desc limit :limit""",
        tenant=tenant, lead_id=lead_id, types=list(types), before=before, limit=limit,
    )  # fmt: skip
    return rows.mappings().all()


async def replay(uow: UnitOfWork, tenant: str) -> tuple[int, int, list[str]]:
    """Rebuild the tenant's projections from its events, compare, swap; returns events, weekly rows, differences.

    Nothing is projected meanwhile: what came between the fold and the swap would be lost from the numbers.
    """
    await uow.execute("select pg_advisory_xact_lock(hashtextextended('projection/' || :tenant, 0))", tenant=tenant)
    await refresh_weekly(uow, tenant)
    await uow.execute("create temporary table replayed_outcome (like outcome including all) on commit drop")
    await uow.execute("create temporary table replayed_weekly (like weekly_win_rate including all) on commit drop")
    fold = _OUTCOMES_FROM_EVENTS.format(outcome="replayed_outcome", which="tenant_id = :tenant")
    await uow.execute(fold, tenant=tenant)
    count = _WEEKLY_FROM_OUTCOMES.format(weekly="replayed_weekly", outcome="replayed_outcome", which="true")
    await uow.execute(count, tenant=tenant)
    differences = []
    for live, replayed in (("outcome", "replayed_outcome"), ("weekly_win_rate", "replayed_weekly")):
        for what, one, other in (("missing from", replayed, live), ("only in", live, replayed)):
            rows = await uow.execute(
                f"""(select * from {one} where tenant_id = :tenant) except
                    (select * from {other} where tenant_id = :tenant) limit 100""",
                tenant=tenant,
            )
            differences += [f"{what} {live}: {', '.join(map(str, row[1:]))}" for row in rows]
        await uow.execute(f"delete from {live} where tenant_id = :tenant", tenant=tenant)
        await uow.execute(f"insert into {live} select * from {replayed}")
    totals = await uow.execute(
        """select (select count(*) from event where tenant_id = :tenant) as events,
                  (select count(*) from weekly_win_rate where tenant_id = :tenant) as rows""",
        tenant=tenant,
    )
    total = totals.one()
    return total.events, total.rows, differences
