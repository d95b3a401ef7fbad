"""Every query about who may not be contacted, and who is held."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from uuid_utils.compat import uuid7

from chassis.paging import Place
from chassis.unit_of_work import UnitOfWork, columns
from contracts.outreach.people import SuppressionReason
from contracts.taxonomy import CHANNEL_OF, Channel, SendKind
from outreach.leads.store import OF_MERGED

_NAME_OF = {Channel.EMAIL: "email", Channel.LINKEDIN: "linkedin", Channel.SMS: "phone", Channel.PHONE: "phone"}
"""How the names begin that somebody is reached by on a channel."""
_ENTRY = """suppression_id, lead_id, reason, channel, campaign_id, created_at, actor, expires_at, lifted_at, lifted_by,
       note, lift_note"""

_CONTACTS = f"""
    select lead_id, channels, erased, held.is_held, held.last_sent_at, ledger.is_suppressed, ledger.suppressed_until
    from (
        select lead_id, channels, erased, names || {OF_MERGED} as names from lead where tenant_id = :tenant and {{which}}
    ) as lead
    cross join lateral (
        select coalesce(bool_or(lasts), false) as is_held, max(last_sent_at) as last_sent_at
        from hold where tenant_id = :tenant and name = any (lead.names)
    ) as held
    cross join lateral (
        select count(*) > 0 as is_suppressed,
               case when bool_and(expires_at is not null) then max(expires_at) end as suppressed_until
        from suppressed_name as about
        cross join lateral (
            select * from suppression where tenant_id = :tenant and suppression_id = about.suppression_id offset 0
        ) as entry
        where about.tenant_id = :tenant and about.name = any (lead.names) and lifted_at is null
              and channel is null and campaign_id is null and (expires_at is null or expires_at > :now)
    ) as ledger
    order by lead_id
