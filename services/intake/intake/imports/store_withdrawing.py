"""Every query about withdrawing the leads that an import brought."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from intake.vault.store import drop_unused_keys

# Whoever works on a lead leaves a mark in one of these; what rules and clocks do to it does not count.
_TOUCHED = """
    select lead.lead_id,
           exists (select from submission
                   where submission.tenant_id = :tenant and submission.lead_id = lead.lead_id
                     and submission.correlation_id <> :run_id)
               or lead.merged_into is not null or lead.combined is not null
               or exists (select from merge where merge.tenant_id = :tenant
                            and (merge.survivor_id = lead.lead_id or merge.merged_id = lead.lead_id)) as changed,
           exists (select from assignment
                   where assignment.tenant_id = :tenant and assignment.lead_id = lead.lead_id
                     and (assigned_by = 'user' or ended_by is not null or end_reason = 'completed')) as assigned,
           exists (select from progress
                   where progress.tenant_id = :tenant and progress.lead_id = lead.lead_id and messaged_at is not null)
               or exists (select from text where text.tenant_id = :tenant and text.lead_id = lead.lead_id) as contacted
    from lead
    where lead.tenant_id = :tenant and lead.lead_id = any(cast(:leads as uuid[])) and lead.erased_at is null
    order by lead.lead_id for update of lead
"""
_EMPTY = """
    update lead set version = version + 1, updated_at = :now, erased_at = :now, suppressed = false,
                    digest = '', field_digests = '{}', phone_token = null, email_token = null, linkedin_token = null,
                    time_zone = null, warnings = '[]', metadata = '{}'
    where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[]))
    returning lead_id, version, person_id
"""


async def brought(uow: UnitOfWork, tenant: str, run_id: UUID, after: UUID | None, limit: int) -> list[UUID]:
    """Leads that are there by an import, by their ids, from behind one: they came with it, also again after they were withdrawn."""
    rows = await uow.execute(
        """select distinct lead_id from submission
           where tenant_id = :tenant and correlation_id = :run_id and (cast(:after as uuid) is null or lead_id > :after)
             and (verdict = 'accepted' or verdict = 'updated' and not exists (
                 select from submission as other
                 where other.tenant_id = :tenant and other.lead_id = submission.lead_id and other.correlation_id <> :run_id))
           order by lead_id limit :limit""",
        tenant=tenant, run_id=run_id, after=after, limit=limit,
    )  # fmt: skip
    return list(rows.scalars())


async def touched(uow: UnitOfWork, tenant: str, run_id: UUID, leads: Collection[UUID]) -> Sequence[RowMapping]:
    """Those of these leads that stand, locked: lead_id, and whether each was changed, assigned or contacted by anybody but the import."""
    rows = await uow.execute(_TOUCHED, tenant=tenant, run_id=run_id, leads=list(leads))
    return rows.mappings().all()


async def keep(uow: UnitOfWork, tenant: str, run_id: UUID, kept: Mapping[UUID, str]) -> None:
    """Write down which leads stay, and why."""
    if kept:
        await uow.execute(
            """insert into import_kept (tenant_id, run_id, lead_id, kept_for)
               select :tenant, :run_id, * from unnest(cast(:leads as uuid[]), cast(:reasons as text[]))
               on conflict do nothing""",
            tenant=tenant, run_id=run_id, leads=list(kept), reasons=list(kept.values()),
        )  # fmt: skip


async def empty(uow: UnitOfWork, tenant: str, leads: Sequence[UUID]) -> Sequence[RowMapping]:
    """Leave of leads their ids, times and attribution; returns lead_id, version and person_id of each.

    They may come again: nobody is kept away by it. What is sealed of them goes, with the keys that sealed nothing else, and so do the
    tokens of persons who have no other lead.
    """
    rows = (await uow.execute(_EMPTY, tenant=tenant, leads=list(leads), now=uow.now)).mappings().all()
    persons = [row["person_id"] for row in rows]
    await uow.execute(
        """delete from person_token where tenant_id = :tenant and person_id = any(cast(:persons as uuid[]))
             and not exists (select from lead where lead.tenant_id = :tenant and lead.person_id = person_token.person_id
                                                and lead.erased_at is null)""",
        tenant=tenant, persons=persons,
    )  # fmt: skip
    seals = await uow.execute(
        "delete from vault where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[])) returning key_id",
        tenant=tenant, leads=list(leads),
    )  # fmt: skip
    await drop_unused_keys(uow, tenant, {*seals.scalars()})
    for statement in (
        "delete from name_block where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[]))",
        """delete from review_candidate where tenant_id = :tenant
           and (lead_id = any(cast(:leads as uuid[])) or other_id = any(cast(:leads as uuid[])))""",
    ):
        await uow.execute(statement, tenant=tenant, leads=list(leads))
    return rows


async def forget_submissions(uow: UnitOfWork, tenant: str, leads: Sequence[UUID]) -> Sequence[UUID]:
    """Forget the verdicts on what these leads were submitted by, so that it is judged anew if it comes again; returns its ids."""
    rows = await uow.execute(
        "delete from submission where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[])) returning submission_id",
        tenant=tenant, leads=list(leads),
    )  # fmt: skip
    return rows.scalars().all()
