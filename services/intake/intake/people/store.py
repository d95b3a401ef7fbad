"""Every query about persons and their tokens. Merges are in `store_merges`, pairs to look at in `store_review`."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import Expected, UnitOfWork
from intake.leads.store import LEAD

_KNOWN_TOKENS = """
    select token, person_id from person_token
    where tenant_id = :tenant and token = any(cast(:tokens as text[])) order by token for update
"""
_KEEP_TOKENS = """
    insert into person_token (tenant_id, token, person_id)
    select :tenant, * from unnest(cast(:tokens as text[]), cast(:persons as uuid[]))
    on conflict do nothing
"""
# Ids are gathered in arrays, each by an index: asked for with `or` or `in`, they are looked for among all leads.
_OWN = "select lead_id, coalesce(merged_into, lead_id) as standing from lead where tenant_id = :tenant and person_id"
_PAGE = "and (cast(:before as uuid) is null or lead_id < :before) order by lead_id desc limit :limit"
FIND_LEADS = f"""
    with own as materialized ({_OWN} = any(array(
        select person_id from person_token where tenant_id = :tenant and token = any(cast(:tokens as text[]))
    )))
    select {LEAD} from lead where tenant_id = :tenant and lead_id = any(array(select standing from own)) {_PAGE}
"""
LEADS_OF = f"""
    with own as materialized ({_OWN} = :person)
    select {LEAD} from lead where tenant_id = :tenant and lead_id = any(array(
        select lead_id from own
        union select standing from own
        union select lead_id from lead
              where tenant_id = :tenant and merged_into = any(array(select standing from own))
    )) {_PAGE}
"""


_MOVE_TOKENS = """
    with carried as (
        select token, bool_and(lead.lead_id = any(cast(:leads as uuid[]))) as by_them_only
        from lead cross join lateral unnest(array[phone_token, email_token, linkedin_token]) as own (token)
        where tenant_id = :tenant and person_id = :old and token is not null group by token
    )
    update person_token set person_id = :new from carried
    where person_token.tenant_id = :tenant and person_token.token = carried.token and carried.by_them_only
          and person_token.person_id = :old
"""
_PERSONS_WITH = """
    with recursive one (person_id) as (
        select cast(:person as uuid)
        union
        select other.person_id from one
        cross join lateral (
            select case when merged_into is null then lead_id else merged_into end as standing from lead
            where tenant_id = :tenant and person_id = one.person_id
        ) as own
        cross join lateral (
            select person_id from lead where tenant_id = :tenant and lead_id = own.standing
            union all
            select person_id from lead where tenant_id = :tenant and merged_into = own.standing
        ) as other
    )
    select person_id from one
"""


async def persons_with(uow: UnitOfWork, tenant: str, person: UUID) -> set[UUID]:
    """A person with everybody of whom a lead is merged with one of theirs: whoever merged them said that they are one."""
    return set((await uow.execute(_PERSONS_WITH, tenant=tenant, person=person)).scalars())


async def known_tokens(uow: UnitOfWork, tenant: str, tokens: Collection[str]) -> dict[str, UUID]:
    """Whose these tokens are, as far as they are known; locked until the unit ends."""
    if not tokens:
        return {}
    rows = await uow.execute(_KNOWN_TOKENS, tenant=tenant, tokens=sorted(tokens))
    return {row.token: row.person_id for row in rows}


async def persons_of(uow: UnitOfWork, tenant: str, tokens: Collection[str]) -> dict[str, UUID]:
    """Whose these tokens are, as far as they are known; nothing is locked."""
    rows = await uow.execute(
        "select token, person_id from person_token where tenant_id = :tenant and token = any(cast(:tokens as text[]))",
        tenant=tenant, tokens=list(tokens),
    )  # fmt: skip
    return {row.token: row.person_id for row in rows}


async def standing_leads(uow: UnitOfWork, tenant: str, persons: Collection[UUID], most: int) -> dict[UUID, list[UUID]]:
    """The leads that stand for each of these persons, newest first, so many at most."""
    rows = await uow.execute(
        """select wanted.person_id, own.standing
           from unnest(cast(:persons as uuid[])) as wanted (person_id)
           cross join lateral (
               select distinct coalesce(merged_into, lead_id) as standing from lead
               where lead.tenant_id = :tenant and lead.person_id = wanted.person_id and erased_at is null
               order by standing desc limit :most
           ) as own""",
        tenant=tenant, persons=list(persons), most=most,
    )  # fmt: skip
    found: dict[UUID, list[UUID]] = {}
    for row in rows:
        found.setdefault(row.person_id, []).append(row.standing)
    return found


def keep_tokens(uow: UnitOfWork, tenant: str, tokens: Mapping[str, UUID]) -> None:
    """Give tokens their persons, in one order everywhere, so that two units of work cannot wait for each other; a race is lost where
    another one gave one of them a person a moment before."""
    if tokens:
        ordered = sorted(tokens)
        all_new = Expected(len(tokens), "a token was linked by another unit of work")
        uow.write(_KEEP_TOKENS, all_new, tenant=tenant, tokens=ordered, persons=[tokens[t] for t in ordered])


async def await_new_tokens(uow: UnitOfWork, tenant: str, persons: Collection[UUID]) -> None:
    """Let whoever adds leads or tokens to these persons end first, and nobody begin until this unit has ended: who does so
    holds a token or a lead of theirs."""
    await uow.execute(
        """select from person_token where tenant_id = :tenant and person_id = any(cast(:persons as uuid[]))
           order by token for update""",
        tenant=tenant, persons=list(persons),
    )  # fmt: skip


async def move_tokens(uow: UnitOfWork, tenant: str, leads: Collection[UUID], old: UUID, new: UUID) -> None:
    """Give a person's tokens that only these leads carry to another person; to be called before the leads change hands."""
    await uow.execute(_MOVE_TOKENS, tenant=tenant, leads=list(leads), old=old, new=new)


async def merge_persons(uow: UnitOfWork, tenant: str, merged: Mapping[UUID, UUID]) -> None:
    """Give the tokens of some persons to others; to be called when their leads have changed hands."""
    await uow.execute(
        """update person_token set person_id = pair.new
           from unnest(cast(:old as uuid[]), cast(:new as uuid[])) as pair (old, new)
           where tenant_id = :tenant and person_id = pair.old""",
        tenant=tenant, old=list(merged), new=list(merged.values()),
    )  # fmt: skip


async def find_leads(
    uow: UnitOfWork, tenant: str, tokens: Sequence[str], before: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """The leads of whoever has any of these tokens, merged ones by those that stand for them; newest first, from before a
    lead."""
    rows = await uow.execute(FIND_LEADS, tenant=tenant, tokens=list(tokens), before=before, limit=limit)
    return rows.mappings().all()


async def leads_of(uow: UnitOfWork, tenant: str, person: UUID, before: UUID | None, limit: int) -> Sequence[RowMapping]:
    """A person's leads and those merged with one of them, newest first, from before a lead."""
    rows = await uow.execute(LEADS_OF, tenant=tenant, person=person, before=before, limit=limit)
    return rows.mappings().all()
