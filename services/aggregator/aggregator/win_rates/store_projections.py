"""What win rates are counted from: every outcome, and when every lead came. Both are made of the events, at any time."""

from collections.abc import Mapping, Sequence
from typing import Final

from aggregator import locks
from chassis.unit_of_work import UnitOfWork
from contracts.intake.leads import LeadAccepted
from contracts.outcomes import OutcomeRecorded, OutcomeVoided
from contracts.taxonomy import UNKNOWN

PROJECTED: Final = (OutcomeRecorded, OutcomeVoided, LeadAccepted)
"""The events that these projections are made of."""

_GROUPS = f"""
    coalesce(nullif(body -> 'attribution' ->> 'source_key', ''), '{UNKNOWN}') as source_key,
    coalesce(nullif(body -> 'attribution' ->> 'geo_key', ''), '{UNKNOWN}') as geo_key,
    coalesce(body -> 'attribution' ->> 'intent', '{UNKNOWN}') as intent
"""


def _week(field: str) -> str:
    """The Monday of the ISO week in UTC, as `domain_week.week_of` has it, of a moment in an event's body."""
    return f"cast(date_trunc('week', cast(body ->> '{field}' as timestamptz) at time zone 'UTC') as date)"


OUTCOMES_FROM_EVENTS: Final = f"""
    insert into {{table}} (tenant_id, outcome_id, lead_id, type, week, source_key, geo_key, intent, voided)
    select distinct on (tenant_id, outcome_id)
           tenant_id, outcome_id, lead_id, outcome_type, week, source_key, geo_key, intent, voided
    from (
        select tenant_id, cast(body ->> 'outcome_id' as uuid) as outcome_id, cast(body ->> 'lead_id' as uuid) as lead_id,
               body ->> 'type' as outcome_type, {_week("occurred_at")} as week, {_GROUPS},
               type = '{OutcomeVoided.topic.type}' as voided
        from {{events}}
        where type in ('{OutcomeRecorded.topic.type}', '{OutcomeVoided.topic.type}')
    ) as told
    order by tenant_id, outcome_id, voided desc
    on conflict (tenant_id, outcome_id) do update set voided = true where excluded.voided and not {{table}}.voided
"""
"""The outcomes of `events` (tenant_id, type, body) into `table`, each once. One that was voided is there and counts nowhere:
its voiding may be told first, and says all that the outcome said."""

ARRIVALS_FROM_EVENTS: Final = f"""
    insert into {{table}} (tenant_id, lead_id, week, source_key, geo_key, intent)
    select tenant_id, cast(body ->> 'lead_id' as uuid), {_week("created_at")}, {_GROUPS}
    from {{events}}
    where type = '{LeadAccepted.topic.type}'
    order by 1, 2
    on conflict do nothing
"""
"""When the leads of `events` (tenant_id, type, body) came, and by what, into `table`. A lead is accepted once, and what it is
credited to later moves it to no other cohort."""

FOLDS: Final[Mapping[str, str]] = {"outcome": OUTCOMES_FROM_EVENTS, "arrival": ARRIVALS_FROM_EVENTS}
"""Each projection's table, with the statement that makes it of events."""

_THESE = """
    unnest(cast(:tenants as text[]), cast(:types as text[]), cast(:bodies as jsonb[])) as event (tenant_id, type, body)
"""
MARKED_AGAIN: Final = "on conflict (tenant_id, week) do update set week = excluded.week"
"""A mark that is there is written again: whoever recounts the week then waits until these outcomes are committed."""
_PROJECT_OUTCOMES = f"""
    with projected as ({OUTCOMES_FROM_EVENTS.format(table="outcome", events=_THESE)} returning tenant_id, week)
    insert into stale_week (tenant_id, week)
    select distinct tenant_id, week from projected order by 1, 2
    {MARKED_AGAIN}
"""
_PROJECT_ARRIVALS = ARRIVALS_FROM_EVENTS.format(table="arrival", events=_THESE)


async def project(uow: UnitOfWork, events: Sequence[tuple[str, str, str]]) -> None:
    """Project these events (tenant, CloudEvents type, JSON body), and mark the weeks whose outcomes change as stale.

    Any order and any repetition of events comes to the same rows.
    """
    if not events:
        return
    tenants, types, bodies = (list(column) for column in zip(*events, strict=True))
    await locks.project(uow, tenants)
    arrivals = LeadAccepted.topic.type
    if any(type_ != arrivals for type_ in types):
        await uow.execute(_PROJECT_OUTCOMES, tenants=tenants, types=types, bodies=bodies)
    if arrivals in types:
        await uow.execute(_PROJECT_ARRIVALS, tenants=tenants, types=types, bodies=bodies)
