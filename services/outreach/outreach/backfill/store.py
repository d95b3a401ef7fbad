"""Every query about what is taken over from other systems."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping
from uuid_utils.compat import uuid7

from chassis.unit_of_work import UnitOfWork, columns
from contracts.outreach.campaigns import EnrollmentEnd

SENT: Final = "sent"
PENDING: Final = "pending"


async def taken(uow: UnitOfWork, tenant: str, kind: str, source_keys: Collection[str]) -> set[str]:
    """Those of these messages that were taken over before."""
    rows = await uow.execute(
        """select source_key from backfilled
           where tenant_id = :tenant and kind = :kind and source_key = any (cast(:keys as text[]))""",
        tenant=tenant, kind=kind, keys=list(source_keys),
    )  # fmt: skip
    return set(rows.scalars())


async def take(uow: UnitOfWork, tenant: str, kind: str, source_keys: Collection[str]) -> set[str]:
    """Note that these messages are taken over; returns those that were not before, not even a moment ago."""
    rows = await uow.execute(
        """insert into backfilled (tenant_id, kind, source_key, taken_at)
           select :tenant, :kind, source_key, :now from unnest(cast(:keys as text[])) as given (source_key) order by source_key
           on conflict do nothing returning source_key""",
        tenant=tenant, kind=kind, now=uow.now, keys=list(source_keys),
    )  # fmt: skip
    return set(rows.scalars())


async def campaigns(uow: UnitOfWork, tenant: str, ids: Collection[UUID]) -> dict[UUID, RowMapping]:
    """Those of these campaigns that there are: their `state`, `steps` and `settings`."""
    rows = await uow.execute(
        """select campaign_id, state, steps, settings::text as settings from campaign
           where tenant_id = :tenant and campaign_id = any (cast(:ids as uuid[]))""",
        tenant=tenant, ids=list(ids),
    )  # fmt: skip
    return {row["campaign_id"]: row for row in rows.mappings()}


async def enrollments(
    uow: UnitOfWork, tenant: str, of: Collection[tuple[UUID, UUID]]
) -> dict[tuple[UUID, UUID], RowMapping]:
    """By (campaign, lead) their enrollments: `enrollment_id`, `end_reason` where it has ended, and whether it `is_free`: another
    system had sent its messages so far, and it can go on here."""
    rows = await uow.execute(
        """select campaign_id, lead_id, enrollment_id, end_reason, end_reason is not distinct from 'completed' and not exists (
               select from send_queue as message
               where message.tenant_id = :tenant and message.enrollment_id = enrollment.enrollment_id) as is_free
           from unnest(cast(:campaigns as uuid[]), cast(:leads as uuid[])) as given (campaign, lead)
           cross join lateral (
               select * from enrollment
               where tenant_id = :tenant and campaign_id = given.campaign and lead_id = given.lead offset 0
           ) as enrollment""",
        tenant=tenant, campaigns=[campaign for campaign, _ in of], leads=[lead for _, lead in of],
    )  # fmt: skip
    return {(row["campaign_id"], row["lead_id"]): row for row in rows.mappings()}


async def enrol(
    uow: UnitOfWork, tenant: str, of: Collection[tuple[UUID, UUID]], *, complete: bool = False
) -> dict[tuple[UUID, UUID], UUID]:
    """Enroll (campaign, lead) that are in no enrollment yet; returns the new enrollments.

    Parameters:
        complete: whether another system has sent the campaign's messages, and nothing is to follow.
    """
    wanted = sorted(set(of))
    rows = await uow.execute(
        """insert into enrollment (tenant_id, enrollment_id, campaign_id, lead_id, holds, started_at, ended_at, end_reason)
           select :tenant, enrollment_id, campaign_id, lead_id, false, :now, :ended_at, :end_reason
           from unnest(cast(:enrollments as uuid[]), cast(:campaigns as uuid[]), cast(:leads as uuid[]))
                as given (enrollment_id, campaign_id, lead_id)
           on conflict (tenant_id, campaign_id, lead_id) do nothing
           returning campaign_id, lead_id, enrollment_id""",
        tenant=tenant, now=uow.now, ended_at=uow.now if complete else None,
        end_reason=EnrollmentEnd.COMPLETED.value if complete else None, enrollments=[uuid7() for _ in wanted],
        campaigns=[campaign for campaign, _ in wanted], leads=[lead for _, lead in wanted],
    )  # fmt: skip
    return {(row.campaign_id, row.lead_id): row.enrollment_id for row in rows}


async def unsent(uow: UnitOfWork, tenant: str, enrollments: Collection[UUID]) -> list[UUID]:
    """Those of these enrollments that go on and have sent nothing, and were not begun by a message that was taken over as pending,
    which is known by its id's version. Needs `locks.stop_messages`."""
    rows = await uow.execute(
        """select enrollment_id from enrollment
           where tenant_id = :tenant and enrollment_id = any (cast(:enrollments as uuid[])) and ended_at is null and not exists (
               select from send_queue as message
               where message.tenant_id = :tenant and message.enrollment_id = enrollment.enrollment_id
                     and (message.state in ('sending', 'sent', 'unknown') or uuid_extract_version(message.message_id) = 5))""",
        tenant=tenant, enrollments=list(enrollments),
    )  # fmt: skip
    return list(rows.scalars())


