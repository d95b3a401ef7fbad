"""Every query about archiving events."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping

from aggregator import locks
from aggregator.events.store import make_months
from chassis.unit_of_work import Row, UnitOfWork, columns
from contracts.intake.leads import LeadAccepted
from contracts.intake.privacy import DERIVED_FROM_A_PERSON
from contracts.outreach.sending import MessageSent

_GROUP = 1_000
_OF_MONTH = (
    "tenant_id = :tenant and told_at >= cast(cast(:month as date) as timestamp) at time zone 'UTC' "
    "and told_at < (cast(cast(:month as date) as timestamp) + interval '1 month') at time zone 'UTC'"
)
_RESTORE = """
    insert into event (tenant_id, event_id, told_at, seq, type, occurred_at, stored_at, lead_id, campaign_id, account_id,
                       correlation_id, body)
    overriding system value
    select :tenant, given.event_id, given.told_at, seq, type, occurred_at, stored_at, given.lead_id, campaign_id, account_id,
           correlation_id, body || coalesce(personal.fields, '{}')
    from unnest(cast(:event_id as uuid[]), cast(:told_at as timestamptz[]), cast(:seq as bigint[]), cast(:type as text[]),
                cast(:occurred_at as timestamptz[]), cast(:stored_at as timestamptz[]), cast(:lead_id as uuid[]),
                cast(:campaign_id as uuid[]), cast(:account_id as uuid[]), cast(:correlation_id as uuid[]), cast(:body as jsonb[]))
         as given (event_id, told_at, seq, type, occurred_at, stored_at, lead_id, campaign_id, account_id, correlation_id, body)
    left join archived_personal as personal
         on personal.tenant_id = :tenant and personal.event_id = given.event_id and personal.told_at = given.told_at
    on conflict do nothing
"""
_LEAVE_ENDS = f"""
    insert into archived_end (tenant_id, type, event_id, told_at, occurred_at)
    (select tenant_id, type, event_id, told_at, occurred_at from event
     where {_OF_MONTH} and type = '{LeadAccepted.topic.type}' order by occurred_at, event_id limit 1)
    union all
    (select tenant_id, type, event_id, told_at, occurred_at from event
     where {_OF_MONTH} and type = '{MessageSent.topic.type}' order by occurred_at desc, event_id desc limit 1)
    on conflict (tenant_id, type) do update
        set event_id = excluded.event_id, told_at = excluded.told_at, occurred_at = excluded.occurred_at
        where case excluded.type
            when '{LeadAccepted.topic.type}'
            then (excluded.occurred_at, excluded.event_id) < (archived_end.occurred_at, archived_end.event_id)
            else (excluded.occurred_at, excluded.event_id) > (archived_end.occurred_at, archived_end.event_id)
        end
"""
_KEEP_PERSONAL = f"""
    insert into archived_personal (tenant_id, event_id, told_at, lead_id, version, fields)
    select tenant_id, event_id, told_at, lead_id, coalesce(cast(body ->> 'version' as integer), 0),
           (select jsonb_object_agg(key, value) from jsonb_each(body) where key = any(cast(:personal as text[])))
    from event where {_OF_MONTH} and lead_id is not null and body ?| cast(:personal as text[])
    on conflict do nothing
"""
_TAKE_SOME = f"""
    with these (at, id) as (
        select told_at, event_id from event where {_OF_MONTH} and (told_at, event_id) > (:at, :id) order by told_at, event_id limit {_GROUP}
    ), taken as (
        delete from event using these
        where {_OF_MONTH} and told_at = at and event_id = id
        returning at, id
    )
    select at, id, count(*) over () as events from taken order by at desc, id desc limit 1
"""
_NONE: Final[Mapping[str, Any]] = {"at": datetime.min.replace(tzinfo=UTC), "id": UUID(int=0)}
"""What is ahead of every event of a month: of those of one moment the first has the lowest id."""
# What was read of the file's events a moment ago may have been erased since.
_SCRUB_ERASED = f"""
    update event set body = body - cast(:personal as text[])
    from erased_lead
    where event.{_OF_MONTH} and body ?| cast(:personal as text[])
      and erased_lead.tenant_id = :tenant and erased_lead.lead_id = event.lead_id
      and coalesce(cast(body ->> 'version' as integer), 0) <= erased_lead.version
"""


async def months(uow: UnitOfWork, tenant: str) -> Sequence[RowMapping]:
    """The tenant's months with what is at hand and what is archived, oldest first."""
    rows = await uow.execute(
        """with stored as (
               select cast(date_trunc('month', told_at at time zone 'UTC') as date) as month, count(*) as stored
               from event where tenant_id = :tenant group by 1
           ), archived as (
               select month, sum(events) as archived, sum(bytes) as bytes from event_archive
               where tenant_id = :tenant and restored_at is null group by 1
           )
           select to_char(month, 'YYYY-MM') as month, coalesce(stored, 0) as stored, coalesce(archived, 0) as archived,
                  coalesce(bytes, 0) as bytes_archived
           from stored full join archived using (month) order by 1""",
        tenant=tenant,
    )
    return rows.mappings().all()


async def archived_months(uow: UnitOfWork, tenant: str) -> list[str]:
    """The months of which events are archived, and not at hand."""
    rows = await uow.execute(
        """select distinct to_char(month, 'YYYY-MM') as month from event_archive
           where tenant_id = :tenant and restored_at is null order by 1""",
        tenant=tenant,
    )
    return [row.month for row in rows]


