"""Every query about stored events."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import RowMapping

from aggregator import locks
from aggregator.events.domain_wanted import FEW, Order, Position, Wanted
from chassis import inbox
from chassis.unit_of_work import UnitOfWork, columns
from contracts.intake.privacy import DERIVED_FROM_A_PERSON
from contracts.message import UnreadableError

_GIVEN = """
    given (tenant_id, event_id, told_at, type, occurred_at, lead_id, campaign_id, account_id, body, correlation_id) as materialized (
        select * from unnest(
            cast(:tenants as text[]), cast(:ids as uuid[]), cast(:told as timestamptz[]), cast(:types as text[]),
            cast(:occurred as timestamptz[]), cast(:leads as uuid[]), cast(:campaigns as uuid[]), cast(:accounts as uuid[]),
            cast(:bodies as jsonb[]), cast(:correlations as uuid[])
        )
    )
"""
_STORE_EVENTS = """
    insert into event (tenant_id, event_id, told_at, type, occurred_at, lead_id, campaign_id, account_id, correlation_id, body)
    select tenant_id, event_id, told_at, type, occurred_at, lead_id, campaign_id, account_id, correlation_id,
           case when not body ?| cast(:personal as text[]) then body
                when exists (
                    select from erased_lead
                    where erased_lead.tenant_id = given.tenant_id and erased_lead.lead_id = given.lead_id
                      and coalesce(cast(given.body ->> 'version' as integer), 0) <= erased_lead.version
                ) then body - cast(:personal as text[])
                else body
           end
    from given
    on conflict do nothing
    returning tenant_id, event_id
"""
# Of one whose person was forgotten nobody knows any more what it said of them.
_OTHERS = """
    select exists (
        select from unnest(cast(:tenants as text[]), cast(:ids as uuid[]), cast(:told as timestamptz[]),
                           cast(:types as text[]), cast(:bodies as jsonb[])) as given (tenant, id, told, type, body)
        cross join lateral (select * from event where tenant_id = tenant and event_id = id and told_at = told offset 0) as event
        where event.type <> given.type
           or event.body - cast(:personal as text[]) <> given.body - cast(:personal as text[])
    ) as some
"""
_GONE = """
    select tenant_id, lead_id, max(version) as version
    from unnest(cast(:tenant as text[]), cast(:lead_id as uuid[]), cast(:version as integer[])) as given (tenant_id, lead_id, version)
    group by tenant_id, lead_id
"""
_HOLDING = f"""
    select event.* from ({_GONE}) as gone cross join lateral (
        select tenant_id, event_id, told_at, lead_id from event
        where tenant_id = gone.tenant_id and lead_id = gone.lead_id and body ?| cast(:personal as text[])
          and coalesce(cast(body ->> 'version' as integer), 0) <= gone.version
        offset 0
    ) as event
"""
_SCRUB = """
    update event set body = body - cast(:personal as text[])
    from unnest(cast(:tenant_id as text[]), cast(:event_id as uuid[]), cast(:told_at as timestamptz[])) as given (tenant, id, told)
    where tenant_id = tenant and event_id = id and told_at = told and event_id = any (cast(:event_id as uuid[]))
