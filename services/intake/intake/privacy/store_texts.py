"""Every query about the texts that services received of leads' persons."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork

# Each lookup by the whole key (docs/adr/0009-lookups-by-the-whole-key.md).
_SEALED = """
    select kept.text_id, kept.lead_id, kept.key_id, kept.sealed, person_key.wrapped, lead.person_id
    from unnest(cast(:texts as uuid[])) as wanted (text_id)
    cross join lateral (
        select text_id, lead_id, key_id, sealed from text
        where tenant_id = :tenant and text.text_id = wanted.text_id limit 1
    ) as kept
    cross join lateral (
        select person_id from lead where tenant_id = :tenant and lead.lead_id = kept.lead_id limit 1
    ) as lead
    cross join lateral (
        select wrapped from person_key where tenant_id = :tenant and person_key.key_id = kept.key_id limit 1
    ) as person_key
"""


async def keep(uow: UnitOfWork, tenant: str, text: Mapping[str, Any]) -> None:
    """Keep a text (text_id, lead_id, key_id, sealed), unless one is kept under its id already."""
    await uow.execute(
        """insert into text (tenant_id, text_id, lead_id, key_id, sealed, created_at)
           values (:tenant, :text_id, :lead_id, :key_id, :sealed, :now) on conflict (tenant_id, text_id) do nothing""",
        tenant=tenant, now=uow.now, **text,
    )  # fmt: skip


async def sealed(uow: UnitOfWork, tenant: str, texts: Sequence[UUID]) -> dict[UUID, RowMapping]:
    """Those of these texts that are kept, and whose person's key is, by id: text_id, lead_id, sealed, key_id and that key as it is
    wrapped, and the person_id of the lead."""
    rows = await uow.execute(_SEALED, tenant=tenant, texts=list(texts))
    return {row["text_id"]: row for row in rows.mappings()}


async def of_lead(uow: UnitOfWork, tenant: str, lead_id: UUID, after: UUID | None, limit: int) -> Sequence[RowMapping]:
    """The texts kept with a lead, from behind one of them: text_id, sealed, key_id and that key as it is wrapped, created_at."""
    rows = await uow.execute(
        """select text_id, sealed, key_id, wrapped, created_at from text join person_key using (tenant_id, key_id)
           where tenant_id = :tenant and lead_id = :lead_id and (cast(:after as uuid) is null or text_id > :after)
           order by text_id limit :limit""",
        tenant=tenant, lead_id=lead_id, after=after, limit=limit,
    )  # fmt: skip
    return rows.mappings().all()


async def drop(uow: UnitOfWork, tenant: str, leads: Sequence[UUID]) -> int:
    """Delete the texts kept with these leads; returns how many."""
    dropped = await uow.execute(
        "delete from text where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[]))",
        tenant=tenant, leads=list(leads),
    )  # fmt: skip
    return dropped.rowcount
