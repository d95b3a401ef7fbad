"""Every query about the sequences that leads are in, as sending sees them."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from contracts.outreach.campaigns import EnrollmentEnd


async def skip_pending(uow: UnitOfWork, tenant: str, enrollments: Collection[UUID], reason: str) -> list[RowMapping]:
    """What of these sequences has not begun to leave does not; returns the messages."""
    rows = await uow.execute(
        """update send_queue set state = 'skipped', reason = :reason, ended_at = :now, token = null, lease_until = null,
               spent_at = null, waiting_for = null
           where tenant_id = :tenant and enrollment_id = any (cast(:enrollments as uuid[]))
                 and state in ('queued', 'claimed')
           returning *""",
        tenant=tenant, enrollments=list(enrollments), reason=reason, now=uow.now,
    )  # fmt: skip
    return list(rows.mappings())


async def end(uow: UnitOfWork, ends: Sequence[tuple[str, UUID, EnrollmentEnd]]) -> list[RowMapping]:
    """End sequences that go on, and let go of their persons; returns those that did."""
    tenants, enrollments = [tenant for tenant, _, _ in ends], [enrollment for _, enrollment, _ in ends]
    rows = await uow.execute(
        """update enrollment set ended_at = :now, end_reason = given.reason, holds = false
           from unnest(cast(:tenants as text[]), cast(:enrollments as uuid[]), cast(:reasons as text[]))
                as given (tenant, enrollment, reason)
           where tenant_id = given.tenant and enrollment_id = given.enrollment and ended_at is null
           returning enrollment.*""",
        now=uow.now, tenants=tenants, enrollments=enrollments, reasons=[reason.value for _, _, reason in ends],
    )  # fmt: skip
    ended = list(rows.mappings())
    if ended:
        await uow.execute(
            """with freed as (
                   delete from hold where tenant_id = any (cast(:tenants as text[]))
                     and enrollment_id = any (cast(:enrollments as uuid[])) and last_sent_at is null
               )
               update hold set lasts = false where tenant_id = any (cast(:tenants as text[]))
                 and enrollment_id = any (cast(:enrollments as uuid[])) and last_sent_at is not null""",
            tenants=list(set(tenants)), enrollments=[row["enrollment_id"] for row in ended],
        )  # fmt: skip
    return ended


async def contacted(uow: UnitOfWork, messages: Sequence[RowMapping]) -> None:
    """Something was sent to the persons of these messages, or may have been: from now on the 60 days are counted anew."""
    await uow.execute(
        """update hold set last_sent_at = :now where tenant_id = any (cast(:tenants as text[]))
             and enrollment_id = any (cast(:enrollments as uuid[]))""",
        now=uow.now, tenants=list({row["tenant_id"] for row in messages}),
        enrollments=[row["enrollment_id"] for row in messages],
    )  # fmt: skip


async def going_on(uow: UnitOfWork, tenant: str, lead_id: UUID) -> list[UUID]:
    """The sequences that a lead is in."""
    rows = await uow.execute(
        "select enrollment_id from enrollment where tenant_id = :tenant and lead_id = :lead and ended_at is null",
        tenant=tenant, lead=lead_id,
    )  # fmt: skip
    return list(rows.scalars())


async def going_on_of_persons(uow: UnitOfWork, tenant: str, names: Sequence[str]) -> list[UUID]:
    """The sequences that hold persons known by these names."""
    rows = await uow.execute(
        """select distinct enrollment_id from hold
           where tenant_id = :tenant and name = any (cast(:names as text[])) and lasts""",
        tenant=tenant, names=list(names),
    )  # fmt: skip
    return list(rows.scalars())
