"""Every query about the entries that keep erased persons away."""

from collections.abc import Sequence
from uuid import UUID

from chassis.unit_of_work import UnitOfWork

# Each by the whole key, whatever the planner thinks of the others (docs/adr/0009-lookups-by-the-whole-key.md).
_SUPPRESSED = """
    select kept.entry from unnest(cast(:entries as text[])) as given (entry)
    cross join lateral (
        select entry from suppression where tenant_id = :tenant and suppression.entry = given.entry offset 0
    ) as kept
"""

ANY = "select from suppression where tenant_id = :tenant"


async def has_suppressions(uow: UnitOfWork, tenant: str) -> bool:
    """Whether the tenant has erased anybody at all; spares the others looking everybody up."""
    rows = await uow.execute(f"select exists({ANY})", tenant=tenant)
    return bool(rows.scalar_one())


async def suppressed(uow: UnitOfWork, tenant: str, entries: Sequence[str]) -> set[str]:
    """Those of these entries that are kept."""
    rows = await uow.execute(_SUPPRESSED, tenant=tenant, entries=list(entries))
    return set(rows.scalars())


async def suppress(uow: UnitOfWork, tenant: str, erasure_id: UUID, entries: Sequence[str]) -> None:
    await uow.execute(
        """insert into suppression (tenant_id, entry, erasure_id)
           select :tenant, entry, :erasure_id from unnest(cast(:entries as text[])) as entry
           on conflict (tenant_id, entry) do update set erasure_id = excluded.erasure_id""",
        tenant=tenant, entries=list(entries), erasure_id=erasure_id,
    )  # fmt: skip
