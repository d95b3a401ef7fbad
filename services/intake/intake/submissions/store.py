"""Every query about submissions and the verdicts on them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from intake.leads import store as leads
from intake.routing import store_versions as versions
from intake.vault import store_suppression as suppressions

_STANDING = f"""
    select array({leads.HIDING}) as hiding, exists({suppressions.ANY}) as suppressing, version, published_at
    from (values (1)) as one left join ({versions.PUBLISHED}) as published on true
"""
_KEEP_VERDICTS = """
    insert into submission (tenant_id, submission_id, verdict, lead_id, version, correlation_id, reasons)
    select :tenant, * from unnest(cast(:ids as uuid[]), cast(:verdicts as text[]), cast(:leads as uuid[]),
                                  cast(:versions as integer[]), cast(:correlations as uuid[]), cast(:reasons as jsonb[]))
    on conflict do nothing
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds for all of a tenant's submissions, as long as their unit of work has its locks (`locks.taking_in`).

    Attributes:
        hiding: those of the systems asked for that know some leads by contacts.
        suppressing: whether the tenant has erased anybody.
        published: the version of its routing that is published, and when it was.
    """

    hiding: set[str]
    suppressing: bool
    published: tuple[int, datetime] | None


async def standing(uow: UnitOfWork, tenant: str, systems: Collection[str]) -> Standing:
    """What holds for the tenant's submissions, in one query."""
    row = (await uow.execute(_STANDING, tenant=tenant, systems=sorted(systems))).one()
    return Standing(set(row.hiding), row.suppressing, (row.version, row.published_at) if row.version else None)


def keep_verdicts(uow: UnitOfWork, tenant: str, verdicts: Sequence[tuple[Any, ...]]) -> None:
    """Keep verdicts: (submission, verdict, lead, version, correlation id, reasons as JSON)."""
    if verdicts:
        ids, names, leads, versions, correlations, reasons = (list(column) for column in zip(*verdicts, strict=True))
        uow.write(
            _KEEP_VERDICTS, tenant=tenant, ids=ids, verdicts=names, leads=leads, versions=versions,
            correlations=correlations, reasons=reasons,
        )  # fmt: skip


async def verdicts(uow: UnitOfWork, tenant: str, ids: Sequence[UUID]) -> Sequence[RowMapping]:
    rows = await uow.execute(
        """select submission_id, verdict, correlation_id, reasons from submission
           where tenant_id = :tenant and submission_id = any(cast(:ids as uuid[]))""",
        tenant=tenant, ids=list(ids),
    )  # fmt: skip
    return rows.mappings().all()


async def count_verdicts(uow: UnitOfWork, tenant: str, correlation_id: UUID) -> dict[str, int]:
    rows = await uow.execute(
        """select verdict, count(*) as n from submission
           where tenant_id = :tenant and correlation_id = :correlation_id group by verdict""",
        tenant=tenant, correlation_id=correlation_id,
    )  # fmt: skip
    return {row.verdict: row.n for row in rows}