async def due(uow: UnitOfWork, tenant: str, before: date, restored_before: datetime) -> list[date]:
    """The months before one of which events are at hand, but for those that were restored since a moment; oldest first."""
    rows = await uow.execute(
        """select months.month from (
               select cast(cast(cast(:before as date) as timestamp) - interval '1 month' * ago as date) as month
               from generate_series(1, 1200) as ago
           ) as months
           where to_regclass('event_' || to_char(months.month, 'YYYY_MM')) is not null
             and exists (select from event where tenant_id = :tenant
                           and told_at >= cast(months.month as timestamp) at time zone 'UTC'
                           and told_at < (cast(months.month as timestamp) + interval '1 month') at time zone 'UTC')
             and not exists (select from event_archive where tenant_id = :tenant and month = months.month
                               and restored_at >= :restored_before)
           order by 1""",
        tenant=tenant, before=before, restored_before=restored_before,
    )  # fmt: skip
    return [row.month for row in rows]


async def parts(uow: UnitOfWork, tenant: str, month: date) -> Sequence[RowMapping]:
    """The archive's files of a month."""
    rows = await uow.execute(
        "select part, path, events, digest, restored_at from event_archive where tenant_id = :tenant and month = :month order by part",
        tenant=tenant, month=month,
    )  # fmt: skip
    return rows.mappings().all()


async def parts_away(uow: UnitOfWork, tenant: str) -> Sequence[RowMapping]:
    """The archive's files whose events are not at hand, oldest first."""
    rows = await uow.execute(
        """select path, events, digest from event_archive
           where tenant_id = :tenant and restored_at is null order by month, part""",
        tenant=tenant,
    )
    return rows.mappings().all()


async def to_archive(uow: UnitOfWork, tenant: str, month: date) -> AsyncIterator[Sequence[RowMapping]]:
    """A month's events without what is made of a person, some at a time, in the order in which they were told."""
    after = _NONE
    while True:
        rows = await uow.execute(
            f"""select seq, event_id, told_at, type, occurred_at, stored_at, lead_id, campaign_id, account_id, correlation_id,
                       cast(case when lead_id is null then body else body - cast(:personal as text[]) end as text) as body
                from event where {_OF_MONTH} and (told_at, event_id) > (:at, :id) order by told_at, event_id limit {_GROUP}""",
            tenant=tenant, month=month, personal=list(DERIVED_FROM_A_PERSON), **after,
        )  # fmt: skip
        group = rows.mappings().all()
        if not group:
            return
        yield group
        after = {"at": group[-1]["told_at"], "id": group[-1]["event_id"]}


async def take_out(uow: UnitOfWork, tenant: str, month: date) -> int:
    """Take a month's events out of the store; returns how many they were.

    What they hold that is made of a person is kept, and so is which lead came first and which message left last: two numbers go back as
    far as there is anything.
    """
    await locks.erase(uow, tenant)
    await uow.execute(_KEEP_PERSONAL, tenant=tenant, month=month, personal=list(DERIVED_FROM_A_PERSON))
    await uow.execute(_LEAVE_ENDS, tenant=tenant, month=month)
    taken, after = 0, _NONE
    while True:  # some at a time, so that no month is too long for the time that a statement has
        rows = await uow.execute(_TAKE_SOME, tenant=tenant, month=month, **after)
        last = rows.one_or_none()
        if last is None:
            return taken
        taken, after = taken + last.events, {"at": last.at, "id": last.id}


async def note_part(
    uow: UnitOfWork, tenant: str, month: date, part: int, path: str, events: int, size: int, digest: bytes
) -> None:
    """Note a file that holds what was taken out; it stands for those of the month that were restored."""
    await uow.execute(
        "delete from event_archive where tenant_id = :tenant and month = :month and restored_at is not null",
        tenant=tenant, month=month,
    )  # fmt: skip
    await uow.execute(
        """insert into event_archive (tenant_id, month, part, path, events, bytes, digest, archived_at)
           values (:tenant, :month, :part, :path, :events, :bytes, :digest, :now)""",
        tenant=tenant, month=month, part=part, path=path, events=events, bytes=size, digest=digest, now=uow.now,
    )  # fmt: skip


async def put_back(uow: UnitOfWork, tenant: str, rows: Sequence[Row]) -> None:
    """Put events back with what was kept of them; those that are there already are left as they are."""
    await make_months(uow, {row["told_at"].date() for row in rows})
    names = (
        "event_id", "told_at", "seq", "type", "occurred_at", "stored_at", "lead_id", "campaign_id", "account_id",
        "correlation_id", "body",
    )  # fmt: skip
    await uow.execute(_RESTORE, tenant=tenant, **columns(rows, *names))


async def note_restored(uow: UnitOfWork, tenant: str, month: date) -> None:
    """Note that a month's events are at hand again; what was kept of them is with them, but for what was erased meanwhile."""
    await locks.erase(uow, tenant)
    await uow.execute(_SCRUB_ERASED, tenant=tenant, month=month, personal=list(DERIVED_FROM_A_PERSON))
    await uow.execute(f"delete from archived_personal where {_OF_MONTH}", tenant=tenant, month=month)
    await uow.execute(
        """update event_archive set restored_at = :now
           where tenant_id = :tenant and month = :month and restored_at is null""",
        tenant=tenant, month=month, now=uow.now,
    )  # fmt: skip


async def month_before(uow: UnitOfWork, count: int) -> date:
    """The first day of the month so many before the running one."""
    first = uow.now.date().replace(day=1)
    for _ in range(count):
        first = (first - timedelta(days=1)).replace(day=1)
    return first
