"""How a run ends or comes to stand still: its state, its event, and what is remembered of it."""

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from contracts.intake import enrichment as messages
from contracts.taxonomy import EnrichmentStatus
from intake.enrichment import store, store_claims
from intake.enrichment.domain_run import action_status
from intake.enrichment.events import of_run, publish
from intake.enrichment.store_claims import Claim
from intake.memory import recalling


async def complete(uow: UnitOfWork, claim: Claim, run: RowMapping) -> None:
    """The run came to its end."""
    await store_claims.complete(uow, claim)
    counts = {name: run[name] for name in ("companies", "contacts", "emails")}
    publish(uow, claim.tenant, run, messages.EnrichmentCompleted(**counts, **of_run(uow, run)))
    await remember(uow, claim.tenant, run, EnrichmentStatus.SUCCEEDED)


async def stop(uow: UnitOfWork, tenant: str, run: RowMapping, status: EnrichmentStatus, failure: str) -> None:
    """The run stands still until it is resumed."""
    step = next(
        row["step"] for row in await store.steps(uow, tenant, run["run_id"]) if row["status"] in ("pending", "running")
    )
    await store.stop(uow, tenant, run["run_id"], status, failure)
    event = messages.EnrichmentFailed(step=step, status=status, failure=failure, **of_run(uow, run))
    publish(uow, tenant, run, event)
    await remember(uow, tenant, run, status)


async def remember(uow: UnitOfWork, tenant: str, run: RowMapping, status: EnrichmentStatus) -> None:
    """Tell the memory of actions what came of the run."""
    await recalling.update(uow, tenant, run["run_id"], action_status(status, run["companies"]))
