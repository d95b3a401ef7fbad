"""Every query that puts messages into the send queue."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from chassis.unit_of_work import Row, UnitOfWork, columns
from contracts.taxonomy import CHANNEL_OF, Channel, SendKind

_INSERT = """
    insert into send_queue (tenant_id, message_id, enrollment_id, campaign_id, lead_id, step, kind, account_id, state,
                            queued_at, due_at, variant, variant_version, has_text)
    select tenant_id, message_id, enrollment_id, campaign_id, lead_id, step, kind, account_id, 'queued', :now, due_at, variant,
           variant_version, has_text
    from unnest(cast(:tenant_id as text[]), cast(:message_id as uuid[]), cast(:enrollment_id as uuid[]),
                cast(:campaign_id as uuid[]), cast(:lead_id as uuid[]), cast(:step as integer[]), cast(:kind as text[]),
                cast(:account_id as uuid[]), cast(:due_at as timestamptz[]), cast(:variant as uuid[]),
                cast(:variant_version as integer[]), cast(:has_text as boolean[]))
         as given (tenant_id, message_id, enrollment_id, campaign_id, lead_id, step, kind, account_id, due_at, variant,
                   variant_version, has_text)
"""
_COLUMNS = (
    "tenant_id", "message_id", "enrollment_id", "campaign_id", "lead_id", "step", "kind", "account_id", "due_at", "variant",
    "variant_version", "has_text",
)  # fmt: skip
_LANES = """
    insert into lane (tenant_id, account_id, campaign_id, kind, ready_at)
    select tenant_id, account_id, campaign_id, kind, min(due_at)
    from unnest(cast(:tenant_id as text[]), cast(:account_id as uuid[]), cast(:campaign_id as uuid[]),
                cast(:kind as text[]), cast(:due_at as timestamptz[]))
         as given (tenant_id, account_id, campaign_id, kind, due_at)
    where account_id is not null
    group by tenant_id, account_id, campaign_id, kind
    order by tenant_id, account_id, campaign_id, kind
    on conflict (tenant_id, account_id, campaign_id, kind) do update set ready_at = least(lane.ready_at, excluded.ready_at)
