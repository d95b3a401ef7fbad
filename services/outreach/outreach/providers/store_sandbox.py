"""What the sandbox was handed."""

from chassis.unit_of_work import UnitOfWork
from outreach.providers.protocol import Outgoing


async def deliver(uow: UnitOfWork, message: Outgoing) -> None:
    """Count a message handed to the sandbox; one that is counted twice was sent twice."""
    await uow.execute(
        """insert into sandbox_delivery (tenant_id, message_id, account_id, campaign_id, lead_id, kind, delivered_at)
           values (:tenant, :message, :account, :campaign, :lead, :kind, :now)
           on conflict (tenant_id, message_id) do update set deliveries = sandbox_delivery.deliveries + 1""",
        tenant=message.tenant, message=message.message_id, account=message.sender.account_id,
        campaign=message.campaign_id, lead=message.lead_id, kind=message.kind.value, now=uow.now,
    )  # fmt: skip
