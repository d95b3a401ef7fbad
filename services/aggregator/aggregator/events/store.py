"""Every query about stored events."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from contracts.intake.privacy import DERIVED_FROM_A_PERSON

_STORE_EVENTS = """
    insert into event (tenant_id, event_id, type, occurred_at, lead_id, body)
    select tenant_id, event_id, type, occurred_at, lead_id,
           case when erased.yes then body - cast(:personal as text[]) else body end
    from unnest(cast(:tenants as text[]), cast(:ids as uuid[]), cast(:types as text[]),
                cast(:occurred as timestamptz[]), cast(:leads as uuid[]), cast(:bodies as jsonb[]))
         as given (tenant_id, event_id, type, occurred_at, lead_id, body)
    left join lateral (
        select true as yes from erased_lead
        where erased_lead.tenant_id = given.tenant_id and erased_lead.lead_id = given.lead_id
          and coalesce(cast(given.body ->> 'version' as integer), 0) <= erased_lead.version
        limit 1
    ) as erased on true
    on conflict do nothing
"""


async def store_events(uow: UnitOfWork, rows: Sequence[tuple[str, UUID, str, Any, UUID | None, str]]) -> None:
    """Store events (tenant, id, type, occurred_at, lead, JSON body); an id that is there already is left as it is."""
    tenants, ids, types, occurred, leads, bodies = (list(column) for column in zip(*rows, strict=True))
    await uow.execute(
        _STORE_EVENTS, tenants=tenants, ids=ids, types=types, occurred=occurred, leads=leads, bodies=bodies,
        personal=list(DERIVED_FROM_A_PERSON),
    )  # fmt: skip


async def keep_erased(uow: UnitOfWork, tenant: str, lead_id: UUID, version: int) -> None:
    """Keep that a lead's person was erased with this version of it; a later one is another person's."""
    await uow.execute(
        """insert into erased_lead (tenant_id, lead_id, version) values (:tenant, :lead_id, :version)
           on conflict (tenant_id, lead_id) do update set version = greatest(erased_lead.version, excluded.version)""",
        tenant=tenant, lead_id=lead_id, version=version,
    )  # fmt: skip


async def forget(uow: UnitOfWork, tenant: str, lead_id: UUID, version: int) -> int:
    """Take what is made of a lead's person from its events, up to this version of it; returns from how many."""
    scrubbed = await uow.execute(
        """update event set body = body - cast(:personal as text[])
           where tenant_id = :tenant and lead_id = :lead_id and body ?| cast(:personal as text[])
             and coalesce(cast(body ->> 'version' as integer), 0) <= :version""",
        tenant=tenant, lead_id=lead_id, version=version, personal=list(DERIVED_FROM_A_PERSON),
    )  # fmt: skip
    return scrubbed.rowcount


async def events(
    uow: UnitOfWork, tenant: str, lead_id: UUID | None, types: Sequence[str], before: int | None, limit: int
) -> Sequence[RowMapping]:
    """A page of events, last stored first, from before a sequence number."""
    rows = await uow.execute(
        """select seq, event_id, type, occurred_at, stored_at, lead_id, body from event
           where tenant_id = :tenant
             and (cast(:lead_id as uuid) is null or lead_id = :lead_id)
             and (cardinality(cast(:types as text[])) = 0 or type = any(:types))
             and (cast(:before as bigint) is null or seq < :before)
           order by seq desc limit :limit""",
        tenant=tenant, lead_id=lead_id, types=list(types), before=before, limit=limit,
    )  # fmt: skip
    return rows.mappings().all()
