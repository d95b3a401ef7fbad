"""What happens to leads by itself: they are contacted and closed, and the work on them follows.

A message sent or an outcome that was recorded since an agent got the lead is their first contact; an outcome that ends a lead
closes the work on it, whether somebody owns it or not. It stays closed, but where a lead that is open is merged into it, or the outcome
is voided (`reopening`). What is kept of a lead (its last contact, its last close) is the same in whatever order it is heard.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.received import Received
from chassis.unit_of_work import Database, UnitOfWork
from contracts.intake.distribution import EndReason
from contracts.intake.routing import WorkStatus
from contracts.outcomes import OutcomeRecorded
from contracts.outreach.sending import MessageSent
from contracts.taxonomy import Stage
from intake import locks
from intake.distribution import store_progress
from intake.distribution.assigning import BATCH, fill
from intake.distribution.returning import release
from intake.routing import store as routing

ENDS = frozenset({Stage.WON, Stage.LOST, Stage.INVALID})
"""The stages of outcomes that close a lead."""


async def follow(uow: UnitOfWork, received: Sequence[Received[OutcomeRecorded | MessageSent]]) -> None:
    """Handles `OutcomeRecorded` and `MessageSent`."""
    contacts: dict[tuple[str, UUID], datetime] = {}
    messages: dict[tuple[str, UUID], datetime] = {}
    endings: dict[tuple[str, UUID], store_progress.Noted] = {}
    for message in received:
        key = message.tenant, message.body.lead_id
        match message.body:
            case OutcomeRecorded(stage=stage, recorded_at=at, outcome_id=outcome_id) if stage in ENDS:
                endings[message.tenant, outcome_id] = (*key, outcome_id, at)
            case OutcomeRecorded(recorded_at=at) | MessageSent(occurred_at=at):
                contacts[key] = max(contacts.get(key, at), at)
                if isinstance(message.body, MessageSent):
                    messages[key] = contacts[key]
    noted = [*((*key, None, at) for key, at in contacts.items()), *endings.values()]
    # Locked even where there is no work yet: it may be being made at this moment, of leads that are open as far as is known.
    await locks.distribution(uow, *{tenant for tenant, *_ in noted})
    standing = await store_progress.note(uow, noted)
    await store_progress.note_messages(uow, messages)
    await store_progress.hear(uow, max(message.wire.received for message in received))
    for tenant, leads in standing.items():
        await catch_up(uow, tenant, leads)


async def settle(database: Database, tenant: str) -> None:
    """Close the work on leads that were closed at the very moment when it was made of them."""
    while True:
        async with database.begin(tenant) as uow:
            await locks.distribution(uow, tenant)
            leads = await store_progress.open_though_closed(uow, tenant, BATCH)
            await catch_up(uow, tenant, leads)
        if len(leads) < BATCH:
            return


async def catch_up(uow: UnitOfWork, tenant: str, leads: Sequence[UUID]) -> None:
    """Bring the work on these leads to where they are; the tenant must be locked (`locks.distribution`)."""
    closed, contacted = await store_progress.progressed(uow, tenant, leads)
    if contacted:
        await store_progress.contacted(uow, tenant, contacted)
        await routing.set_status(uow, tenant, contacted, WorkStatus.WORKED)
    if closed:
        await close(uow, tenant, closed, EndReason.CLOSED)


async def close(
    uow: UnitOfWork, tenant: str, leads: Sequence[UUID], reason: EndReason, actor: str | None = None
) -> list[RowMapping]:
    """Close the work on these leads, and give the room that it leaves to those that wait; the tenant must be locked.

    Returns:
        The ownerships that ended.
    """
    ended = await release(uow, tenant, leads, reason, actor)
    await routing.set_status(uow, tenant, leads, WorkStatus.CLOSED)
    if ended:
        await fill(uow, tenant)
    return ended
