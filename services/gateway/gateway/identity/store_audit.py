"""Every query about the audit, and about who was refused."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from uuid_utils.compat import uuid7

from chassis.unit_of_work import UnitOfWork


async def add_change(
    uow: UnitOfWork,
    tenant: str,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, Any],
    correlation_id: UUID,
) -> None:
    await uow.execute(
        """insert into identity_change (tenant_id, change_id, occurred_at, actor, action, subject, detail, correlation_id)
           values (:tenant, :change, :now, :actor, :action, :subject, cast(:detail as jsonb), :correlation)""",
        tenant=tenant, change=uuid7(), now=uow.now, actor=actor, action=action, subject=subject,
        detail=json.dumps(detail), correlation=correlation_id,
    )  # fmt: skip


async def changes(
    uow: UnitOfWork, tenant: str, filters: Mapping[str, Any], before: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """A page of the audit, newest first, from before a row; `filters` by column, and ``since`` and ``until``."""
    conditions = {
        "actor": "actor = :actor", "subject": "subject = :subject",
        "since": "occurred_at >= :since", "until": "occurred_at < :until",
    }  # fmt: skip
    given = {name: value for name, value in filters.items() if value is not None}
    where = "".join(f" and {conditions[name]}" for name in given)
    rows = await uow.execute(
        f"""select change_id, occurred_at, actor, action, subject, detail, correlation_id from identity_change
            where tenant_id = :tenant {where} and (cast(:before as uuid) is null or change_id < :before)
            order by change_id desc limit :limit""",
        tenant=tenant, before=before, limit=limit, **given,
    )  # fmt: skip
    return rows.mappings().all()


async def tell_refusals(uow: UnitOfWork, tenant: str, who: str, pause: timedelta) -> bool:
    """Whether it is to be told that somebody is refused again and again: not if it was within the pause."""
    told = await uow.execute(
        """insert into refusal_told (tenant_id, who, told_at) values (:tenant, :who, :now)
           on conflict (tenant_id, who) do update set told_at = excluded.told_at
               where refusal_told.told_at <= cast(:now as timestamptz) - cast(:pause as interval)""",
        tenant=tenant, who=who, now=uow.now, pause=pause,
    )  # fmt: skip
    return told.rowcount == 1
