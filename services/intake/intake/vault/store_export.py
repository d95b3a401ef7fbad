"""Every query about all that intake knows of a person."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork


async def leads_with(uow: UnitOfWork, tenant: str, lead_id: UUID) -> Sequence[UUID]:
    """The leads of this lead's person, the oldest first; none where the tenant has no such lead."""
    rows = await uow.execute(
        """select lead_id from lead where tenant_id = :tenant and person_id =
               (select person_id from lead where tenant_id = :tenant and lead_id = :lead_id)
           order by lead_id""",
        tenant=tenant, lead_id=lead_id,
    )  # fmt: skip
    return rows.scalars().all()


async def submissions(
    uow: UnitOfWork, tenant: str, lead_id: UUID, after: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """The verdicts on a lead's submissions, from behind one of them."""
    rows = await uow.execute(
        """select submission_id, verdict, version, correlation_id, reasons, handled_at from submission
           where tenant_id = :tenant and lead_id = :lead_id
             and (cast(:after as uuid) is null or submission_id > :after)
           order by submission_id limit :limit""",
        tenant=tenant, lead_id=lead_id, after=after, limit=limit,
    )  # fmt: skip
    return rows.mappings().all()
