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
        """insert into suppression (tenant_id, suppression_id, lead_id, reason, channel, campaign_id, created_at, actor, expires_at,
                                    message_id)
           values (:tenant, :id, :lead_id, :reason, :channel, :campaign_id, :now, :actor, :expires_at, :message_id)""",
        tenant=tenant, id=id_, now=uow.now, **entry,
    )  # fmt: skip
    await uow.execute(
        """insert into suppressed_name (tenant_id, name, suppression_id)
           select distinct :tenant, name, cast(:id as uuid) from unnest(cast(:names as text[])) as name""",
        tenant=tenant, id=id_, names=list(names),
    )  # fmt: skip
    return id_


async def suppress_recipients(
    uow: UnitOfWork, recipients: Sequence[tuple[str, UUID, SendKind]], reason: SuppressionReason
) -> None:
    """Have the addresses that (tenant, lead) are reached at by a kind of message not be used any more; other addresses may."""
    if not recipients:
        return
    channels = [CHANNEL_OF[kind] for _, _, kind in recipients]
    await uow.execute(
        """with meant as (
               select tenant_id, id, lead_id, channel, name
               from unnest(cast(:tenants as text[]), cast(:ids as uuid[]), cast(:leads as uuid[]), cast(:channels as text[]),
                           cast(:prefixes as text[])) as given (tenant_id, id, lead_id, channel, prefix)
               join lead using (tenant_id, lead_id)
               cross join lateral unnest(names) as name
               where starts_with(name, prefix)
           ), entry as (
               insert into suppression (tenant_id, suppression_id, lead_id, reason, channel, created_at)
               select distinct tenant_id, id, lead_id, :reason, channel, cast(:now as timestamptz) from meant
           )
           insert into suppressed_name (tenant_id, name, suppression_id)
           select distinct tenant_id, name, id from meant""",
        tenants=[tenant for tenant, _, _ in recipients], ids=[uuid7() for _ in recipients],
        leads=[lead for _, lead, _ in recipients], channels=[channel.value for channel in channels],
        prefixes=[f"{_NAME_OF[channel]}:" for channel in channels], reason=reason.value, now=uow.now,
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
                  and (cast(:names as text[]) is null or suppression_id in (
                      select suppression_id from suppressed_name
                      where tenant_id = :tenant and name = any (cast(:names as text[]))))
            order by suppression_id desc limit :limit""",
        tenant=tenant, names=None if names is None else list(names), before=before, limit=limit,
    )  # fmt: skip
    return list(rows.mappings())


async def in_force(uow: UnitOfWork, tenant: str, names: Sequence[str], at: datetime) -> list[RowMapping]:
    """Entries about whoever is known by one of these names that hold for every channel and campaign."""
    rows = await uow.execute(
        f"""select {_ENTRY} from suppression
            where tenant_id = :tenant and lifted_at is null and channel is null and campaign_id is null
                  and (expires_at is null or expires_at > :at) and suppression_id in (
                      select suppression_id from suppressed_name
                      where tenant_id = :tenant and name = any (cast(:names as text[])))""",
        tenant=tenant, names=list(names), at=at,
    )  # fmt: skip
    return list(rows.mappings())


async def has_unsubscribed(uow: UnitOfWork, tenant: str, names: Sequence[str]) -> bool:
    """Whether whoever is known by these names has unsubscribed from everything without an end, by each of the names."""
    rows = await uow.execute(
        """select not exists (
               select from unnest(cast(:names as text[])) as known (name)
               where not exists (
                   select from suppressed_name as about join suppression using (tenant_id, suppression_id)
                   where about.tenant_id = :tenant and about.name = known.name and reason = 'unsubscribed'
                         and lifted_at is null and channel is null and campaign_id is null and expires_at is null))""",
        tenant=tenant, names=list(names),
    )  # fmt: skip
    return bool(rows.scalar_one())


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
        "delete from suppressed_name where tenant_id = :tenant and name = any (cast(:names as text[]))",
        tenant=tenant, names=list(names),
    )  # fmt: skip
