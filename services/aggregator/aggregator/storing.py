"""What the aggregator does with every event it hears: it is stored, and what is made of it follows in the same transaction."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from aggregator import locks
from aggregator.events import store as events
from aggregator.kpis import projecting
from aggregator.win_rates import store_projections as win_rates
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.intake.erasure import LeadErased
from contracts.intake.imports import LeadWithdrawn
from contracts.message import Event
from contracts.operations import PersonalDataDropped


class Storing:
    """Stores what is heard, and keeps in mind which months are there: their tables stay, once they are made."""

    def __init__(self) -> None:
        self._months: set[date] = set()

    async def store(self, uow: UnitOfWork, received: Sequence[Received[Event]]) -> None:
        """Store every event, project what numbers are counted from, and forget the persons that were erased, or whose leads were withdrawn."""
        # Before the others are stored: one that is late holds what it is to hold then.
        if gone := _gone(received):
            await events.keep_erased(uow, gone)
        received, stored = await self._store(uow, received)
        if gone:
            scrubbed = await events.forget(uow, gone)
            _answer(uow, received, scrubbed)
        await projecting.project(uow, stored)
        counted = [event for event in stored if event.type in win_rates.PROJECTED]
        await win_rates.project(uow, [(event.tenant, event.type, event.body) for event in counted])

    async def _store(
        self, uow: UnitOfWork, received: Sequence[Received[Event]]
    ) -> tuple[Sequence[Received[Event]], Sequence[events.Row]]:
        """Store events, and return those that were not there, as they were received and as rows."""
        rows = [_row(message) for message in received]
        types = {row.type for row in rows}
        if not projecting.TYPES.isdisjoint(types):
            await locks.project(uow, {row.tenant for row in rows})
        months = {events.month_of(row.told_at.date()) for row in rows}
        if missing := months - self._months:
            await events.make_months(uow, missing)
            uow.after_commit.append(partial(self._months.update, missing))
        try:
            new = await events.store_events(uow, rows, *projecting.with_events(types))
        except DBAPIError:
            self._months.clear()  # a database that was put back may lack some: the next try looks
            raise
        if new is None:
            return received, rows
        once = {(row.tenant, row.event_id): (message, row) for message, row in zip(received, rows, strict=True)}
        kept = [each for key, each in once.items() if key in new]
        return [message for message, _ in kept], [row for _, row in kept]


_GONE = frozenset((LeadErased.topic.type, LeadWithdrawn.topic.type))


def _gone(received: Sequence[Received[Event]]) -> list[events.Gone]:
    """The leads that are no more."""
    given = [message for message in received if message.envelope.type in _GONE]
    return [
        events.Gone(message.tenant, body.lead_id, body.version)
        for message in given
        if isinstance(body := message.body, LeadErased | LeadWithdrawn)
    ]


def _answer(uow: UnitOfWork, received: Sequence[Received[Event]], scrubbed: Mapping[tuple[str, UUID], int]) -> None:
    """Tell of each erasure how much was dropped for it."""
    for message in received:
        if isinstance(body := message.body, LeadErased):
            dropped = {"events_scrubbed": scrubbed.get((message.tenant, body.lead_id), 0)}
            answer = PersonalDataDropped(erasure_id=body.erasure_id, lead_id=body.lead_id, dropped=dropped)
            uow.publish(message.tenant, answer, message.envelope)


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
