"""Every query about who may not be contacted, and who is held."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from uuid_utils.compat import uuid7

from chassis.unit_of_work import UnitOfWork
from contracts.outreach.people import SuppressionReason
from contracts.taxonomy import CHANNEL_OF, Channel, SendKind

_NAME_OF = {Channel.EMAIL: "email", Channel.LINKEDIN: "linkedin", Channel.SMS: "phone", Channel.PHONE: "phone"}
"""How the names begin that somebody is reached by on a channel."""
_ENTRY = (
    """suppression_id, lead_id, reason, channel, campaign_id, created_at, actor, expires_at, lifted_at, lifted_by"""
)


async def suppress(uow: UnitOfWork, tenant: str, names: Sequence[str], entry: Mapping[str, Any]) -> UUID:
    """Add an entry about whoever is known by one of these names; returns its id."""
    id_ = uuid7()
    await uow.execute(
        """insert into suppression (tenant_id, suppression_id, lead_id, names, reason, channel, campaign_id, created_at, actor,
                                    expires_at)
           values (:tenant, :id, :lead_id, cast(:names as text[]), :reason, :channel, :campaign_id, :now, :actor, :expires_at)""",
        tenant=tenant, id=id_, names=list(names), now=uow.now, **entry,
    )  # fmt: skip
    return id_


async def suppress_recipient(uow: UnitOfWork, tenant: str, lead_id: UUID, kind: str, reason: SuppressionReason) -> None:
    """Have the address that a lead is reached at by a kind of message not be used any more; other addresses may."""
    channel = CHANNEL_OF[SendKind(kind)]
    await uow.execute(
        """insert into suppression (tenant_id, suppression_id, lead_id, names, reason, channel, created_at)
           select tenant_id, uuidv7(), lead_id, addresses, :reason, :channel, :now
           from lead cross join lateral (
               select array_agg(name) as addresses from unnest(names) as name where name like :prefix
           ) as reached
           where tenant_id = :tenant and lead_id = :lead_id and addresses is not null""",
        tenant=tenant, lead_id=lead_id, reason=reason.value, channel=channel.value, prefix=f"{_NAME_OF[channel]}:%",
        now=uow.now,
    )  # fmt: skip


async def entry(uow: UnitOfWork, tenant: str, id_: UUID) -> RowMapping | None:
    rows = await uow.execute(
        f"select {_ENTRY} from suppression where tenant_id = :tenant and suppression_id = :id for update",
        tenant=tenant, id=id_,
    )  # fmt: skip
    return rows.mappings().first()


async def lift(uow: UnitOfWork, tenant: str, id_: UUID, actor: str | None) -> None:
    await uow.execute(
        """update suppression set lifted_at = :now, lifted_by = :actor
           where tenant_id = :tenant and suppression_id = :id and lifted_at is null""",
        tenant=tenant, id=id_, actor=actor, now=uow.now,
    )  # fmt: skip


async def ledger(
    uow: UnitOfWork, tenant: str, names: Sequence[str] | None, before: UUID | None, limit: int
) -> list[RowMapping]:
    """Entries, newest first, from before one; about whoever is known by one of these names, if any are given."""
    rows = await uow.execute(
        f"""select {_ENTRY} from suppression
            where tenant_id = :tenant and (cast(:before as uuid) is null or suppression_id < :before)
                  and (cast(:names as text[]) is null or names && cast(:names as text[]))
            order by suppression_id desc limit :limit""",
        tenant=tenant, names=None if names is None else list(names), before=before, limit=limit,
    )  # fmt: skip
    return list(rows.mappings())


async def in_force(uow: UnitOfWork, tenant: str, names: Sequence[str], at: datetime) -> list[RowMapping]:
    """Entries about whoever is known by one of these names that hold for every channel and campaign."""
    rows = await uow.execute(
        f"""select {_ENTRY} from suppression
            where tenant_id = :tenant and names && cast(:names as text[]) and lifted_at is null and channel is null
                  and campaign_id is null and (expires_at is null or expires_at > :at)""",
        tenant=tenant, names=list(names), at=at,
    )  # fmt: skip
    return list(rows.mappings())


async def holds(uow: UnitOfWork, tenant: str, names: Sequence[str]) -> list[RowMapping]:
    """Who holds whoever is known by one of these names: `enrollment_id`, whether it `lasts`, `last_sent_at`."""
    rows = await uow.execute(
        """select enrollment_id, lasts, last_sent_at from hold
           where tenant_id = :tenant and name = any (cast(:names as text[]))""",
        tenant=tenant, names=list(names),
    )  # fmt: skip
    return list(rows.mappings())


async def forget_names(uow: UnitOfWork, tenant: str, names: Sequence[str]) -> None:
    """Nothing is kept by these names any more."""
    await uow.execute(
        "delete from hold where tenant_id = :tenant and name = any (cast(:names as text[]))",
        tenant=tenant,
        names=list(names),
    )
    await uow.execute(
        """update suppression set names = array(select name from unnest(names) as name where name <> all (cast(:names as text[])))
           where tenant_id = :tenant and names && cast(:names as text[])""",
        tenant=tenant, names=list(names),
    )  # fmt: skip
