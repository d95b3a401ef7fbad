"""Every query about what came back of messages."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from uuid_utils.compat import uuid7

from chassis.unit_of_work import UnitOfWork

_INSERT = """
    insert into reply (tenant_id, reply_id, taken_id, message_id, enrollment_id, campaign_id, lead_id, account_id, channel, variant,
                       received_at, reply_class, confidence, rules, returns_on, needs_person, has_text)
    values (:tenant, :reply_id, :taken_id, :message_id, :enrollment_id, :campaign_id, :lead_id, :account_id, :channel, :variant,
            :received_at, :reply_class, :confidence, :rules, :returns_on, :needs_person, :has_text)
"""

_HAS_LEFT = """(message.state in ('sending', 'sent', 'failed', 'unknown') or exists (
    select from message_event as change
    where change.tenant_id = message.tenant_id and change.message_id = message.message_id and change.state = 'unknown'))"""
"""Whether something may come back of a message: also of one that nobody knew the fate of, and that somebody had be sent again."""
_GOES_ON = """exists (
    select from enrollment
    where enrollment.tenant_id = reply.tenant_id and enrollment.enrollment_id = reply.enrollment_id and enrollment.ended_at is null
) as sequence_goes_on"""


async def take(uow: UnitOfWork, tenant: str, source_key: str, message_id: UUID | None) -> bool:
    """Note that something was taken; whether it is new. Who takes the same at that moment waits for this unit of work."""
    taken = await uow.execute(
        """insert into taken (tenant_id, source_key, message_id, taken_at) values (:tenant, :key, :message, :now)
           on conflict (tenant_id, source_key) do nothing""",
        tenant=tenant, key=source_key, message=message_id, now=uow.now,
    )  # fmt: skip
    return taken.rowcount == 1


async def first_known(uow: UnitOfWork, tenant: str, messages: Collection[UUID]) -> UUID | None:
    """The first of these messages that the tenant has, and that has begun to leave."""
    rows = await uow.execute(
        f"""select message_id from unnest(cast(:messages as uuid[])) with ordinality as given (message_id, number)
            join send_queue as message using (message_id)
            where message.tenant_id = :tenant and {_HAS_LEFT} order by number limit 1""",
        tenant=tenant, messages=list(messages),
    )  # fmt: skip
    return rows.scalar()


async def has_left(uow: UnitOfWork, tenant: str, message_id: UUID) -> bool:
    """Whether something may come back of a message."""
    rows = await uow.execute(
        f"select {_HAS_LEFT} from send_queue as message where tenant_id = :tenant and message_id = :message",
        tenant=tenant, message=message_id,
    )  # fmt: skip
    return bool(rows.scalar())


async def last_to_each(
    uow: UnitOfWork, tenant: str, account_id: UUID, leads: Collection[UUID], since: datetime
) -> list[UUID]:
    """The last e-mail that left by an account to each of these leads, by way of it or of one merged into it, the latest first: where it
    left since then, or its sequence goes on."""
    rows = await uow.execute(
        f"""select message_id
           from (
               select distinct on (theirs.stands) message_id, spent_at
               from (
                   select lead_id as stands, lead_id from unnest(cast(:leads as uuid[])) as given (lead_id)
                   union
                   select merged_into, lead_id from lead where tenant_id = :tenant and merged_into = any (cast(:leads as uuid[]))
               ) as theirs
               cross join lateral (
                   select message_id, enrollment_id, spent_at from send_queue as message
                   where tenant_id = :tenant and lead_id = theirs.lead_id and account_id = :account and kind = 'email'
                         and state <> 'failed' and {_HAS_LEFT}
                   order by spent_at desc limit 1
               ) as message
               cross join lateral (
                   select ended_at from enrollment
                   where tenant_id = :tenant and enrollment_id = message.enrollment_id offset 0
               ) as sequence
               where message.spent_at > :since or sequence.ended_at is null
               order by theirs.stands, spent_at desc
           ) as last_to_each
           order by spent_at desc""",
        tenant=tenant, account=account_id, leads=list(leads), since=since,
    )  # fmt: skip
    return list(rows.scalars())


async def insert(uow: UnitOfWork, tenant: str, reply: Mapping[str, Any]) -> None:
    await uow.execute(_INSERT, tenant=tenant, taken_id=uuid7(), **reply)


async def one(uow: UnitOfWork, tenant: str, reply_id: UUID, *, lock: bool = False) -> RowMapping | None:
    rows = await uow.execute(
        f"""select *, {_GOES_ON} from reply
            where tenant_id = :tenant and reply_id = :reply {"for update of reply" if lock else ""}""",
        tenant=tenant, reply=reply_id,
    )  # fmt: skip
    return rows.mappings().first()


# In the order in which everybody locks them.
_NAMED = """(tenant_id, name) in (
    select tenant_id, name from hold where tenant_id = :tenant and name = any (cast(:names as text[]))
    order by tenant_id, name for update
)"""


async def page(
    uow: UnitOfWork, tenant: str, before: UUID | None, limit: int, *, lead: UUID | None, campaign: UUID | None,
    needs_person: bool,
) -> list[RowMapping]:  # fmt: skip
    """Replies, the last taken first, from before one of them (`taken_id`)."""
    which = ["tenant_id = :tenant"]
    given: dict[str, Any] = {}
    for condition, name, value in (
        ("taken_id < :before", "before", before),
        ("lead_id = :lead", "lead", lead),
        ("campaign_id = :campaign", "campaign", campaign),
    ):
        if value is not None:
            which.append(condition)
            given[name] = value
    if needs_person:
        which.append("needs_person")
    rows = await uow.execute(
        f"select *, {_GOES_ON} from reply where {' and '.join(which)} order by taken_id desc limit :limit",
        tenant=tenant, limit=limit, **given,
    )  # fmt: skip
    return list(rows.mappings())


async def classify(uow: UnitOfWork, tenant: str, reply_id: UUID, given: Mapping[str, Any]) -> None:
    """A person says what a reply says: `reply_class`, `returns_on`, `actor`."""
    await uow.execute(
        """update reply set reply_class = :reply_class, returns_on = :returns_on, classified_by = :actor, confidence = 1,
               needs_person = false
           where tenant_id = :tenant and reply_id = :reply""",
        tenant=tenant, reply=reply_id, **given,
    )  # fmt: skip


async def handle(uow: UnitOfWork, tenant: str, reply_id: UUID, actor: str) -> None:
    """Nobody has to read a reply any more, because somebody has seen to it."""
    await uow.execute(
        """update reply set needs_person = false, handled_at = :now, handled_by = :actor
           where tenant_id = :tenant and reply_id = :reply""",
        tenant=tenant, reply=reply_id, actor=actor, now=uow.now,
    )  # fmt: skip


async def replied(uow: UnitOfWork, tenant: str, enrollment_id: UUID, at: datetime) -> None:
    """Note when the person of a sequence first answered it."""
    await uow.execute(
        """update enrollment set replied_at = least(replied_at, :at) where tenant_id = :tenant and enrollment_id = :enrollment""",
        tenant=tenant, enrollment=enrollment_id, at=at,
    )  # fmt: skip


async def pause(
    uow: UnitOfWork, tenant: str, enrollments: Collection[UUID], names: Sequence[str], until: datetime
) -> None:
    """Have sequences wait until then, and whichever has their person by one of these names meanwhile; what waits longer already goes
    on doing so."""
    await uow.execute(
        """update enrollment set paused_until = greatest(paused_until, :until)
           where tenant_id = :tenant and enrollment_id = any (cast(:enrollments as uuid[])) and ended_at is null""",
        tenant=tenant, enrollments=list(enrollments), until=until,
    )  # fmt: skip
    await uow.execute(
        f"update hold set away_until = greatest(away_until, :until) where {_NAMED}",
        tenant=tenant, names=list(names), until=until,
    )  # fmt: skip


async def go_on(
    uow: UnitOfWork, tenant: str, enrollments: Collection[UUID], names: Sequence[str], until: datetime
) -> list[UUID]:
    """Have sequences that wait until then wait no longer, nor any other of their person; returns their leads."""
    rows = await uow.execute(
        """update enrollment set paused_until = null
           where tenant_id = :tenant and enrollment_id = any (cast(:enrollments as uuid[])) and ended_at is null
                 and paused_until = :until
           returning lead_id""",
        tenant=tenant, enrollments=list(enrollments), until=until,
    )  # fmt: skip
    await uow.execute(
        f"update hold set away_until = null where {_NAMED} and away_until = :until",
        tenant=tenant, names=list(names), until=until,
    )  # fmt: skip
    return list(rows.scalars())


async def colleagues(uow: UnitOfWork, tenant: str, campaign_id: UUID, company: str) -> list[UUID]:
    """The sequences of a campaign that go on for leads of a company, however it is written."""
    rows = await uow.execute(
        """select enrollment_id
           from (
               select lead_id from lead where tenant_id = :tenant and company = :company offset 0
           ) as colleague
           cross join lateral (
               select * from enrollment where tenant_id = :tenant and lead_id = colleague.lead_id and ended_at is null offset 0
           ) as theirs
           where campaign_id = :campaign""",
        tenant=tenant, campaign=campaign_id, company=company,
    )  # fmt: skip
    return list(rows.scalars())


async def forget_words(uow: UnitOfWork, tenant: str, lead_id: UUID) -> None:
    """Intake keeps no words of a lead's replies any more."""
    await uow.execute(
        "update reply set has_text = false where tenant_id = :tenant and lead_id = :lead", tenant=tenant, lead=lead_id
    )
