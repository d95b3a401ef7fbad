"""Every query about runs, their steps and companies, but for what a worker does to them (`store_claims.py`, `store_work.py`)."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from contracts.taxonomy import EnrichmentStatus, EnrichmentStep

RUN = (
    "run_id, status, actor, budget, cost, currency, companies, contacts, emails, submitted, failure, created_at, "
    "ended_at, criteria, most_companies, most_contacts, cause, claimed_by, claims"
)
_STEP = "step, status, providers, total, done, found, cost, calls, cached, attempts, failure, started_at, ended_at"
_INSERT = """
    insert into enrichment_run (tenant_id, run_id, status, actor, criteria, budget, currency, most_companies,
                                most_contacts, cause, created_at)
    values (:tenant, :run_id, 'pending', :actor, :criteria, :budget, :currency, :most_companies,
            :most_contacts, cast(:cause as jsonb), :now)
    on conflict (tenant_id, run_id) do nothing
"""
_INSERT_STEP = """
    insert into enrichment_step (tenant_id, run_id, position, step, status, providers, total)
    values (:tenant, :run_id, :position, :step, :status, :providers, :total)
"""
_PAGE = f"""
    select {RUN} from enrichment_run
    where tenant_id = :tenant and (cast(:before as timestamptz) is null or (created_at, run_id) < (:before, cast(:after as uuid)))
      and (cast(:status as text) is null or status = :status)
    order by created_at desc, run_id desc limit :limit
"""
_COMPANIES = """
    select item as company, company as fields,
           (select count(*) from enrichment_item as contact
            where contact.tenant_id = :tenant and contact.run_id = :run_id and contact.step = 'enrich_emails'
              and contact.company_item = found.item) as contacts
    from enrichment_item as found
    where tenant_id = :tenant and run_id = :run_id and step = 'find_contacts' and item > :after
    order by item limit :limit
"""
_RESUME = f"""
    update enrichment_run
    set status = 'pending', failure = null, ended_at = null, claimed_by = null, claims = 0, due_at = now(),
        budget = coalesce(cast(:budget as numeric), budget)
    where tenant_id = :tenant and run_id = :run_id returning {RUN}
"""


async def insert(
    uow: UnitOfWork, tenant: str, run: Mapping[str, Any], providers: Mapping[EnrichmentStep, Sequence[str]]
) -> bool:
    """A new run with its steps and the first item; false where there is one of its id."""
    inserted = await uow.execute(_INSERT, tenant=tenant, now=uow.now, **{**run, "cause": json.dumps(run["cause"])})
    if not inserted.rowcount:
        return False
    for position, step in enumerate(EnrichmentStep, 1):
        chain = list(providers.get(step, ()))
        await uow.execute(
            _INSERT_STEP, tenant=tenant, run_id=run["run_id"], position=position, step=step, providers=chain,
            status=EnrichmentStatus.PENDING if chain else EnrichmentStatus.SKIPPED, total=1 if position == 1 else 0,
        )  # fmt: skip
    await uow.execute(
        """insert into enrichment_item (tenant_id, run_id, step, item, status)
           values (:tenant, :run_id, 'find_companies', 1, 'pending')""",
        tenant=tenant, run_id=run["run_id"],
    )  # fmt: skip
    return True


async def run(uow: UnitOfWork, tenant: str, run_id: UUID, *, lock: bool = False) -> RowMapping | None:
    rows = await uow.execute(
        f"select {RUN} from enrichment_run where tenant_id = :tenant and run_id = :run_id"
        + (" for update" if lock else ""),
        tenant=tenant, run_id=run_id,
    )  # fmt: skip
    return rows.mappings().first()


async def steps(uow: UnitOfWork, tenant: str, run_id: UUID) -> Sequence[RowMapping]:
    rows = await uow.execute(
        f"select {_STEP} from enrichment_step where tenant_id = :tenant and run_id = :run_id order by position",
        tenant=tenant, run_id=run_id,
    )  # fmt: skip
    return rows.mappings().all()


async def page(
    uow: UnitOfWork, tenant: str, status: EnrichmentStatus | None, after: tuple[Any, UUID] | None, limit: int
) -> Sequence[RowMapping]:
    """Runs, newest first, beginning behind the one started and called as `after` says."""
    before, id_ = after or (None, None)
    rows = await uow.execute(_PAGE, tenant=tenant, status=status, before=before, after=id_, limit=limit)
    return rows.mappings().all()


async def companies(uow: UnitOfWork, tenant: str, run_id: UUID, after: int, limit: int) -> Sequence[RowMapping]:
    """The companies of a run behind the one of number `after`: (company, fields, contacts)."""
    rows = await uow.execute(_COMPANIES, tenant=tenant, run_id=run_id, after=after, limit=limit)
    return rows.mappings().all()


async def stop(
    uow: UnitOfWork, tenant: str, run_id: UUID, status: EnrichmentStatus, failure: str | None = None
) -> RowMapping:
    """Let a run stand still, and the step it is at; no worker holds it from then on."""
    await uow.execute(
        """update enrichment_step set status = :status, failure = :failure, ended_at = :now
           where tenant_id = :tenant and run_id = :run_id and position =
                 (select min(position) from enrichment_step where tenant_id = :tenant and run_id = :run_id
                                                             and status in ('pending', 'running'))""",
        tenant=tenant, run_id=run_id, status=status, failure=failure, now=uow.now,
    )  # fmt: skip
    rows = await uow.execute(
        f"""update enrichment_run set status = :status, failure = :failure, ended_at = :now, claimed_by = null
            where tenant_id = :tenant and run_id = :run_id returning {RUN}""",
        tenant=tenant, run_id=run_id, status=status, failure=failure, now=uow.now,
    )  # fmt: skip
    return rows.mappings().one()


async def resume(uow: UnitOfWork, tenant: str, run_id: UUID, budget: Any, *, skip_failed: bool) -> RowMapping:
    """Let a run go on at the step where it stood still; with `skip_failed`, behind the item at which it did."""
    about = {"tenant": tenant, "run_id": run_id}
    if skip_failed:
        await uow.execute(
            """with first as (
                   select step, item from enrichment_item
                   join enrichment_step using (tenant_id, run_id, step)
                   where tenant_id = :tenant and run_id = :run_id and enrichment_step.status = 'failed'
                     and enrichment_item.status = 'pending'
                   order by item limit 1
               ), skipped as (
                   update enrichment_item set status = 'skipped' from first
                   where tenant_id = :tenant and run_id = :run_id and enrichment_item.step = first.step
                     and enrichment_item.item = first.item
               )
               update enrichment_step set done = done + 1 from first
               where tenant_id = :tenant and run_id = :run_id and enrichment_step.step = first.step""",
            **about,
        )
    await uow.execute(
        """update enrichment_item set asked = 0, failures = 0
           where tenant_id = :tenant and run_id = :run_id and status = 'pending'""",
        **about,
    )
    await uow.execute(
        """update enrichment_item set rejected = null
           where tenant_id = :tenant and run_id = :run_id and step = 'enrich_emails' and rejected is not null""",
        **about,
    )
    await uow.execute(
        """update enrichment_step set status = 'pending', failure = null, ended_at = null
           where tenant_id = :tenant and run_id = :run_id and status in ('failed', 'cancelled', 'budget_exhausted')""",
        **about,
    )
    return (await uow.execute(_RESUME, **about, budget=budget)).mappings().one()
