"""Every query that counts leads, and the weekly table, which is a cache of what they count."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping

from aggregator.win_rates.domain_week import Window
from aggregator.win_rates.store_projections import MARKED_AGAIN
from chassis.unit_of_work import UnitOfWork
from contracts.aggregator.win_rates import Count, Dimension, ListWinRateEvents, Terms, View
from contracts.intake.imports import LeadWithdrawn
from contracts.intake.leads import LeadAccepted, LeadUpdated
from contracts.outcomes import OutcomeRecorded
from contracts.taxonomy import OutcomeType
from contracts.taxonomy import key as key_of

_KEY: Final = {Dimension.SOURCE: "source_key", Dimension.GEO: "geo_key"}

# Each lead of a group once, with how far it came, before the leads are counted. The indexes of `outcome` hand a group's leads
# over one after the other; a count of distinct leads would sort all of them anew.
_HOW_FAR = f"""
    bool_or(type = '{OutcomeType.APPOINTMENT_SET}') as met,
    bool_or(type = '{OutcomeType.CLOSED_WON}') as won,
    bool_or(type = '{OutcomeType.CLOSED_LOST}') as lost
"""
_COUNTS = """
    count(*) as leads_entered,
    count(*) filter (where met) as appointments,
    count(*) filter (where won) as won,
    count(*) filter (where lost) as lost,
    count(*) filter (where won or lost) as decided
"""
_NEVER: Final = {View.CLOSING: ("bitmapscan", "hashagg", "sort"), View.COHORT: ("nestloop",)}
"""What a plan may not do with a million leads. Of those that came since the planner last looked at the tables it believes that there
are a few, and would."""
_ASKED = """
    tenant_id = :tenant
    and (cast(:first as date) is null or week >= :first) and (cast(:last as date) is null or week <= :last)
    and (cast(:intent as text) is null or intent = :intent)
    and (cast(:part as text) is null or position(:part in {key}) > 0)
"""

WEEKLY_FROM_OUTCOMES: Final = """
    insert into {weekly} (tenant_id, dimension, week, key, intent, leads_entered, appointments, won, lost, decided)
""" + " union all ".join(
    f"""select :tenant, '{dimension}', week, key, intent, {_COUNTS}
        from (select {key} as key, intent, lead_id, week, {_HOW_FAR} from {{outcome}}
              where tenant_id = :tenant and not voided and {{which}} group by {key}, intent, lead_id, week) as lead
        group by key, intent, week"""
    for dimension, key in _KEY.items()
)
"""The weekly table of `outcome` into `weekly`."""


async def _count(uow: UnitOfWork, tenant: str, terms: Terms, window: Window, group: str) -> Sequence[RowMapping]:
    """Counts of the leads that are asked for in each group: of `key` and `intent`, `week`, or all three."""
    key = _KEY[terms.by]
    asked = f"select week, {key} as key, intent, lead_id"
    where = f"where {_ASKED.format(key=key)}"
    if terms.view is View.CLOSING:
        leads = f"""select {group}, lead_id, {_HOW_FAR} from ({asked}, type from outcome {where} and not voided) as asked
                    group by {group}, lead_id"""
    else:
        leads = f"""select {group}, met, won, lost from ({asked} from arrival {where}) as asked left join (
                        select lead_id, {_HOW_FAR} from outcome where tenant_id = :tenant and not voided group by lead_id
                    ) as became using (lead_id)"""
    await _plan(uow, terms.view, "off")
    rows = await uow.execute(
        f"select {group}, {_COUNTS} from ({leads}) as lead group by {group}", **_parameters(tenant, terms, window)
    )
    await _plan(uow, terms.view, "on")
    return rows.mappings().all()


async def _plan(uow: UnitOfWork, view: View, on: str) -> None:
    settings = ", ".join(f"set_config('enable_{way}', :on, true)" for way in _NEVER[view])
    await uow.execute(f"select {settings}", on=on)


def _parameters(tenant: str, terms: Terms, window: Window) -> dict[str, Any]:
    part = key_of(terms.key) if terms.key else None
    return {"tenant": tenant, "first": window.first, "last": window.last, "intent": terms.intent, "part": part}


async def win_rates(uow: UnitOfWork, tenant: str, terms: Terms, window: Window) -> Sequence[RowMapping]:
    """Counts of distinct leads per key and intent over the whole window."""
    return await _count(uow, tenant, terms, window, "key, intent")


async def cohorts(uow: UnitOfWork, tenant: str, terms: Terms, window: Window) -> Sequence[RowMapping]:
    """Counts of the leads that came, per week, key and intent."""
    return await _count(uow, tenant, terms, window, "week, key, intent")


async def trend(uow: UnitOfWork, tenant: str, terms: Terms, window: Window) -> Sequence[RowMapping]:
    """Counts of distinct leads per week, whatever their groups."""
    return await _count(uow, tenant, terms, window, "week")


_COUNTED_BY: Final[Mapping[Count, Sequence[OutcomeType]]] = {
    Count.LEADS_ENTERED: list(OutcomeType),
    Count.APPOINTMENTS: [OutcomeType.APPOINTMENT_SET],
    Count.WON: [OutcomeType.CLOSED_WON],
    Count.LOST: [OutcomeType.CLOSED_LOST],
    Count.DECIDED: [OutcomeType.CLOSED_WON, OutcomeType.CLOSED_LOST],
}
"""The outcomes by which a lead is in a count."""
_GROUP = """
    tenant_id = :tenant and {key} = :key and intent = :intent
    and (cast(:first as date) is null or week >= :first) and (cast(:last as date) is null or week <= :last)
