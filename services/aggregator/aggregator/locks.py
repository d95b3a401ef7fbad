"""Who projects events, and who replays them, wait for each other."""

from collections.abc import Iterable

from chassis.unit_of_work import UnitOfWork


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
