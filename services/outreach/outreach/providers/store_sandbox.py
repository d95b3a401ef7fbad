"""What the sandbox was handed."""

from collections.abc import Sequence

from chassis.unit_of_work import UnitOfWork
from outreach.providers.protocol import Outgoing


async def deliver(uow: UnitOfWork, messages: Sequence[Outgoing]) -> None:
    """Count messages handed to the sandbox; one that is counted twice was sent twice."""
    await uow.execute(
        """insert into sandbox_delivery (tenant_id, message_id, account_id, campaign_id, lead_id, kind, deliveries, delivered_at)
           select tenant_id, message_id, account_id, campaign_id, lead_id, kind, count(*), :now
           from unnest(cast(:tenants as text[]), cast(:messages as uuid[]), cast(:accounts as uuid[]),
                       cast(:campaigns as uuid[]), cast(:leads as uuid[]), cast(:kinds as text[]))
                as given (tenant_id, message_id, account_id, campaign_id, lead_id, kind)
           group by tenant_id, message_id, account_id, campaign_id, lead_id, kind order by tenant_id, message_id
           on conflict (tenant_id, message_id) do update
               set deliveries = sandbox_delivery.deliveries + excluded.deliveries""",
        tenants=[message.tenant for message in messages], messages=[message.message_id for message in messages],
        accounts=[message.sender.account_id for message in messages],
        campaigns=[message.campaign_id for message in messages], leads=[message.lead_id for message in messages],
        kinds=[message.kind.value for message in messages], now=uow.now,
    )  # fmt: skip
