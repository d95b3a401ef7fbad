"""Every query about who executes a run: a worker holds it by a token and until a moment.

Whoever changes a run first locks its row; whatever stops it takes the token away.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import RowMapping
from uuid_utils.compat import uuid7

from chassis.unit_of_work import UnitOfWork
from intake.enrichment.store import RUN

_CLAIM = """
    with busy as (
        select tenant_id, count(*) as held from enrichment_run
        where tenant_id = any(cast(:tenants as text[])) and status = 'running' and claimed_by is not null and due_at > now()
        group by tenant_id
    ), due as (
        select run.tenant_id, run.run_id from enrichment_run as run left join busy using (tenant_id)
        where run.tenant_id = any(cast(:tenants as text[])) and run.status in ('pending', 'running') and run.due_at <= now()
          and coalesce(held, 0) < :most
        order by coalesce(held, 0), run.due_at limit 1 for update of run skip locked
    )
    update enrichment_run
    set status = 'running', claimed_by = :token, due_at = now() + cast(:lease as interval),
        claims = claims + case when claimed_by is null then 0 else 1 end
    from due where (enrichment_run.tenant_id, enrichment_run.run_id) = (due.tenant_id, due.run_id)
    returning enrichment_run.tenant_id, enrichment_run.run_id
"""
_HOLD = f"""
    update enrichment_run set due_at = now() + cast(:lease as interval)
    where tenant_id = :tenant and run_id = :run_id and claimed_by = :token and status = 'running' returning {RUN}
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that a worker holds by its token."""

    tenant: str
    run_id: UUID
    token: UUID


async def claim(uow: UnitOfWork, tenants: Sequence[str], lease: timedelta, most: int) -> Claim | None:
    """Take a run that is due, of the tenant of whose runs the fewest are held, and fewer than `most`; of those the longest due.

    One that is taken from a worker that died is counted (`claims`), until the outcome of a call is recorded.
    """
    token = uuid7()
    row = (await uow.execute(_CLAIM, tenants=list(tenants), token=token, lease=lease, most=most)).first()
    return Claim(row.tenant_id, row.run_id, token) if row else None


async def hold(uow: UnitOfWork, claim: Claim, lease: timedelta) -> RowMapping | None:
    """The run, locked and held on; none where it is not this worker's any more."""
    rows = await uow.execute(_HOLD, tenant=claim.tenant, run_id=claim.run_id, token=claim.token, lease=lease)
    return rows.mappings().first()


async def lock(uow: UnitOfWork, claim: Claim) -> None:
    """Lock the run, whoever holds it."""
    await uow.execute(
        "select from enrichment_run where tenant_id = :tenant and run_id = :run_id for update",
        tenant=claim.tenant, run_id=claim.run_id,
    )  # fmt: skip


async def let_go(uow: UnitOfWork, claim: Claim, pause: timedelta = timedelta(0)) -> None:
    """Let go of the run, if it is still held; after the pause any worker goes on with it."""
    await uow.execute(
        """update enrichment_run set claimed_by = null, due_at = now() + cast(:pause as interval)
           where tenant_id = :tenant and run_id = :run_id and claimed_by = :token""",
        tenant=claim.tenant, run_id=claim.run_id, token=claim.token, pause=pause,
    )  # fmt: skip


async def complete(uow: UnitOfWork, claim: Claim) -> None:
    """The run came to its end."""
    await uow.execute(
        """update enrichment_run set status = 'succeeded', ended_at = :now, claimed_by = null
           where tenant_id = :tenant and run_id = :run_id""",
        tenant=claim.tenant, run_id=claim.run_id, now=uow.now,
    )  # fmt: skip
