"""Every query about leads that may be one person: what they are compared by, and the pairs found."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork

_KEEP_BLOCKS = """
    insert into name_block (tenant_id, lead_id, block)
    select :tenant, * from unnest(cast(:leads as uuid[]), cast(:blocks as bigint[]))
    on conflict (tenant_id, lead_id) do update set block = excluded.block, compared = false
"""
_DROP_BLOCKS = "delete from name_block where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[]))"
# By block: leads of one have most of those they are compared with in common, and each has to be opened once only.
_TO_COMPARE = """
    select lead_id, block from name_block where tenant_id = :tenant and not compared
    order by block, lead_id limit :limit for update
"""
# The offset keeps each lookup an index probe, whatever the planner thinks of the block's size.
_MATES = """
    select todo.lead_id, mate.lead_id as other_id
    from unnest(cast(:leads as uuid[]), cast(:blocks as bigint[])) as todo (lead_id, block)
    cross join lateral (
        select lead_id from name_block
        where tenant_id = :tenant and name_block.block = todo.block and name_block.lead_id <> todo.lead_id
        order by name_block.lead_id desc limit :most offset 0
    ) as mate
    join lead as one on one.tenant_id = :tenant and one.lead_id = todo.lead_id
    join lead as other on other.tenant_id = :tenant and other.lead_id = mate.lead_id
    where one.merged_into is null and other.merged_into is null and one.person_id <> other.person_id
      and not exists (
          select from kept_apart where tenant_id = :tenant
            and kept_apart.lead_id = least(one.lead_id, other.lead_id)
            and kept_apart.other_id = greatest(one.lead_id, other.lead_id)
      )
"""
_REPLACE = """
    delete from review_candidate
    where tenant_id = :tenant and (lead_id = any(cast(:leads as uuid[])) or other_id = any(cast(:leads as uuid[])))
"""
_KEEP = """
    insert into review_candidate (tenant_id, lead_id, other_id, score, found_at)
    select :tenant, given.lead_id, given.other_id, score, :now
    from unnest(cast(:leads as uuid[]), cast(:others as uuid[]), cast(:scores as smallint[]))
         as given (lead_id, other_id, score)
    join name_block as one on one.tenant_id = :tenant and one.lead_id = given.lead_id
    join name_block as other on other.tenant_id = :tenant and other.lead_id = given.other_id
    on conflict do nothing
"""
_PAGE = """
    select pair.lead_id, pair.other_id, pair.score, pair.found_at
    from review_candidate as pair
    join lead as one on one.tenant_id = :tenant and one.lead_id = pair.lead_id
    join lead as other on other.tenant_id = :tenant and other.lead_id = pair.other_id
    where pair.tenant_id = :tenant
      and (cast(:score as smallint) is null or (pair.score, pair.lead_id, pair.other_id) < (:score, :lead, :other))
      and one.merged_into is null and other.merged_into is null and one.person_id <> other.person_id
      and one.erased_at is null and other.erased_at is null
      and not exists (
          select from kept_apart where tenant_id = :tenant
            and kept_apart.lead_id = pair.lead_id and kept_apart.other_id = pair.other_id
      )
    order by pair.score desc, pair.lead_id desc, pair.other_id desc limit :limit
"""

Pair = tuple[UUID, UUID]
"""Two leads, the older first."""
Place = tuple[int, UUID, UUID]
"""Where a pair stands in the list: its score and its leads."""


def keep_blocks(uow: UnitOfWork, tenant: str, blocks: Sequence[tuple[UUID, int]]) -> None:
    """Keep what leads are compared by: (lead, block); they are compared anew."""
    if blocks:
        leads, numbers = (list(column) for column in zip(*blocks, strict=True))
        uow.write(_KEEP_BLOCKS, tenant=tenant, leads=leads, blocks=numbers)


def drop_blocks(uow: UnitOfWork, tenant: str, leads: Collection[UUID]) -> None:
    """Compare these leads with no others any more, and list no pair with one of them."""
    if leads:
        uow.write(_DROP_BLOCKS, tenant=tenant, leads=list(leads))
        uow.write(_REPLACE, tenant=tenant, leads=list(leads))


async def compare_again(uow: UnitOfWork, tenant: str, leads: Collection[UUID]) -> None:
    """Have these leads compared anew."""
    await uow.execute(
        """update name_block set compared = false
           where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[]))""",
        tenant=tenant, leads=list(leads),
    )  # fmt: skip


async def to_compare(uow: UnitOfWork, tenant: str, limit: int) -> list[tuple[UUID, int]]:
    """Leads that were not compared yet, block by block; locked until the unit ends."""
    rows = await uow.execute(_TO_COMPARE, tenant=tenant, limit=limit)
    return [(row.lead_id, row.block) for row in rows]


async def mates(uow: UnitOfWork, tenant: str, leads: Sequence[tuple[UUID, int]], most: int) -> set[Pair]:
    """The pairs to compare: each lead with the newest of its block, `most` at most, that stand, are another person as far
    as is known, and are not kept apart from it."""
    rows = await uow.execute(
        _MATES, tenant=tenant, most=most, leads=[lead for lead, _ in leads], blocks=[block for _, block in leads]
    )
    return {(min(row.lead_id, row.other_id), max(row.lead_id, row.other_id)) for row in rows}


async def replace_pairs(
    uow: UnitOfWork, tenant: str, compared: Collection[UUID], found: Sequence[tuple[Pair, int]]
) -> None:
    """Keep the pairs found, with their scores, in place of all that were known with one of the leads compared."""
    leads = list(compared)
    await uow.execute(_REPLACE, tenant=tenant, leads=leads)
    if found:
        await uow.execute(
            _KEEP, tenant=tenant, now=uow.now, leads=[pair[0] for pair, _ in found],
            others=[pair[1] for pair, _ in found], scores=[score for _, score in found],
        )  # fmt: skip
    await uow.execute(
        "update name_block set compared = true where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[]))",
        tenant=tenant, leads=leads,
    )  # fmt: skip


async def page(uow: UnitOfWork, tenant: str, after: Place | None, limit: int) -> Sequence[RowMapping]:
    """Pairs that are still to be looked at, the most alike first, from behind a place."""
    score, lead, other = after or (None, None, None)
    rows = await uow.execute(_PAGE, tenant=tenant, score=score, lead=lead, other=other, limit=limit)
    return rows.mappings().all()
