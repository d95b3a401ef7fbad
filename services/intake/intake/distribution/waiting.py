"""Which of the leads that wait can be given out next."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from intake.distribution import store
from intake.distribution.domain_choice import Distributor


async def next_waiting(
    uow: UnitOfWork, tenant: str, distributors: Mapping[str, Distributor], behind: Any, limit: int, *, by_place: bool
) -> list[RowMapping]:
    """The next leads for which, by their place, there is somebody.

    Args:
        by_place: whether workspaces are searched in which that is so of some places only.
    """
    everywhere = {name: distributor.open_to_every_place() for name, distributor in distributors.items()}
    regions = [
        (name, _like(pattern))
        for name, distributor in distributors.items()
        if by_place and not everywhere[name]
        for pattern in sorted(distributor.open_regions())
    ]
    regional = {name for name, _ in regions}
    searched = {name: every for name, every in everywhere.items() if every or name in regional}
    return await store.waiting(uow, tenant, searched, regions, behind, limit) if searched else []


def _like(pattern: str) -> str:
    fixed = pattern.removeprefix("*").removesuffix("*").replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return f"{'%' * pattern.startswith('*')}{fixed}{'%' * pattern.endswith('*')}"
