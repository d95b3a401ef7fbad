"""Every query about which leads a bulk records outcomes of, and what it recorded."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from contracts.outcomes import LeadFilter

_AMONG_SOME = """
    from lead cross join lateral (
        select attribution, created_at from lead_version as seen
        where seen.tenant_id = :tenant and seen.lead_id = lead.lead_id and seen.version = lead.version limit 1
    ) as seen
    where seen.attribution @> cast(:wanted as jsonb) and {which}
"""
"""Of each of so many leads its version is looked up by its whole key, whatever the planner knows of them."""
_AMONG_ALL = """
    from lead join lead_version as seen
      on seen.tenant_id = lead.tenant_id and seen.lead_id = lead.lead_id and seen.version = lead.version
    where seen.attribution @> cast(:wanted as jsonb) and {which}
"""


async def chosen(
    uow: UnitOfWork,
    tenant: str,
    wanted: LeadFilter,
    limit: int,
    *,
    before: UUID | None = None,
    looked_to: UUID | None = None,
) -> Sequence[RowMapping]:
    """Leads that a filter chooses, the newest first, from before one of them and down to another: those that stand for themselves, were
    not erased, and have these values now. Ids are UUIDv7, so they order by age."""
    statement, given = _statement(tenant, wanted, before, looked_to)
    rows = await uow.execute(
        f"select lead.lead_id, last_activity_at, attribution, seen.created_at, stage {statement} order by lead.lead_id desc limit :limit",
        limit=limit, **given,
    )  # fmt: skip
    return rows.mappings().all()


async def count_chosen(uow: UnitOfWork, tenant: str, wanted: LeadFilter, most: int) -> int:
    """How many leads a filter chooses, or `most` where they are more; all leads are looked at for it."""
    statement, given = _statement(tenant, wanted)
    rows = await uow.execute(f"select count(*) from (select {statement} limit :most) as chosen", most=most, **given)
    return int(rows.scalar_one())


async def looked_to(uow: UnitOfWork, tenant: str, before: UUID | None, most: int) -> UUID | None:
    """The last of so many leads, from before one of them; none where there are no more than these."""
    since = "and lead_id < :before" if before else ""
    rows = await uow.execute(
        f"select lead_id from lead where tenant_id = :tenant {since} order by lead_id desc offset :most limit 1",
        tenant=tenant, most=most - 1, **({"before": before} if before else {}),
    )  # fmt: skip
    found: UUID | None = rows.scalar_one_or_none()
    return found


def _statement(
    tenant: str, wanted: LeadFilter, before: UUID | None = None, looked_to: UUID | None = None
) -> tuple[str, dict[str, Any]]:
    which = ["lead.tenant_id = :tenant", "lead.merged_into is null"]
    attribution = wanted.model_dump(mode="json", exclude_none=True, exclude={"tiers"})
    given: dict[str, Any] = {"tenant": tenant, "wanted": json.dumps(attribution)}
    for condition, name, value in (
        ("lead.tier = any (cast(:tiers as text[]))", "tiers", [tier.value for tier in wanted.tiers]),
        ("lead.lead_id < :before", "before", before),
        ("lead.lead_id >= :looked_to", "looked_to", looked_to),
    ):
        if value:
            which.append(condition)
            given[name] = value
    which.append(
        """not exists (select from erased_lead
                       where erased_lead.tenant_id = :tenant and erased_lead.lead_id = lead.lead_id
                             and erased_lead.version >= lead.version)"""
    )
    return (_AMONG_SOME if looked_to else _AMONG_ALL).format(which=" and ".join(which)), given


async def lead_keys(uow: UnitOfWork, tenant: str, most: int) -> dict[str, list[str]]:
    """The first keys that leads have, or had, by name: of each kind (source, place, partner) so many at most."""
    rows = await uow.execute(
        """select kind, key from unnest(array['source', 'place', 'partner']) as wanted (name) cross join lateral (
               select kind, key from lead_key where tenant_id = :tenant and kind = wanted.name order by key limit :most) as found""",
        tenant=tenant, most=most,
    )  # fmt: skip
    keys: dict[str, list[str]] = {"source": [], "place": [], "partner": []}
    for row in rows:
        keys[row.kind].append(row.key)
    return keys


async def keep_bulk(
    uow: UnitOfWork, tenant: str, bulk_id: UUID, recorded_by: str, outcomes: Sequence[tuple[UUID, UUID, str]]
) -> None:
    """Keep which outcomes (lead, outcome, type) a bulk recorded; more than once, as its pieces are recorded."""
    if outcomes:
        await uow.execute(
            """with bulk as (
                   insert into bulk (tenant_id, bulk_id, recorded_at, recorded_by)
                   values (:tenant, :bulk, :now, :by) on conflict do nothing
               )
               insert into bulk_outcome (tenant_id, bulk_id, lead_id, outcome_id, type)
               select :tenant, :bulk, * from unnest(cast(:leads as uuid[]), cast(:outcomes as uuid[]), cast(:types as text[]))""",
            tenant=tenant, bulk=bulk_id, by=recorded_by, now=uow.now, leads=[lead for lead, _, _ in outcomes],
            outcomes=[outcome for _, outcome, _ in outcomes], types=[type_ for _, _, type_ in outcomes],
        )  # fmt: skip


async def bulks(uow: UnitOfWork, tenant: str, before: UUID | None, limit: int) -> Sequence[RowMapping]:
    """Bulks, the newest first, from before one of them, with how many outcomes each recorded, by their `types`."""
    rows = await uow.execute(
        """select bulk.*, (
               select jsonb_object_agg(type, count) from (
                   select type, count(*) from bulk_outcome
                   where bulk_outcome.tenant_id = bulk.tenant_id and bulk_outcome.bulk_id = bulk.bulk_id group by type
               ) as counted) as types
           from bulk where tenant_id = :tenant and (cast(:before as uuid) is null or bulk_id < :before)
           order by bulk_id desc limit :limit""",
        tenant=tenant, before=before, limit=limit,
    )  # fmt: skip
    return rows.mappings().all()


async def knows_bulk(uow: UnitOfWork, tenant: str, bulk_id: UUID) -> bool:
    rows = await uow.execute(
        "select 1 from bulk where tenant_id = :tenant and bulk_id = :bulk", tenant=tenant, bulk=bulk_id
    )
    return rows.first() is not None


async def outcomes_of_bulk(uow: UnitOfWork, tenant: str, bulk_id: UUID) -> list[tuple[UUID, UUID]]:
    """What a bulk recorded: (lead, outcome)."""
    rows = await uow.execute(
        "select lead_id, outcome_id from bulk_outcome where tenant_id = :tenant and bulk_id = :bulk order by outcome_id",
        tenant=tenant, bulk=bulk_id,
    )  # fmt: skip
    return [(row.lead_id, row.outcome_id) for row in rows]


async def bulk_was_voided(uow: UnitOfWork, tenant: str, bulk_id: UUID, by: str) -> None:
    """Keep that all that a bulk recorded was voided, and who did that first."""
    await uow.execute(
        """update bulk set voided_at = :now, voided_by = :by
           where tenant_id = :tenant and bulk_id = :bulk and voided_at is null""",
        tenant=tenant, bulk=bulk_id, now=uow.now, by=by,
    )  # fmt: skip
