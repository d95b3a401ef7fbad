"""Every query about submissions and the verdicts on them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork

_KEEP_VERDICTS = """
    insert into submission (tenant_id, submission_id, verdict, lead_id, version, correlation_id, reasons)
    select :tenant, * from unnest(cast(:ids as uuid[]), cast(:verdicts as text[]), cast(:leads as uuid[]),
                                  cast(:versions as integer[]), cast(:correlations as uuid[]), cast(:reasons as jsonb[]))
    on conflict do nothing
"""


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
