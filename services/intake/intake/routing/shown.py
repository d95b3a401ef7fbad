"""The work on a lead, as it is answered."""

from uuid import UUID

from chassis.unit_of_work import Row, UnitOfWork
from contracts.intake.routing import LeadStatus, WorkStatus
from intake.leads.problems import no_such_lead
from intake.routing import store
from intake.routing.placing import WAITING


async def status(uow: UnitOfWork, tenant: str, lead_id: UUID) -> LeadStatus:
    """How far the work on a lead has come.

    Raises:
        ProblemError: `not_found`.
    """
    row = await store.status_of(uow, tenant, lead_id)
    if row is None:
        raise no_such_lead()
    return told(row)


def told(row: Row) -> LeadStatus:
    """The work on a lead from its row, as `store.status_of` has it."""
    if row["status"] is None:
        return LeadStatus(lead_id=row["lead_id"], status=WorkStatus.RECEIVED, since=row["arrived_at"])
    return LeadStatus(
        lead_id=row["lead_id"],
        status=row["status"],
        since=row["updated_at"],
        waiting_since=row["waiting_since"] if row["status"] in WAITING else None,
        **{name: row[name] for name in ("workspace", "sub_vertical", "rule", "routing_version", "owner")},
    )