"""
"""Of leads how their persons stand: whether a sequence holds them, when anything was last sent to them, and whether they are suppressed
from everything, until when if that ends."""


Entry = tuple[Sequence[str], Mapping[str, Any]]
"""By which names its person is known, and what an entry of the ledger says: `suppression_id`, `lead_id`, `reason`, `channel`,
`campaign_id`, `actor`, `expires_at`, the `message_id` that led to it, and the sealed `note`."""


async def suppress(uow: UnitOfWork, tenant: str, entries: Sequence[Entry]) -> None:
    """Add entries, each about whoever is known by one of its names."""
    rows = [entry for _, entry in entries]
    given = columns(
        rows,
        "suppression_id",
        "lead_id",
        "reason",
        "channel",
        "campaign_id",
        "actor",
        "expires_at",
        "message_id",
        "note",
    )
    await uow.execute(
        """insert into suppression (tenant_id, suppression_id, lead_id, reason, channel, campaign_id, created_at, actor, expires_at,
                                    message_id, note)
           select :tenant, suppression_id, lead_id, reason, channel, campaign_id, :now, actor, expires_at, message_id, note
           from unnest(cast(:suppression_id as uuid[]), cast(:lead_id as uuid[]), cast(:reason as text[]),
                       cast(:channel as text[]), cast(:campaign_id as uuid[]), cast(:actor as text[]),
                       cast(:expires_at as timestamptz[]), cast(:message_id as uuid[]), cast(:note as bytea[]))
                as given (suppression_id, lead_id, reason, channel, campaign_id, actor, expires_at, message_id, note)""",
        tenant=tenant, now=uow.now, **given,
    )  # fmt: skip
    about = [(name, entry["suppression_id"]) for names, entry in entries for name in dict.fromkeys(names)]
    await uow.execute(
        """insert into suppressed_name (tenant_id, name, suppression_id)
           select :tenant, * from unnest(cast(:names as text[]), cast(:ids as uuid[]))""",
        tenant=tenant, names=[name for name, _ in about], ids=[id_ for _, id_ in about],
    )  # fmt: skip


async def in_the_ledger(uow: UnitOfWork, tenant: str, entries: Sequence[Entry]) -> set[int]:
    """Which of these, by their places from 0, the ledger has already: not lifted, by each of the names, and for the same reason,
    channel, campaign and end."""
    given = [(at, name, entry) for at, (names, entry) in enumerate(entries) for name in names]
    rows = await uow.execute(
        """select at from unnest(cast(:places as integer[]), cast(:names as text[]), cast(:reasons as text[]),
                                 cast(:channels as text[]), cast(:campaigns as uuid[]), cast(:ends as timestamptz[]))
               as given (at, name, reason, channel, campaign_id, expires_at)
           group by at having bool_and(exists (
               select from suppressed_name as about
               cross join lateral (
                   select * from suppression where tenant_id = :tenant and suppression_id = about.suppression_id offset 0
               ) as entry
               where about.tenant_id = :tenant and about.name = given.name and entry.lifted_at is null
                     and entry.reason = given.reason and entry.channel is not distinct from given.channel
                     and entry.campaign_id is not distinct from given.campaign_id
                     and entry.expires_at is not distinct from given.expires_at))""",
        tenant=tenant, places=[at for at, _, _ in given], names=[name for _, name, _ in given],
        reasons=[entry["reason"] for _, _, entry in given], channels=[entry["channel"] for _, _, entry in given],
        campaigns=[entry["campaign_id"] for _, _, entry in given], ends=[entry["expires_at"] for _, _, entry in given],
    )  # fmt: skip
    return set(rows.scalars())


async def follow_names(uow: UnitOfWork, leads: Sequence[tuple[str, UUID]]) -> None:
    """Entries that were made when there was no lead of their person are about whoever is known by a name of (tenant, lead)."""
    await uow.execute(
        """insert into suppressed_name (tenant_id, name, suppression_id)
           select distinct lead.tenant_id, other.name, about.suppression_id
           from unnest(cast(:tenants as text[]), cast(:leads as uuid[])) as given (tenant_id, lead_id)
           join lead using (tenant_id, lead_id)
           cross join lateral (
               select suppression_id from suppressed_name
               where tenant_id = lead.tenant_id and name = any (lead.names) offset 0
           ) as about
           cross join lateral (
               select lead_id from suppression
               where tenant_id = lead.tenant_id and suppression_id = about.suppression_id offset 0
           ) as entry
           cross join lateral unnest(lead.names) as other (name)
           where entry.lead_id is null and not lead.erased
           on conflict do nothing""",
        tenants=[tenant for tenant, _ in leads], leads=[lead for _, lead in leads],
    )  # fmt: skip


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


async def lift(uow: UnitOfWork, tenant: str, id_: UUID, actor: str | None, note: bytes | None) -> None:
    await uow.execute(
        """update suppression set lifted_at = :now, lifted_by = :actor, lift_note = :note
           where tenant_id = :tenant and suppression_id = :id and lifted_at is null""",
        tenant=tenant, id=id_, actor=actor, note=note, now=uow.now,
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


async def contact(uow: UnitOfWork, tenant: str, lead_id: UUID) -> RowMapping | None:
    """How the person of a lead stands, as `contacts` has it."""
    rows = await uow.execute(_CONTACTS.format(which="lead_id = :lead"), tenant=tenant, lead=lead_id, now=uow.now)
    return rows.mappings().first()


async def contacts(uow: UnitOfWork, tenant: str, after: UUID | None, limit: int) -> list[RowMapping]:
    """How the persons of leads that stand for themselves stand, in the order of the leads' ids, from behind one of them."""
    rows = await uow.execute(
        _CONTACTS.format(which="merged_into is null and lead_id > :after order by lead_id limit :limit"),
        tenant=tenant, after=after or UUID(int=0), limit=limit, now=uow.now,
    )  # fmt: skip
    return list(rows.mappings())


async def history(uow: UnitOfWork, tenant: str, lead_id: UUID, before: Place | None, limit: int) -> list[RowMapping]:
    """What was sent to a lead and to those that it stands for, newest first, from before a place."""
    rows = await uow.execute(
        """select history_id, lead_id, channel, campaign_id, message_id, sent_at from outreach_history
           where tenant_id = :tenant and lead_id in (
                   select lead_id from lead where tenant_id = :tenant and (lead_id = :lead or merged_into = :lead))
                 and (cast(:at as timestamptz) is null or (sent_at, history_id) < (cast(:at as timestamptz), cast(:id as uuid)))
           order by sent_at desc, history_id desc limit :limit""",
        tenant=tenant, lead=lead_id, limit=limit, at=before and before.at, id=before and before.id,
    )  # fmt: skip
    return list(rows.mappings())


async def forget_names(uow: UnitOfWork, tenant: str, names: Sequence[str]) -> None:
    """Nothing is kept by these names any more, nor in free text about them."""
    await uow.execute(
        "delete from hold where tenant_id = :tenant and name = any (cast(:names as text[]))",
        tenant=tenant,
        names=list(names),
    )
    await uow.execute(
        """update suppression set note = null, lift_note = null
           where tenant_id = :tenant and (note is not null or lift_note is not null) and suppression_id in (
               select suppression_id from suppressed_name where tenant_id = :tenant and name = any (cast(:names as text[])))""",
        tenant=tenant, names=list(names),
    )  # fmt: skip
    await uow.execute(
        "delete from suppressed_name where tenant_id = :tenant and name = any (cast(:names as text[]))",
        tenant=tenant, names=list(names),
    )  # fmt: skip
