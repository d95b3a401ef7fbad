"""What the aggregator does with every event it hears: it is stored, and what is made of it follows in the same transaction."""

from collections.abc import Sequence

from aggregator.events import store as events
from aggregator.kpis import projecting
from aggregator.win_rates import store_projections as win_rates
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.intake.erasure import LeadErased
from contracts.intake.imports import LeadWithdrawn
from contracts.message import Event
from contracts.operations import PersonalDataDropped


async def store_events(uow: UnitOfWork, received: Sequence[Received[Event]]) -> None:
    """Store every event, project what numbers are counted from, and forget the persons that were erased, or whose leads were withdrawn."""
    gone = [(message, body) for message in received if isinstance(body := message.body, LeadErased | LeadWithdrawn)]
    for message, lead in gone:  # before the others are stored: one that is late holds what it is to hold then
        await events.keep_erased(uow, message.tenant, lead.lead_id, lead.version)
    await events.store_events(uow, [_row(message) for message in received])
    for message, lead in gone:
        scrubbed = await events.forget(uow, message.tenant, lead.lead_id, lead.version)
        if isinstance(lead, LeadWithdrawn):
            continue
        answer = PersonalDataDropped(
            erasure_id=lead.erasure_id, lead_id=lead.lead_id, dropped={"events_scrubbed": scrubbed}
        )
        uow.publish(message.tenant, answer, message.envelope)
    await projecting.project(uow, [(m.tenant, m.id, m.envelope.time, m.envelope.type) for m in received])
    counted = [message for message in received if isinstance(message.body, win_rates.PROJECTED)]
    await win_rates.project(uow, [(m.tenant, m.envelope.type, m.wire.body.decode()) for m in counted])


def _row(message: Received[Event]) -> events.Row:
    fields = message.body.__dict__
    return events.Row(
        tenant=message.tenant,
        event_id=message.id,
        told_at=message.envelope.time,
        type=message.envelope.type,
        occurred_at=fields.get("occurred_at") or message.envelope.time,
        lead_id=fields.get("lead_id"),
        campaign_id=fields.get("campaign_id"),
        account_id=fields.get("account_id"),
        body=message.wire.body.decode(),
        correlation_id=message.envelope.correlation_id,
    )
