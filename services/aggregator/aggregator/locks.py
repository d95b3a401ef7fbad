"""Who waits for whom: those who project events for a replay, an erasure for the archive, a replay for both archiving and projecting.

Whoever takes several takes them in the order in which they stand here.
"""

from collections.abc import Iterable

from chassis.unit_of_work import UnitOfWork


async def archive(uow: UnitOfWork, tenant: str) -> None:
    """Nothing of the tenant goes into the archive or comes out of it until the unit of work ends."""
    await uow.execute("select pg_advisory_xact_lock(hashtextextended('archive/' || :tenant, 0))", tenant=tenant)


async def erase(uow: UnitOfWork, tenant: str) -> None:
    """Nobody is erased, and what is made of persons goes neither into the archive's keeping nor out of it, until the unit of work ends."""
    await uow.execute("select pg_advisory_xact_lock(hashtextextended('erasure/' || :tenant, 0))", tenant=tenant)


async def project(uow: UnitOfWork, tenants: Iterable[str]) -> None:
    """Shared, so that batches do not wait for each other; a replay, which puts its own projections in place, does."""
    await uow.execute(
        """select pg_advisory_xact_lock_shared(hashtextextended('projection/' || tenant, 0))
           from unnest(cast(:tenants as text[])) as tenant""",
        tenants=sorted(set(tenants)),
    )


async def replay(uow: UnitOfWork, tenant: str) -> None:
    """Nothing is projected for the tenant until the unit of work ends."""
    await uow.execute("select pg_advisory_xact_lock(hashtextextended('projection/' || :tenant, 0))", tenant=tenant)