"""


class Row(NamedTuple):
    """An event to be stored.

    Attributes:
        told_at: when it was published; the same at every delivery, so that the id is the same row (UTC).
        body: its JSON.
        correlation_id: what it follows from.
    """

    tenant: str
    event_id: UUID
    told_at: datetime
    type: str
    occurred_at: datetime
    lead_id: UUID | None
    campaign_id: UUID | None
    account_id: UUID | None
    body: str
    correlation_id: UUID | None = None


class Gone(NamedTuple):
    """A lead whose person is to be forgotten, up to a version of it."""

    tenant: str
    lead_id: UUID
    version: int


async def store_events(uow: UnitOfWork, rows: Sequence[Row], *projecting: str) -> set[inbox.Key] | None:
    """Store events, each in its month; one that is there already is left as it is.

    An event's id and when it was told are made together, once, and never change: together they are what it is known by.

    Parameters:
        projecting: what else is written of them, in the same turn; each ``name as (statement)``, of the events as `given`, those that were there
            already among them.

    Returns:
        Which were not there before; none stands for all of them.

    Raises:
        UnreadableError: an event that is there has another body than the one of the same id that was given.
    """
    tenants, ids, told, types, occurred, leads, campaigns, accounts, bodies, correlations = map(
        list, zip(*rows, strict=True)
    )
    personal = list(DERIVED_FROM_A_PERSON)
    new = await inbox.newly(
        uow, _STORE_EVENTS, _GIVEN, *projecting, tenants=tenants, ids=ids, told=told, types=types, occurred=occurred, leads=leads,
        campaigns=campaigns, accounts=accounts, bodies=bodies, correlations=correlations, personal=personal,
    )  # fmt: skip
    if new is not None:
        others = await uow.execute(
            _OTHERS, tenants=tenants, ids=ids, told=told, types=types, bodies=bodies, personal=personal
        )
        if others.scalar_one():
            raise UnreadableError(inbox.REUSED)
    return new


def month_of(day: date) -> date:
    """The first day of its month."""
    return day.replace(day=1)


async def make_months(uow: UnitOfWork, days: Iterable[date]) -> int:
    """Have the months of these days (UTC) be there; returns how many were made."""
    # As texts: the driver takes the first day of the year 1 for the beginning of all time.
    months = sorted({month_of(day).isoformat() for day in days})
    made = await uow.execute("select make_event_months(cast(cast(:months as text[]) as date[])) as made", months=months)
    return int(made.scalar_one())


async def keep_erased(uow: UnitOfWork, gone: Sequence[Gone]) -> None:
    """Keep up to which version leads' persons were erased; a later one is another person's. They can be forgotten in the same unit of work:
    nobody else erases anybody of these tenants until it ends."""
    for tenant in sorted({each.tenant for each in gone}):
        await locks.erase(uow, tenant)
    await uow.execute(
        f"""insert into erased_lead (tenant_id, lead_id, version) select * from ({_GONE}) as gone
            on conflict (tenant_id, lead_id) do update set version = greatest(erased_lead.version, excluded.version)""",
        **columns([each._asdict() for each in gone], *Gone._fields),
    )


async def forget(uow: UnitOfWork, gone: Sequence[Gone]) -> Counter[tuple[str, UUID]]:
    """Take what is made of leads' persons from their events, archived ones too, up to these versions; returns from how many of each.

    That they are gone is kept (`keep_erased`).
    """
    given = columns([each._asdict() for each in gone], *Gone._fields)
    personal = list(DERIVED_FROM_A_PERSON)
    archived = await uow.execute(
        f"""delete from archived_personal as archived using ({_GONE}) as gone
            where archived.tenant_id = gone.tenant_id and archived.lead_id = gone.lead_id
              and archived.lead_id = any (cast(:lead_id as uuid[])) and archived.version <= gone.version
            returning archived.tenant_id, archived.lead_id""",
        **given,
    )
    found = await uow.execute(_HOLDING, personal=personal, **given)
    holding = [dict(row) for row in found.mappings()]
    if holding:
        await uow.execute(_SCRUB, personal=personal, **columns(holding, "tenant_id", "event_id", "told_at"))
    return Counter((row["tenant_id"], row["lead_id"]) for row in (*archived.mappings(), *holding))


async def events(
    uow: UnitOfWork, tenant: str, wanted: Wanted, before: Position | None, limit: int
) -> Sequence[RowMapping]:
    """A page of events, in the order of `wanted`, from before a position in it; `size` is the length of the body's text."""
    statement, parameters = page(wanted, before)
    rows = await uow.execute(statement, tenant=tenant, limit=limit, **parameters)
    return rows.mappings().all()


def page(wanted: Wanted, before: Position | None) -> tuple[str, dict[str, Any]]:
    """The statement for a page of events and its parameters, but the tenant and the limit.

    Where the order is by occurrence, the newest few of each type are read out of an index in that order, and the newest of those
    are the page: that takes as long among a million events, and however rare a type is. A lead's events, and those that follow from
    one cause, are few, and all read. When events were told says in which months they are: no other is looked at.
    """
    order = wanted.order
    conditions = [f"{column} = :{column}" for column in wanted.ids]
    parameters: dict[str, Any] = dict(wanted.ids)
    for name, condition in _BOUNDS.items():
        if moment := getattr(wanted, name):
            conditions.append(condition)
            parameters[name] = moment
    if before:
        conditions.append(f"({order}, event_id) < (:at, :id)")
        parameters |= {"at": before.at, "id": before.id}
    if wanted.types:
        parameters["types"] = list(wanted.types)
    ordered = f"{order} desc, event_id desc"
    if order is not Order.OCCURRED or wanted.ids.keys() & FEW:
        if wanted.types:
            conditions.append("type = any(:types)")
        source = f"select * from event where {_all('tenant_id = :tenant', *conditions)}"
    else:
        types = "select unnest(cast(:types as text[]))" if wanted.types else _types_of(wanted.ids)
        source = f"""select found.* from ({types}) as wanted (one_type) cross join lateral (
                         select * from event where {_all("tenant_id = :tenant", "type = one_type", *conditions)}
                         order by {ordered} limit :limit
                     ) as found"""
    statement = f"""
        select event_id, type, occurred_at, stored_at, told_at, lead_id, campaign_id, account_id, correlation_id, body,
               octet_length(cast(body as text)) as size
        from ({source}) as found order by {ordered} limit :limit"""
    return statement, parameters


def _types_of(ids: Iterable[str]) -> str:
    """The types of the events with these ids, one after the other: to read them all would be to read the events."""
    conditions = _all("tenant_id = :tenant", *(f"{column} = :{column}" for column in ids))
    first = f"select type from event where {conditions} order by type limit 1"
    following = f"select type from event where {conditions} and type > present.type order by type limit 1"
    return f"""with recursive present as (
                   ({first}) union all select ({following}) from present where present.type is not null
               ) select type from present where type is not null"""


_BOUNDS: Final = {
    "since": "occurred_at >= :since",
    "until": "occurred_at < :until",
    "told_since": "told_at >= :told_since",
    "told_until": "told_at < :told_until",
}


def _all(*conditions: str) -> str:
    return " and ".join(conditions)
