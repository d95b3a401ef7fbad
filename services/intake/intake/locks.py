"""The locks in which units of work of one tenant meet, in the order in which whoever takes several takes them.

Each is held until its unit of work ends. After the published routing come rows of `lead` and `person_token`; after the distribution, rows of
`work`, by lead. Replicas of two releases meet in them as well: a lock's name is never changed.
"""

from collections.abc import Collection, Sequence

from chassis.unit_of_work import UnitOfWork


async def merges(uow: UnitOfWork, tenant: str) -> None:
    """Let no other unit of work merge or part leads of the tenant.

    Whoever merges locks leads of many persons in many orders, and would else run into deadlocks. That a lead has one
    survivor does not hang on it: the database refuses a second.
    """
    await _take(uow, alone=[_merges(tenant)])


async def linking(uow: UnitOfWork, tenant: str) -> None:
    """Let no person of the tenant be erased.

    Whoever links leads to persons takes this first, and looks at the persons after it: so a person is erased either before
    (and refused) or after (and erased with what was linked).
    """
    await _take(uow, shared=[_erasure(tenant)])


async def erasing(uow: UnitOfWork, tenant: str) -> None:
    """Let no lead of the tenant be linked to a person; the other half of `linking`."""
    await _take(uow, alone=[_erasure(tenant)])


async def routing_versions(uow: UnitOfWork, tenant: str) -> None:
    """Let nobody else make or publish versions of the tenant's routing."""
    await _take(uow, alone=[f"routing/versions/{tenant}"])


async def published_routing(uow: UnitOfWork, tenant: str) -> None:
    """Let no other version be published. What is published is to be read after, not with it.

    Whoever routes what comes in takes it: a lead is either routed by the version before, or seen by those who apply the new one.
    """
    await _take(uow, shared=[_published(tenant)])


async def taking_in(uow: UnitOfWork, tenant: str, sources: Collection[tuple[str, str]], *, merging: bool) -> None:
    """What whoever takes in leads needs, in one statement: `merges` if some may be merged; that nobody else takes leads of these sources
    (source_system, source_id); `linking`; and `published_routing`."""
    alone = [*([_merges(tenant)] if merging else []), *_sources(tenant, sources)]
    await _take(uow, alone=alone, shared=[_erasure(tenant), _published(tenant)])


async def publishing(uow: UnitOfWork, tenant: str) -> None:
    """Let nobody route what comes in; the other half of `published_routing`."""
    await _take(uow, alone=[_published(tenant)])


async def distribution(uow: UnitOfWork, *tenants: str) -> None:
    """Let nobody else change who owns what of these tenants' leads, or how far they came.

    One lock for a tenant and not one for each workspace, because an agent's capacity is for all their workspaces. It is taken
    before any row of `work` or `progress` that others can see, so that nobody waits in a circle.
    """
    await _take(uow, alone=[f"intake/distribution/{tenant}" for tenant in sorted(set(tenants))])


async def whose_work(uow: UnitOfWork, tenant: str) -> None:
    """Let nobody else change who works on what, by somebody's decision or by rules: `published_routing` and `distribution`."""
    await published_routing(uow, tenant)
    await distribution(uow, tenant)


async def reveals(uow: UnitOfWork, tenant: str, caller: str) -> None:
    """Let nothing else be revealed to the caller: what was revealed is counted. Taken with no other."""
    await _take(uow, alone=[f"vault/reveal/{tenant}/{caller}"])


async def releasing(uow: UnitOfWork, tenant: str, source: str) -> bool:
    """Have this unit, and no other, release what is parked of a source; false when another does. Taken before all others."""
    locked = await uow.execute(
        "select pg_try_advisory_xact_lock(hashtextextended(:name, 0))", name=f"parked/{tenant}/{source}"
    )
    return bool(locked.scalar_one())


def _merges(tenant: str) -> str:
    return f"intake/merges/{tenant}"


def _sources(tenant: str, sources: Collection[tuple[str, str]]) -> list[str]:
    return sorted({f"intake/source/{tenant}/{system}/{id_}" for system, id_ in sources})


def _erasure(tenant: str) -> str:
    return f"vault/erasure/{tenant}"


def _published(tenant: str) -> str:
    return f"routing/published/{tenant}"


async def _take(uow: UnitOfWork, *, alone: Sequence[str] = (), shared: Sequence[str] = ()) -> None:
    """Take locks in this order, first those that nobody else may have, then those that are shared."""
    await uow.execute(
        """select case when place <= :alone then pg_advisory_xact_lock(hashtextextended(name, 0))
                       else pg_advisory_xact_lock_shared(hashtextextended(name, 0)) end
           from unnest(cast(:names as text[])) with ordinality as named (name, place)""",
        names=[*alone, *shared], alone=len(alone),
    )  # fmt: skip