async def go_on(uow: UnitOfWork, tenant: str, enrollments: Mapping[UUID, UUID]) -> dict[tuple[UUID, UUID], UUID]:
    """Have enrollments whose messages another system had sent go on, each with the lead given; returns those that do."""
    rows = await uow.execute(
        """update enrollment set ended_at = null, end_reason = null, lead_id = given.lead
           from unnest(cast(:enrollments as uuid[]), cast(:leads as uuid[])) as given (enrollment, lead)
           where tenant_id = :tenant and enrollment_id = given.enrollment
                 and enrollment_id = any (cast(:enrollments as uuid[])) and end_reason = 'completed' and not exists (
               select from send_queue as message
               where message.tenant_id = :tenant and message.enrollment_id = given.enrollment)
           returning campaign_id, lead_id, enrollment_id""",
        tenant=tenant, enrollments=list(enrollments), leads=list(enrollments.values()),
    )  # fmt: skip
    return {(row.campaign_id, row.lead_id): row.enrollment_id for row in rows}


async def contacted_elsewhere(
    uow: UnitOfWork, tenant: str, sent: Mapping[str, tuple[datetime, UUID | None]], rest: timedelta
) -> None:
    """Something was sent to whoever is known by these names: when last, and as a message of which enrollment, if of one.

    A sequence that holds one of them, and has sent nothing, lets go of them where that is less than `rest` ago. Needs
    `locks.stop_messages`.
    """
    names = sorted(sent)
    given = {
        "tenant": tenant, "names": names, "moments": [sent[name][0] for name in names],
        "enrollments": [sent[name][1] for name in names],
    }  # fmt: skip
    await uow.execute(
        """select from hold where tenant_id = :tenant and name = any (cast(:names as text[])) order by tenant_id, name
           for update""",
        tenant=tenant, names=names,
    )  # fmt: skip
    rows = await uow.execute(
        """update enrollment set holds = false where tenant_id = :tenant and enrollment_id = any (array(
               select hold.enrollment_id
               from unnest(cast(:names as text[]), cast(:moments as timestamptz[]), cast(:enrollments as uuid[]))
                    as given (name, sent_at, enrollment_id)
               cross join lateral (
                   select enrollment_id from hold where tenant_id = :tenant and name = given.name and lasts offset 0
               ) as hold
               where given.sent_at > :rested and hold.enrollment_id is distinct from given.enrollment_id))
           and not exists (
               select from send_queue as message
               where message.tenant_id = :tenant and message.enrollment_id = enrollment.enrollment_id
                     and message.state in ('sending', 'sent', 'unknown'))
           returning enrollment_id""",
        **given, rested=uow.now - rest,
    )  # fmt: skip
    let_go = list(rows.scalars())
    await uow.execute(
        """insert into hold (tenant_id, name, enrollment_id, lasts, last_sent_at)
           select :tenant, name, enrollment_id, false, sent_at
           from unnest(cast(:names as text[]), cast(:moments as timestamptz[]), cast(:enrollments as uuid[]))
                as given (name, sent_at, enrollment_id)
           order by name
           on conflict (tenant_id, name) do update set
               lasts = hold.lasts and hold.enrollment_id <> all (cast(:let_go as uuid[])),
               enrollment_id = case
                   when hold.lasts and hold.enrollment_id <> all (cast(:let_go as uuid[])) then hold.enrollment_id
                   when hold.last_sent_at is null or hold.last_sent_at <= excluded.last_sent_at then excluded.enrollment_id
                   else hold.enrollment_id end,
               last_sent_at = greatest(hold.last_sent_at, excluded.last_sent_at)""",
        **given, let_go=let_go,
    )  # fmt: skip


async def keep_history(uow: UnitOfWork, tenant: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep for good what another system sent: `lead_id`, `channel`, `campaign_id`, `sent_at`."""
    given = columns(rows, "lead_id", "channel", "campaign_id", "sent_at")
    await uow.execute(
        """insert into outreach_history (tenant_id, history_id, lead_id, channel, campaign_id, sent_at)
           select :tenant, history_id, lead_id, channel, campaign_id, sent_at
           from unnest(cast(:ids as uuid[]), cast(:lead_id as uuid[]), cast(:channel as text[]), cast(:campaign_id as uuid[]),
                       cast(:sent_at as timestamptz[]))
                as given (history_id, lead_id, channel, campaign_id, sent_at)""",
        tenant=tenant, ids=[uuid7() for _ in rows], **given,
    )  # fmt: skip


async def queued(
    uow: UnitOfWork, tenant: str, *, messages: Collection[UUID] = (), enrollments: Collection[UUID] = ()
) -> list[RowMapping]:
    """Those of these messages, and of these enrollments' messages, that have not begun to leave."""
    rows = await uow.execute(
        """select * from send_queue
           where tenant_id = :tenant and state in ('queued', 'claimed')
                 and (message_id = any (cast(:messages as uuid[])) or enrollment_id = any (cast(:enrollments as uuid[])))
           for update""",
        tenant=tenant, messages=list(messages), enrollments=list(enrollments),
    )  # fmt: skip
    return list(rows.mappings())
