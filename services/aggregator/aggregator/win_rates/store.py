"""Every query about win rates."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from contracts.outcomes import OutcomeRecorded
from contracts.taxonomy import UNKNOWN, OutcomeType

_WEEK = "cast(date_trunc('week', occurred_at at time zone 'UTC') as date)"
"""The Monday of an event's ISO week in UTC, as `domain_week.week_of` has it."""
_DECIDED = f"type in ('{OutcomeType.CLOSED_WON}', '{OutcomeType.CLOSED_LOST}')"

OUTCOMES_FROM_EVENTS = f"""
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

WEEKLY_FROM_OUTCOMES = f"""
    insert into {{weekly}} (tenant_id, dimension, week, key, intent, leads_entered, appointments, won, lost, decided)
    select tenant_id, dimension, week, key, intent, {_COUNTS}
    from {{outcome}}, lateral (values ('source', source_key), ('geo', geo_key)) as grouped (dimension, key)
    where tenant_id = :tenant and {{which}}
    group by tenant_id, dimension, week, key, intent
"""


async def project_outcomes(uow: UnitOfWork, tenants: Sequence[str], ids: Sequence[UUID]) -> None:
    """Project the outcomes among these events, and mark the weeks they fall into as stale."""
    # Shared, so that batches do not wait for each other; a replay, which puts its own projection in place, does.
    await uow.execute(
        """select pg_advisory_xact_lock_shared(hashtextextended('projection/' || tenant, 0))
           from (select distinct unnest(cast(:tenants as text[])) as tenant order by 1) as tenants""",
        tenants=list(tenants),
    )
    these = "(tenant_id, event_id) in (select * from unnest(cast(:tenants as text[]), cast(:ids as uuid[])))"
    statement = OUTCOMES_FROM_EVENTS.format(outcome="outcome", which=these)
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
        statement = WEEKLY_FROM_OUTCOMES.format(weekly="weekly_win_rate", outcome="outcome", which="week = any(:weeks)")
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