"""
_OUTCOME_OF = f"""
    select event.* from (
        select outcome_id from outcome
        where outcome.tenant_id = :tenant and outcome.lead_id = lead.lead_id and not voided and type = any(:types) {{group}}
        order by week, outcome_id limit 1
    ) as counted join event on event.tenant_id = :tenant and event.lead_id = lead.lead_id
        and event.type = '{OutcomeRecorded.topic.type}' and event.body ->> 'outcome_id' = cast(counted.outcome_id as text)
    order by seq limit 1
"""
# One that was withdrawn came when it came again, as `store_projections.ARRIVALS_AFTER_WITHDRAWAL` has it.
_ARRIVAL_OF = f"""
    select event.* from (
        select max(cast(body ->> 'version' as integer)) as version from event
        where event.tenant_id = :tenant and event.lead_id = lead.lead_id and type = '{LeadWithdrawn.topic.type}'
    ) as gone join event on event.tenant_id = :tenant and event.lead_id = lead.lead_id and (
        (gone.version is null and type = '{LeadAccepted.topic.type}')
        or (type in ('{LeadAccepted.topic.type}', '{LeadUpdated.topic.type}') and cast(body ->> 'version' as integer) > gone.version)
    ) order by cast(body ->> 'version' as integer), seq limit 1
"""


async def counted_events(
    uow: UnitOfWork, tenant: str, ask: ListWinRateEvents, window: Window, after: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """A page of the leads that are in a count, by id, each with the event by which it is; one that is archived has no type."""
    group, types = _GROUP.format(key=_KEY[ask.by]), _COUNTED_BY[ask.count]
    following = "" if after is None else "and lead_id > :after"
    if ask.view is View.CLOSING:
        leads = f"""select lead_id from outcome where {group} and not voided and type = any(:types) {following}
                    group by lead_id order by lead_id limit :limit"""
        event = _OUTCOME_OF.format(group=f"and {group}")
    elif ask.count is Count.LEADS_ENTERED:
        leads, event = (
            f"select lead_id from arrival where {group} {following} order by lead_id limit :limit",
            _ARRIVAL_OF,
        )
    else:
        leads = f"""select lead_id from arrival where {group} {following} and exists (
                        select from outcome where outcome.tenant_id = :tenant and outcome.lead_id = arrival.lead_id
                            and not voided and type = any(:types)
                    ) order by lead_id limit :limit"""
        event = _OUTCOME_OF.format(group="")
    if ask.view is View.CLOSING:
        await _plan(uow, ask.view, "off")
    rows = await uow.execute(
        f"""select lead.lead_id as of_lead, found.* from ({leads}) as lead left join lateral ({event}) as found on true
            order by lead.lead_id""",
        tenant=tenant, key=ask.key, intent=ask.intent, first=window.first, last=window.last, limit=limit,
        **({} if ask.view is View.COHORT and ask.count is Count.LEADS_ENTERED else {"types": types}),
        **({} if after is None else {"after": after}),
    )  # fmt: skip
    if ask.view is View.CLOSING:
        await _plan(uow, ask.view, "on")
    return rows.mappings().all()


async def weeks_there(uow: UnitOfWork, tenant: str, view: View) -> Window:
    """The first and the last week of which there is anything."""
    of = "outcome where not voided and" if view is View.CLOSING else "arrival where"
    weeks = await uow.execute(
        f"select min(week) as first, max(week) as last from {of} tenant_id = :tenant", tenant=tenant
    )
    row = weeks.one()
    return Window(row.first, row.last)


async def refresh_weekly(uow: UnitOfWork, tenant: str, always: date | None = None) -> int:
    """Recount the tenant's stale weeks from its outcomes, and one besides, if named; returns how many weeks there were."""
    if always:
        await uow.execute(
            f"insert into stale_week (tenant_id, week) values (:tenant, :week) {MARKED_AGAIN}",
            tenant=tenant,
            week=always,
        )
    stale = await uow.execute("delete from stale_week where tenant_id = :tenant returning week", tenant=tenant)
    weeks = [row.week for row in stale]
    if weeks:
        await uow.execute(
            "delete from weekly_win_rate where tenant_id = :tenant and week = any(:weeks)", tenant=tenant, weeks=weeks
        )
        statement = WEEKLY_FROM_OUTCOMES.format(weekly="weekly_win_rate", outcome="outcome", which="week = any(:weeks)")
        await uow.execute(statement, tenant=tenant, weeks=weeks)
    return len(weeks)


async def weekly(uow: UnitOfWork, tenant: str, terms: Terms, window: Window) -> Sequence[RowMapping]:
    """The weekly table's rows, as they were when their weeks were last recounted."""
    rows = await uow.execute(
        f"""select week, key, intent, leads_entered, appointments, won, lost, decided from weekly_win_rate
            where dimension = :by and {_ASKED.format(key="key")}""",
        by=terms.by, **_parameters(tenant, terms, window),
    )  # fmt: skip
    return rows.mappings().all()
