"""Every query about what is revealed, to whom, and how much of it within an hour."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork

_REVEAL = "reveal_id, revealed_at, service, actor, role, purpose, fields, lead_id, person_id, correlation_id"
# One statement, or an erasure between two of them would leave a seal without its key; and each lookup by the whole key
# (docs/adr/0009-lookups-by-the-whole-key.md).
_SEALED = """
    select lead.lead_id, lead.person_id, lead.erased_at, lead.combined, vault.key_id, vault.sealed, person_key.wrapped
    from unnest(cast(:leads as uuid[])) with ordinality as wanted (lead_id, n)
    cross join lateral (
        select lead_id, person_id, erased_at, combined from lead
        where tenant_id = :tenant and lead.lead_id = wanted.lead_id limit 1
    ) as lead
    left join lateral (
        select key_id, sealed from vault where tenant_id = :tenant and vault.lead_id = wanted.lead_id limit 1
    ) as vault on true
    left join lateral (
        select wrapped from person_key where tenant_id = :tenant and person_key.key_id = vault.key_id limit 1
    ) as person_key on true
    order by wanted.n
"""
# Also what was shown of a lead before its person was found to be this one.
_OF_PERSON = """
    (person_id = :person_id or lead_id = any(array(
        select lead_id from lead where lead.tenant_id = :tenant and lead.person_id = :person_id)))
"""
_AUDIT = """
    insert into reveal_audit (tenant_id, reveal_id, revealed_at, caller, service, actor, role, purpose, fields, lead_id,
                              person_id, correlation_id)
    select :tenant, uuidv7(), :now, :caller, :service, :actor, :role, :purpose,
           string_to_array(given.fields, ','), given.lead_id, given.person_id, :correlation_id
    from unnest(cast(:fields as text[]), cast(:leads as uuid[]), cast(:persons as uuid[]))
         with ordinality as given (fields, lead_id, person_id, n)
    order by n
"""


async def sealed(uow: UnitOfWork, tenant: str, leads: Sequence[UUID]) -> dict[UUID, RowMapping]:
    """What the vault holds of these leads, with the keys' wrapping; leads that are not the tenant's are left out."""
    rows = await uow.execute(_SEALED, tenant=tenant, leads=list(leads))
    return {row["lead_id"]: row for row in rows.mappings()}


async def count_since(uow: UnitOfWork, tenant: str, caller: str, since: datetime) -> int:
    """How often the caller was shown anybody since the minute began in which that was: of no fewer times than persons."""
    rows = await uow.execute(
        """select coalesce(sum(shown), 0) from reveal_count
           where tenant_id = :tenant and caller = :caller and minute >= date_trunc('minute', cast(:since as timestamptz))""",
        tenant=tenant, caller=caller, since=since,
    )  # fmt: skip
    return int(rows.scalar_one())


async def shown_since(uow: UnitOfWork, tenant: str, caller: str, since: datetime) -> dict[UUID, datetime]:
    """The persons the caller was shown since then, and when each was last."""
    rows = await uow.execute(
        """select person_id, max(revealed_at) as at from reveal_audit
           where tenant_id = :tenant and caller = :caller and revealed_at > :since group by person_id""",
        tenant=tenant, caller=caller, since=since,
    )  # fmt: skip
    return {row.person_id: row.at for row in rows}


async def audit(
    uow: UnitOfWork, tenant: str, who: Mapping[str, Any], rows: Sequence[tuple[UUID, UUID, Sequence[str]]]
) -> None:
    """Record what is revealed: (lead, person, fields).

    Raises:
        RuntimeError: not every row was kept.
    """
    kept = await uow.execute(
        _AUDIT, tenant=tenant, now=uow.now, **who,
        leads=[lead for lead, _, _ in rows], persons=[person for _, person, _ in rows],
        fields=[",".join(fields) for _, _, fields in rows],
    )  # fmt: skip
    if kept.rowcount != len(rows):
        raise RuntimeError("the audit did not keep every row")


async def tell_limit(uow: UnitOfWork, tenant: str, caller: str, pause: timedelta) -> bool:
    """Whether it is to be told that the caller reached the limit: not if it was within the pause."""
    told = await uow.execute(
        """insert into reveal_limit_told (tenant_id, caller, told_at) values (:tenant, :caller, :now)
           on conflict (tenant_id, caller) do update set told_at = excluded.told_at
               where reveal_limit_told.told_at <= cast(:now as timestamptz) - cast(:pause as interval)""",
        tenant=tenant, caller=caller, now=uow.now, pause=pause,
    )  # fmt: skip
    return told.rowcount == 1


async def reveals(
    uow: UnitOfWork, tenant: str, filters: Mapping[str, Any], before: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """A page of the audit, newest first, from before a row; `filters` by column, and ``since`` and ``until``."""
    conditions = {
        "since": "revealed_at >= :since", "until": "revealed_at < :until", "actor": "caller = :actor", "person_id": _OF_PERSON,
    }  # fmt: skip
    given = {name: value for name, value in filters.items() if value is not None}
    where = "".join(f" and {conditions.get(name, f'{name} = :{name}')}" for name in given)
    rows = await uow.execute(
        f"""select {_REVEAL} from reveal_audit
            where tenant_id = :tenant and (cast(:before as uuid) is null or reveal_id < :before){where}
            order by reveal_id desc limit :limit""",
        tenant=tenant, before=before, limit=limit, **given,
    )  # fmt: skip
    return rows.mappings().all()
