"""Every query by which what is personal in runs is forgotten."""

from collections.abc import Sequence
from uuid import UUID

from chassis.unit_of_work import UnitOfWork

# What is held of people goes, and with it what would find them or tell that they are the same.
_EMPTY_HELD = """, unknown as (
        delete from enrichment_token using held, unnest(held.tokens) as of (token)
        where enrichment_token.tenant_id = :tenant and enrichment_token.token = of.token
          and enrichment_token.run_id = held.run_id and enrichment_token.item = held.item
    ), emptied as (
        update enrichment_item set sealed = null, identity = null, tokens = '{}', evidence = '{}' from held
        where enrichment_item.tenant_id = :tenant and enrichment_item.run_id = held.run_id
          and enrichment_item.step = 'enrich_emails' and enrichment_item.item = held.item
    )"""
_FORGET_OLD = f"""
    with old as (
        select run_id from enrichment_run
        where tenant_id = :tenant and criteria is not null and status not in ('pending', 'running')
          and ended_at < cast(:now as timestamptz) - make_interval(hours => :hours)
        order by ended_at limit :most for update skip locked
    ), held as (
        select run_id, item, tokens from enrichment_item join old using (run_id)
        where tenant_id = :tenant and step = 'enrich_emails'
    ){_EMPTY_HELD}
    update enrichment_run set criteria = null from old
    where enrichment_run.tenant_id = :tenant and enrichment_run.run_id = old.run_id
"""
_FORGOTTEN = """
    select (select count(*) from held) as items,
           array(select distinct key from held cross join lateral unnest(held.evidence) as of (key)) as evidence
"""
_FORGET_PERSON = f"""
    with held as (
        select run_id, item, evidence, tokens from enrichment_item
        where tenant_id = :tenant and step = 'enrich_emails' and (run_id, item) in
              (select run_id, item from enrichment_token where tenant_id = :tenant and token = any(cast(:tokens as text[])))
        for update
    ){_EMPTY_HELD}
    {_FORGOTTEN}
"""
_FORGET_CONTACTS = f"""
    with held as (
        select run_id, item, evidence, tokens from enrichment_item
        where tenant_id = :tenant and run_id = :run_id and step = 'enrich_emails' and item = any(cast(:items as integer[]))
        for update
    ){_EMPTY_HELD}
    {_FORGOTTEN}
"""


async def forget_old(uow: UnitOfWork, tenant: str, hours: int, most: int) -> int:
    """Forget what is personal in runs that ended longer ago than that, of not more than `most` runs; returns of how many."""
    return (await uow.execute(_FORGET_OLD, tenant=tenant, hours=hours, most=most, now=uow.now)).rowcount


async def forget_person(uow: UnitOfWork, tenant: str, tokens: Sequence[str]) -> tuple[int, Sequence[str]]:
    """Forget contacts with any of these tokens; returns how many, and the keys of the answers they came from."""
    row = (await uow.execute(_FORGET_PERSON, tenant=tenant, tokens=list(tokens))).one()
    return row.items, row.evidence


async def forget_contacts(uow: UnitOfWork, tenant: str, run_id: UUID, items: Sequence[int]) -> Sequence[str]:
    """Forget these contacts of a run; returns the keys of the answers they came from."""
    row = (await uow.execute(_FORGET_CONTACTS, tenant=tenant, run_id=run_id, items=list(items))).one()
    evidence: Sequence[str] = row.evidence
    return evidence
