"""What the aggregator does with every event it hears: it is stored, and what is made of it follows in the same transaction."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from aggregator.events import store as events
from aggregator.win_rates import store_projections as win_rates
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.intake.erasure import LeadErased
from contracts.message import Event
from contracts.operations import PersonalDataDropped


async def store_events(uow: UnitOfWork, received: Sequence[Received[Event]]) -> None:
    """Store every event, project those that win rates are counted from, and forget the persons that were erased."""
    erased = [(message, body) for message in received if isinstance(body := message.body, LeadErased)]
    for message, lead in erased:  # before the others are stored: one that is late holds what it is to hold then
        await events.keep_erased(uow, message.tenant, lead.lead_id, lead.version)
    await events.store_events(uow, [_row(message) for message in received])
    for message, lead in erased:
        scrubbed = await events.forget(uow, message.tenant, lead.lead_id, lead.version)
        answer = PersonalDataDropped(
            erasure_id=lead.erasure_id, lead_id=lead.lead_id, dropped={"events_scrubbed": scrubbed}
        )
        uow.publish(message.tenant, answer, message.envelope)
    counted = [message for message in received if isinstance(message.body, win_rates.PROJECTED)]
    await win_rates.project(uow, [(m.tenant, m.envelope.type, m.wire.body.decode()) for m in counted])


def _row(message: Received[Event]) -> tuple[str, Any, str, datetime, Any, str]:
    occurred_at = getattr(message.body, "occurred_at", None) or message.envelope.time
    return (
        message.tenant,
        message.id,
        message.envelope.type,
        occurred_at.astimezone(UTC),
        getattr(message.body, "lead_id", None),
        message.wire.body.decode(),
    )
