"""Every query about how the variants of campaigns' steps do."""

from datetime import datetime, timedelta
from uuid import UUID

import orjson
from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork


async def counts(
    uow: UnitOfWork,
    tenant: str,
    campaign_id: UUID,
    *,
    sent_since: datetime | None = None,
    heard_since: datetime | None = None,
) -> list[RowMapping]:
    """What came of a campaign's messages by `step`, `variant` and `variant_version`: `sent`, `positive_replies`, `wins`,
    `complaints`, `unsubscribes`, each a message once.

    Parameters:
        sent_since: only messages sent since then count.
        heard_since: only complaints and unsubscribes heard since then count.
    """
    rows = await uow.execute(
        """select message.step, message.variant, message.variant_version, count(*) as sent,
                  count(*) filter (where message_id in (
                      select message_id from reply
                      where tenant_id = :tenant and campaign_id = :campaign and reply_class = 'interested')) as positive_replies,
                  count(*) filter (where exists (
                      select from win where win.tenant_id = :tenant and win.lead_id in (message.lead_id, lead.merged_into)
                                            and won_at >= message.spent_at)) as wins,
                  count(*) filter (where message_id in (
                      select message_id from suppression
                      where tenant_id = :tenant and message_id is not null and reason = 'complaint'
                            and created_at >= coalesce(cast(:heard_since as timestamptz), '-infinity'))) as complaints,
                  count(*) filter (where message_id in (
                      select message_id from suppression
                      where tenant_id = :tenant and message_id is not null and reason = 'unsubscribed'
                            and created_at >= coalesce(cast(:heard_since as timestamptz), '-infinity'))) as unsubscribes
           from send_queue as message
           join lead on lead.tenant_id = message.tenant_id and lead.lead_id = message.lead_id
           where message.tenant_id = :tenant and message.campaign_id = :campaign and message.state = 'sent'
                 and message.variant is not null
                 and message.spent_at >= coalesce(cast(:sent_since as timestamptz), '-infinity')
           group by message.step, message.variant, message.variant_version""",
        tenant=tenant, campaign=campaign_id, sent_since=sent_since, heard_since=heard_since,
    )  # fmt: skip
    return list(rows.mappings())


async def annoying(uow: UnitOfWork, tenant: str, lately: timedelta) -> list[UUID]:
    """The campaigns that send, and by a variant of which somebody was annoyed lately: they complained, or unsubscribed."""
    rows = await uow.execute(
        """select distinct message.campaign_id
           from suppression
           join send_queue as message using (tenant_id, message_id)
           join campaign on campaign.tenant_id = suppression.tenant_id and campaign.campaign_id = message.campaign_id
                            and campaign.state = 'running'
           where suppression.tenant_id = :tenant and suppression.created_at > :first and message_id is not null and variant is not null
                 and suppression.reason in ('complaint', 'unsubscribed')
           order by message.campaign_id""",
        tenant=tenant, first=uow.now - lately,
    )  # fmt: skip
    return list(rows.scalars())


async def running(uow: UnitOfWork, tenant: str, campaign_id: UUID) -> list[object] | None:
    """The steps of a campaign that sends, which nobody else changes until this unit of work ends; none of one that does not."""
    rows = await uow.execute(
        """select steps from campaign
           where tenant_id = :tenant and campaign_id = :campaign and state = 'running' for update""",
        tenant=tenant, campaign=campaign_id,
    )  # fmt: skip
    return rows.scalar()


async def weigh(uow: UnitOfWork, tenant: str, campaign_id: UUID, step: int, variant: int, weight: int) -> None:
    """Give a variant of a step a weight, both numbered from 0."""
    await uow.execute(
        """update campaign set steps = jsonb_set(steps, cast(:path as text[]), cast(:weight as jsonb))
           where tenant_id = :tenant and campaign_id = :campaign""",
        tenant=tenant, campaign=campaign_id, path=[str(step), "variants", str(variant), "weight"],
        weight=orjson.dumps(weight).decode(),
    )  # fmt: skip
