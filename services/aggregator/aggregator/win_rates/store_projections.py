"""What win rates are counted from: every outcome, and when every lead came. Both are made of the events, at any time."""

from collections.abc import Sequence
from typing import Final

from aggregator import locks
from chassis.unit_of_work import UnitOfWork
from contracts.intake.imports import LeadWithdrawn
from contracts.intake.leads import LeadAccepted, LeadUpdated
from contracts.outcomes import OutcomeRecorded, OutcomeVoided
from contracts.taxonomy import UNKNOWN

PROJECTED: Final = frozenset(
    event.topic.type for event in (OutcomeRecorded, OutcomeVoided, LeadAccepted, LeadUpdated, LeadWithdrawn)
)
"""The types of the events that these projections are made of."""

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

ARRIVALS_AFTER_WITHDRAWAL: Final = f"""
    with first as (
        select gone.tenant_id, gone.lead_id, snapshot.*
        from ({{withdrawn}}) as gone (tenant_id, lead_id, version) left join lateral (
            select {_week("created_at")} as week, {_GROUPS} from event
            where event.tenant_id = gone.tenant_id and event.lead_id = gone.lead_id
              and type in ('{LeadAccepted.topic.type}', '{LeadUpdated.topic.type}') and cast(body ->> 'version' as integer) > gone.version
            order by cast(body ->> 'version' as integer) limit 1
        ) as snapshot on true
    ), dropped as (
        delete from {{table}} as arrival using first
        where arrival.tenant_id = first.tenant_id and arrival.lead_id = first.lead_id and first.week is null
    )
    insert into {{table}} (tenant_id, lead_id, week, source_key, geo_key, intent)
    select * from first where week is not null order by 1, 2
    on conflict (tenant_id, lead_id) do update
        set week = excluded.week, source_key = excluded.source_key, geo_key = excluded.geo_key, intent = excluded.intent
"""
"""What became of the leads of `withdrawn` (tenant_id, lead_id, version), in `table`: with its import one is taken out of its cohort; if it
comes again, it is in the one that it comes in then."""
ALL_WITHDRAWN: Final = f"""
    select tenant_id, lead_id, max(cast(body ->> 'version' as integer)) from event
    where tenant_id = :tenant and type = '{LeadWithdrawn.topic.type}' group by 1, 2
"""

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
# Whatever of a lead is heard of last. Of leads that nobody took back none is looked at twice: they are not among those whose persons are
# gone. One that is among those and in no cohort was withdrawn, also where that has gone into the archive.
_THESE_WITHDRAWN = f"""
    select gone.tenant_id, gone.lead_id, coalesce(withdrawn.version, gone.version)
    from (select distinct tenant_id, cast(body ->> 'lead_id' as uuid) as lead_id from {_THESE}) as told
    cross join lateral (
        select * from erased_lead where erased_lead.tenant_id = told.tenant_id and erased_lead.lead_id = told.lead_id offset 0
    ) as gone
    cross join lateral (
        select max(cast(body ->> 'version' as integer)) as version from event
        where event.tenant_id = gone.tenant_id and event.lead_id = gone.lead_id and type = '{LeadWithdrawn.topic.type}' offset 0
    ) as withdrawn
    where withdrawn.version is not null or not exists (
        select from arrival where arrival.tenant_id = gone.tenant_id and arrival.lead_id = gone.lead_id)
"""
_PROJECT_WITHDRAWN = ARRIVALS_AFTER_WITHDRAWAL.format(table="arrival", withdrawn=_THESE_WITHDRAWN)
_OUTCOMES = frozenset(message.topic.type for message in (OutcomeRecorded, OutcomeVoided))


async def project(uow: UnitOfWork, events: Sequence[tuple[str, str, str]]) -> None:
    """Project these events (tenant, CloudEvents type, JSON body), and mark the weeks whose outcomes change as stale.

    They are stored, and so is which leads were withdrawn. Any order and any repetition of events comes to the same rows.
    """
    if not events:
        return
    await locks.project(uow, [tenant for tenant, _, _ in events])
    if outcomes := [event for event in events if event[1] in _OUTCOMES]:
        await uow.execute(_PROJECT_OUTCOMES, **_columns(outcomes))
    if leads := [event for event in events if event[1] not in _OUTCOMES]:
        await uow.execute(_PROJECT_ARRIVALS, **_columns(leads))
        await uow.execute(_PROJECT_WITHDRAWN, **_columns(leads))


def _columns(events: Sequence[tuple[str, str, str]]) -> dict[str, list[str]]:
    tenants, types, bodies = map(list, zip(*events, strict=True))
    return {"tenants": tenants, "types": types, "bodies": bodies}
