"""Every query about erasing persons, and who has confirmed it."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from intake.vault.store import drop_unused_keys

_ERASURE = """
    select erasure_id, person_id, lead_ids, erased_at, service, actor, role, reason, counts, lifted_at, lifted_by
    from erasure where tenant_id = :tenant
"""
_SUBMISSIONS_OF = """
    select submission_id from submission where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[]))
"""
_EMPTY_LEADS = """
    update lead set version = version + 1, updated_at = :now, erased_at = :now, suppressed = true,
                    digest = '', field_digests = '{}', phone_token = null, email_token = null, linkedin_token = null,
                    time_zone = null, warnings = '[]', metadata = '{}', merged_into = null, combined = null
    where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[]))
    returning lead_id, version, person_id
"""


async def person_of(uow: UnitOfWork, tenant: str, lead_id: UUID) -> UUID | None:
    rows = await uow.execute(
        "select person_id from lead where tenant_id = :tenant and lead_id = :lead_id", tenant=tenant, lead_id=lead_id
    )
    person: UUID | None = rows.scalar_one_or_none()
    return person


async def leads_of(uow: UnitOfWork, tenant: str, persons: Collection[UUID]) -> Sequence[UUID]:
    """These persons' leads that were not erased, locked until the unit of work ends."""
    rows = await uow.execute(
        """select lead_id from lead
           where tenant_id = :tenant and person_id = any(cast(:persons as uuid[])) and erased_at is null
           order by lead_id for update""",
        tenant=tenant, persons=list(persons),
    )  # fmt: skip
    return rows.scalars().all()


async def drop_tokens(uow: UnitOfWork, tenant: str, persons: Collection[UUID]) -> list[str]:
    """Delete these persons' tokens, those of former values included; returns them."""
    rows = await uow.execute(
        "delete from person_token where tenant_id = :tenant and person_id = any(cast(:persons as uuid[])) returning token",
        tenant=tenant, persons=list(persons),
    )  # fmt: skip
    return [row.token for row in rows]


async def shred(uow: UnitOfWork, tenant: str, persons: Collection[UUID], leads: Sequence[UUID]) -> tuple[int, int]:
    """Delete what is sealed of these leads, and every key it was sealed with; returns how many seals and keys.

    A key that also seals another's leads is that other's, and stays.
    """
    seals = await uow.execute(
        "delete from vault where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[])) returning key_id",
        tenant=tenant, leads=list(leads),
    )  # fmt: skip
    used = [row.key_id for row in seals]
    return len(used), await drop_unused_keys(uow, tenant, {*used, *persons})


async def submissions_of(uow: UnitOfWork, tenant: str, leads: Sequence[UUID]) -> Sequence[UUID]:
    """The ids of the messages that these leads were submitted by."""
    rows = await uow.execute(_SUBMISSIONS_OF, tenant=tenant, leads=list(leads))
    return rows.scalars().all()


async def empty_leads(uow: UnitOfWork, tenant: str, leads: Sequence[UUID]) -> Sequence[RowMapping]:
    """Take from leads what is made of their person, and leave the numbers; returns lead_id, version and person_id of each."""
    rows = await uow.execute(_EMPTY_LEADS, tenant=tenant, leads=list(leads), now=uow.now)
    return rows.mappings().all()


async def keep_erasure(uow: UnitOfWork, tenant: str, erasure: Mapping[str, Any], counts: Mapping[str, int]) -> None:
    await uow.execute(
        """insert into erasure (tenant_id, erasure_id, person_id, lead_ids, erased_at, service, actor, role, reason, counts)
           values (:tenant, :erasure_id, :person_id, :lead_ids, :now, :service, :actor, :role, :reason,
                   cast(:counts as jsonb))""",
        tenant=tenant, now=uow.now, counts=json.dumps(counts), **erasure,
    )  # fmt: skip


async def erasure(uow: UnitOfWork, tenant: str, erasure_id: UUID) -> RowMapping | None:
    rows = await uow.execute(f"{_ERASURE} and erasure_id = :erasure", tenant=tenant, erasure=erasure_id)
    return rows.mappings().first()


async def last_erasure_of(uow: UnitOfWork, tenant: str, person_id: UUID) -> RowMapping | None:
    """The last erasure of a person, or of one whose leads were merged with theirs."""
    rows = await uow.execute(
        f"""{_ERASURE} and lead_ids && (
                select array_agg(lead_id) from lead where lead.tenant_id = :tenant and lead.person_id = :person)
            order by erasure_id desc limit 1""",
        tenant=tenant, person=person_id,
    )  # fmt: skip
    return rows.mappings().first()


async def lift(uow: UnitOfWork, tenant: str, erasure_id: UUID, by: str, reason: str) -> tuple[int, Sequence[UUID]]:
    """Forget the entries of an erasure; returns how many there were, and the leads that may come again."""
    lifted = await uow.execute(
        "delete from suppression where tenant_id = :tenant and erasure_id = :erasure", tenant=tenant, erasure=erasure_id
    )
    leads = await uow.execute(
        """update lead set suppressed = false from erasure
           where erasure.tenant_id = :tenant and erasure.erasure_id = :erasure and lead.tenant_id = :tenant
             and lead.lead_id = any(erasure.lead_ids) and lead.erased_at = erasure.erased_at and lead.suppressed
           returning lead.lead_id""",
        tenant=tenant, erasure=erasure_id,
    )  # fmt: skip
    await uow.execute(
        """update erasure set lifted_at = :now, lifted_by = :by, lift_reason = :reason
           where tenant_id = :tenant and erasure_id = :erasure and lifted_at is null""",
        tenant=tenant, erasure=erasure_id, now=uow.now, by=by, reason=reason,
    )  # fmt: skip
    return lifted.rowcount, leads.scalars().all()


async def confirm(uow: UnitOfWork, rows: Sequence[tuple[str, UUID, str, UUID, Mapping[str, int]]]) -> None:
    """Keep confirmations: (tenant, erasure, service, lead, counts); the first of each counts."""
    tenants, erasures, services, leads, dropped = (list(column) for column in zip(*rows, strict=True))
    await uow.execute(
        """insert into erasure_confirmation (tenant_id, erasure_id, service, lead_id, confirmed_at, dropped)
           select tenant, erasure_id, service, lead_id, :now, dropped
           from unnest(cast(:tenants as text[]), cast(:erasures as uuid[]), cast(:services as text[]),
                       cast(:leads as uuid[]), cast(:dropped as jsonb[]))
                as given (tenant, erasure_id, service, lead_id, dropped)
           on conflict do nothing""",
        tenants=tenants, erasures=erasures, services=services, leads=leads, now=uow.now,
        dropped=[json.dumps(counts) for counts in dropped],
    )  # fmt: skip


async def confirmations(uow: UnitOfWork, tenant: str, erasure_id: UUID) -> Sequence[RowMapping]:
    rows = await uow.execute(
        """select service, lead_id, confirmed_at, dropped from erasure_confirmation
           where tenant_id = :tenant and erasure_id = :erasure""",
        tenant=tenant, erasure=erasure_id,
    )  # fmt: skip
    return rows.mappings().all()
