"""Every query by which is forgotten what nobody needs any more of messages that were over long ago."""

from datetime import datetime
from uuid import UUID

from chassis.unit_of_work import UnitOfWork


async def forget_changes(
    uow: UnitOfWork, tenant: str, before: datetime, after: UUID, limit: int
) -> tuple[int, UUID | None]:
    """Forget how messages changed that were over before then, of the first so many messages behind one; returns how many changes that
    are, and the last of the messages that were looked at, if there may be more.

    Ids rise with time, so those that were queued later are not looked at. A message that was taken over from another system has an id
    of another kind: its changes are kept.
    """
    latest = UUID(int=int(before.timestamp() * 1000) << 80)
    rows = await uow.execute(
        """select distinct message_id from message_event
           where tenant_id = :tenant and message_id > :after and message_id < :latest order by message_id limit :limit""",
        tenant=tenant, after=after, latest=latest, limit=limit,
    )  # fmt: skip
    messages = list(rows.scalars())
    deleted = await uow.execute(
        """delete from message_event using send_queue as message
           where message_event.tenant_id = :tenant and message_event.message_id = any (cast(:messages as uuid[]))
                 and message.tenant_id = :tenant and message.message_id = message_event.message_id and message.ended_at < :before""",
        tenant=tenant, messages=messages, before=before,
    )  # fmt: skip
    return deleted.rowcount, messages[-1] if len(messages) == limit else None


async def forget_troubles(uow: UnitOfWork, tenant: str, before: datetime, limit: int) -> int:
    """Forget so much of what was heard before then, at most; returns how much."""
    deleted = await uow.execute(
        """delete from trouble using (
               select account_id, trouble_id from trouble where tenant_id = :tenant and at < :before order by at limit :limit
           ) as old
           where trouble.tenant_id = :tenant and trouble.account_id = old.account_id and trouble.trouble_id = old.trouble_id""",
        tenant=tenant, before=before, limit=limit,
    )  # fmt: skip
    return deleted.rowcount


async def forget_lanes(uow: UnitOfWork, tenant: str) -> int:
    """Forget the lanes of campaigns that were archived, and of accounts that were removed, once nothing is in them; returns how many.

    Whoever puts a message into one at that moment has it made anew, or has it stay: it rests no more then.
    """
    deleted = await uow.execute(
        """delete from lane using account, campaign
           where lane.tenant_id = :tenant and lane.ready_at = 'infinity'
                 and account.tenant_id = :tenant and account.account_id = lane.account_id
                 and campaign.tenant_id = :tenant and campaign.campaign_id = lane.campaign_id
                 and (account.state = 'removed' or campaign.state = 'archived')
                 and not exists (
                     select from send_queue as message
                     where message.tenant_id = :tenant and message.account_id = lane.account_id
                           and message.campaign_id = lane.campaign_id and message.kind = lane.kind and message.state = 'queued')
                 and not exists (
                     select from send_queue as message
                     where message.tenant_id = :tenant and message.account_id = lane.account_id
                           and message.campaign_id = lane.campaign_id and message.kind = lane.kind
                           and message.state in ('claimed', 'sending', 'unknown'))""",
        tenant=tenant,
    )  # fmt: skip
    return deleted.rowcount