"""


class Senders(NamedTuple):
    """The accounts of a rotation set that messages of a channel can leave from, in the order they were added.

    Attributes:
        able: one of which is chosen: of those whose health is too low, or whose domain is stopped, only where there is no other, and of
            those that somebody paused only where all of the others are such.
        usual: which a person's messages go on leaving from: those that are paused, too, as they go on.
    """

    able: Sequence[UUID] = ()
    usual: Sequence[UUID] = ()


async def senders(uow: UnitOfWork, tenants: Collection[str]) -> dict[tuple[str, Channel, str], Senders]:
    """The accounts that messages can leave from, by (tenant, channel, rotation set)."""
    rows = await uow.execute(
        """select tenant_id, channel, rotation_set,
                  coalesce(array_agg(account_id order by account_id) filter (where is_well and state = 'active'),
                           array_agg(account_id order by account_id) filter (where is_well),
                           array_agg(account_id order by account_id)) as able,
                  coalesce(array_agg(account_id order by account_id) filter (where is_well),
                           array_agg(account_id order by account_id)) as usual
           from (
               select *, settings ->> 'rotation_set' as rotation_set,
                      not blocked and (tenant_id, coalesce(domain, '')) not in (
                          select tenant_id, subject from guard
                          where level = 'sender_domain' and stopped_for is not null) as is_well
               from account where tenant_id = any (cast(:tenants as text[])) and state <> 'removed'
           ) as account
           group by tenant_id, channel, rotation_set""",
        tenants=list(tenants),
    )  # fmt: skip
    return {(row.tenant_id, Channel(row.channel), row.rotation_set): Senders(row.able, row.usual) for row in rows}


async def last_senders(uow: UnitOfWork, leads: Sequence[tuple[str, UUID]]) -> dict[tuple[str, UUID, Channel], UUID]:
    """By (tenant, lead, channel) the account that the last message to it left from, or is to."""
    if not leads:
        return {}
    rows = await uow.execute(
        """select distinct on (message.tenant_id, message.lead_id, kind) message.tenant_id, message.lead_id, kind, account_id
           from unnest(cast(:tenants as text[]), cast(:leads as uuid[])) as given (tenant_id, lead_id)
           join send_queue as message using (tenant_id, lead_id)
           where account_id is not null
           order by message.tenant_id, message.lead_id, kind, queued_at desc""",
        tenants=[tenant for tenant, _ in leads], leads=[lead for _, lead in leads],
    )  # fmt: skip
    return {(row.tenant_id, row.lead_id, CHANNEL_OF[SendKind(row.kind)]): row.account_id for row in rows}


async def insert(uow: UnitOfWork, rows: Sequence[Row]) -> None:
    await uow.execute(_INSERT, now=uow.now, **columns(rows, *_COLUMNS))


async def make_lanes(uow: UnitOfWork, rows: Sequence[Row]) -> None:
    """Have these messages be looked at when they are due."""
    await uow.execute(_LANES, **columns(rows, "tenant_id", "account_id", "campaign_id", "kind", "due_at"))


async def without_account(uow: UnitOfWork, tenant: str, limit: int) -> list[tuple[UUID, SendKind, str, str]]:
    """Messages that have no account, and that there is one for: their ids, kinds, rotation sets, and one of their persons' names."""
    rows = await uow.execute(
        """select message_id, kind, coalesce(campaign.settings ->> 'rotation_set', 'default') as rotation_set,
                  coalesce(lead.names[1], '') as person
           from send_queue as message
           join campaign on campaign.tenant_id = :tenant and campaign.campaign_id = message.campaign_id
           join lead on lead.tenant_id = :tenant and lead.lead_id = message.lead_id
           where message.tenant_id = :tenant and message.account_id is null and message.state = 'queued' and exists (
               select from account where account.tenant_id = :tenant and account.state <> 'removed'
                 and account.settings ->> 'rotation_set' = coalesce(campaign.settings ->> 'rotation_set', 'default')
                 and account.channel = case message.kind when 'email' then 'email' when 'sms' then 'sms' else 'linkedin' end)
           limit :limit for update of message skip locked""",
        tenant=tenant, limit=limit,
    )  # fmt: skip
    return [(row.message_id, SendKind(row.kind), row.rotation_set, row.person) for row in rows]


async def give_account(uow: UnitOfWork, tenant: str, accounts: Mapping[UUID, UUID]) -> None:
    """Have messages leave from these accounts."""
    rows = await uow.execute(
        """update send_queue set account_id = given.account
           from unnest(cast(:messages as uuid[]), cast(:accounts as uuid[])) as given (message, account)
           where tenant_id = :tenant and message_id = given.message
           returning tenant_id, account_id, campaign_id, kind, due_at""",
        tenant=tenant, messages=list(accounts), accounts=list(accounts.values()),
    )  # fmt: skip
    await make_lanes(uow, list(rows.mappings()))


async def take_accounts(uow: UnitOfWork, tenant: str, limit: int) -> int:
    """Have what waits for accounts that were removed, or that do not send for its campaign any more, leave by others; so many at
    most, and returns how many."""
    taken = await uow.execute(
        """with theirs as (
               select message_id from send_queue as message
               join account on account.tenant_id = :tenant and account.account_id = message.account_id
               join campaign on campaign.tenant_id = :tenant and campaign.campaign_id = message.campaign_id
               where message.tenant_id = :tenant and message.state = 'queued'
                 and (account.state = 'removed'
                      or account.settings ->> 'rotation_set' <> coalesce(campaign.settings ->> 'rotation_set', 'default'))
               limit :limit for update of message skip locked
           )
           update send_queue set account_id = null from theirs
           where tenant_id = :tenant and send_queue.message_id = theirs.message_id""",
        tenant=tenant, limit=limit,
    )  # fmt: skip
    return taken.rowcount
