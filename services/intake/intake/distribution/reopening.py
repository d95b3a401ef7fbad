"""An outcome that had closed a lead is voided: what nothing else closed is open again, with whoever worked on it if they can go on."""

from collections.abc import Sequence

from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.intake.distribution import EndReason
from contracts.outcomes import OutcomeVoided
from contracts.taxonomy import STAGE_OF
from intake import locks
from intake.distribution import store, store_progress
from intake.distribution.progress import ENDS
from intake.distribution.succession import go_on
from intake.routing import store as routing


async def reopen(uow: UnitOfWork, received: Sequence[Received[OutcomeVoided]]) -> None:
    """Handles `OutcomeVoided`."""
    voided = {
        (message.tenant, message.body.outcome_id): message.body.lead_id
        for message in received
        if STAGE_OF[message.body.type] in ENDS
    }
    tenants = sorted({tenant for tenant, _ in voided})
    for tenant in tenants:
        await locks.published_routing(uow, tenant)
    await locks.distribution(uow, *tenants)
    for tenant, leads in (await store_progress.void(uow, voided)).items():
        waiting = await routing.open_again(uow, tenant, leads)
        last = await store.last_assignments(uow, tenant, waiting)
        ended = {lead: row for lead, row in last.items() if row["end_reason"] == EndReason.CLOSED}
        # Whom nobody can go on with is given out by the job of every minute.
        await go_on(uow, tenant, ended, {lead: row["version"] for lead, row in ended.items()})
