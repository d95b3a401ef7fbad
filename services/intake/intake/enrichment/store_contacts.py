"""Every query about the contacts of a run as they become leads."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork

# One that was rejected stays where it is, and is not submitted again before the run is resumed.
_UNSUBMITTED = """
    select item, company_item, sealed, identity from enrichment_item
    where tenant_id = :tenant and run_id = :run_id and step = 'enrich_emails' and status in ('pending', 'done')
      and sealed is not null and rejected is null and (has_email or not :only_with_email)
    order by item limit :limit
"""
_SUBMITTED = """
    update enrichment_item set status = 'submitted', sealed = null
    where tenant_id = :tenant and run_id = :run_id and step = 'enrich_emails' and item = any(cast(:items as integer[]))
"""
_REJECTED = """
    update enrichment_item set rejected = given.reason
    from unnest(cast(:items as integer[]), cast(:reasons as text[])) as given (item, reason)
    where tenant_id = :tenant and run_id = :run_id and step = 'enrich_emails' and enrichment_item.item = given.item
"""
_REASONS = """
    select rejected as reason, count(*) as contacts from enrichment_item
    where tenant_id = :tenant and run_id = :run_id and step = 'enrich_emails' and rejected is not null
    group by rejected order by rejected
"""
_OF_PERSON = """
    select known.run_id, run.created_at as run_started_at, held.status, held.sealed, found.company
    from (select distinct run_id, item from enrichment_token
          where tenant_id = :tenant and token = any(cast(:tokens as text[]))) as known
    join enrichment_run as run on run.tenant_id = :tenant and run.run_id = known.run_id
    cross join lateral (
        select * from enrichment_item as held
        where held.tenant_id = :tenant and held.run_id = known.run_id and held.step = 'enrich_emails' and held.item = known.item
        offset 0) as held
    cross join lateral (
        select company from enrichment_item as found
        where found.tenant_id = :tenant and found.run_id = held.run_id and found.step = 'find_contacts'
          and found.item = held.company_item
        offset 0) as found
    order by known.run_id, known.item
"""


async def unsubmitted(
    uow: UnitOfWork, tenant: str, run_id: UUID, limit: int, *, only_with_email: bool
) -> Sequence[RowMapping]:
    """Contacts that are to be submitted: (item, company_item, sealed, identity)."""
    rows = await uow.execute(_UNSUBMITTED, tenant=tenant, run_id=run_id, limit=limit, only_with_email=only_with_email)
    return rows.mappings().all()


async def count_unsubmitted(uow: UnitOfWork, tenant: str, run_id: UUID, only_with_email: bool) -> int:
    """How many contacts there are to be submitted."""
    rows = await uow.execute(
        f"select count(*) from ({_UNSUBMITTED}) as left_over",
        tenant=tenant, run_id=run_id, limit=None, only_with_email=only_with_email,
    )  # fmt: skip
    count: int = rows.scalar_one()
    return count


async def companies_of(uow: UnitOfWork, tenant: str, run_id: UUID, items: Sequence[int]) -> dict[int, dict[str, str]]:
    """The fields of companies by their numbers."""
    rows = await uow.execute(
        """select item, company from enrichment_item
           where tenant_id = :tenant and run_id = :run_id and step = 'find_contacts' and item = any(cast(:items as integer[]))""",
        tenant=tenant, run_id=run_id, items=list(items),
    )  # fmt: skip
    return {row.item: row.company for row in rows}


async def submitted(uow: UnitOfWork, tenant: str, run_id: UUID, items: Sequence[int]) -> None:
    """Contacts became leads: what is personal about them is the vault's from now on."""
    await uow.execute(_SUBMITTED, tenant=tenant, run_id=run_id, items=list(items))
    await uow.execute(
        "update enrichment_run set submitted = submitted + :count where tenant_id = :tenant and run_id = :run_id",
        tenant=tenant, run_id=run_id, count=len(items),
    )  # fmt: skip


async def rejected(uow: UnitOfWork, tenant: str, run_id: UUID, reasons: Mapping[int, str]) -> None:
    """Contacts were rejected, each for a reason (a flaw's code)."""
    await uow.execute(
        _REJECTED, tenant=tenant, run_id=run_id, items=list(reasons), reasons=list(reasons.values())
    )  # fmt: skip


async def reasons(uow: UnitOfWork, tenant: str, run_id: UUID) -> dict[str, int]:
    """How many contacts of a run were rejected, by reason."""
    rows = await uow.execute(_REASONS, tenant=tenant, run_id=run_id)
    return {row.reason: row.contacts for row in rows}


async def of_person(uow: UnitOfWork, tenant: str, tokens: Sequence[str]) -> Sequence[RowMapping]:
    """The contacts of runs that have any of these tokens: (run_id, run_started_at, status,
    sealed, company)."""
    rows = await uow.execute(_OF_PERSON, tenant=tenant, tokens=list(tokens))
    return rows.mappings().all()
