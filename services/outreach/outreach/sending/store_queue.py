"""Every query that looks for what may leave, and takes it.

What belongs to a row is looked up by its key, row by row (`cross join lateral … offset 0`): of a tenant that has just got its first
hundred thousand messages the planner knows nothing, and would join by the tenant alone. Updates name their rows' ids for the same reason.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CursorResult, RowMapping
from uuid_utils.compat import uuid7

from chassis.unit_of_work import Row, UnitOfWork, columns
from outreach.accounts.store_circuit import NOT_CLOSED
from outreach.accounts.store_guard import CAMPAIGN_STOPPED, DOMAIN_STOPPED
from outreach.leads.store import OF_MERGED

LANE: Final = ("tenant_id", "account_id", "campaign_id", "kind")
"""What a lane is known by; a message has all of it too."""
# What came back says something of an address, and not of its person: it counts where the lead has that one now. A lead's own names come
# first, those that it had behind them.
_FACTS = """
    message.*, enrollment.holds, enrollment.replied_at, greatest(enrollment.paused_until, holding.away_until) as paused_until,
    lead.every_name as names, lead.channels, lead.attribution, lead.metadata as lead_metadata, lead.time_zone, lead.erased,
    lead.merged_into is not null as merged, holding.held, (
        select jsonb_agg(jsonb_build_object(
            'reason', reason, 'channel', channel, 'campaign_id', campaign_id, 'expires_at', expires_at))
        from suppressed_name as about
        cross join lateral (
            select * from suppression where tenant_id = about.tenant_id and suppression_id = about.suppression_id offset 0
        ) as entry
        where about.tenant_id = message.tenant_id and about.name = any (lead.every_name) and lifted_at is null
              and (reason <> 'bounce' or about.name = (
                  select name from unnest(lead.names) with ordinality as its_own (name, number)
                  where split_part(name, ':', 1) = split_part(about.name, ':', 1) order by number limit 1))
    ) as suppressed
"""
_SEQUENCE = """lateral (
        select * from enrollment where tenant_id = message.tenant_id and enrollment_id = message.enrollment_id offset 0
    ) as enrollment"""
_BESIDE = f"""
    cross join lateral (
        select lead.*, names || {OF_MERGED} as every_name from lead
        where tenant_id = message.tenant_id and lead_id = message.lead_id offset 0
    ) as lead
    cross join lateral (
        select max(away_until) as away_until, jsonb_agg(jsonb_build_object(
            'enrollment_id', hold.enrollment_id, 'campaign_id', other.campaign_id, 'lasts', lasts,
            'last_sent_at', last_sent_at)) filter (where hold.enrollment_id is distinct from message.enrollment_id) as held
        from hold
        left join lateral (
            select campaign_id from enrollment where tenant_id = hold.tenant_id and enrollment_id = hold.enrollment_id offset 0
        ) as other on hold.enrollment_id is distinct from message.enrollment_id
        where hold.tenant_id = message.tenant_id and hold.name = any (lead.every_name)
    ) as holding
"""
_AROUND = f"cross join {_SEQUENCE} {_BESIDE}"
_ACCOUNTS = f"""
    select account.account_id, account.settings::text as account_settings, account.state as account_state,
        account.blocked as account_blocked, account.next_at as account_next_at, account.changed_at as account_changed_at,
        account.throttled_until as account_throttled_until, account.endpoint as account_endpoint,
        {DOMAIN_STOPPED} as account_domain_stopped, {NOT_CLOSED} as account_circuit, account.address as account_address,
        account.sender_name, account.transport, account.smtp::text as account_smtp, account.http::text as account_http,
        account.sandbox::text as account_sandbox
    from unnest(cast(:tenants as text[]), cast(:ids as uuid[])) as given (tenant_id, account_id)
    cross join lateral (
        select * from account where tenant_id = given.tenant_id and account_id = given.account_id offset 0
    ) as account
"""
_CAMPAIGNS = f"""
    select campaign.campaign_id, campaign.settings::text as campaign_settings, campaign.state as campaign_state,
        campaign.steps::text as campaign_steps, coalesce(tenant.settings ->> 'region', 'US') as region,
        {CAMPAIGN_STOPPED} as campaign_stopped
    from unnest(cast(:tenants as text[]), cast(:ids as uuid[])) as given (tenant_id, campaign_id)
    cross join lateral (
        select * from campaign where tenant_id = given.tenant_id and campaign_id = given.campaign_id offset 0
    ) as campaign
    cross join lateral (select settings from tenant where tenant_id = given.tenant_id offset 0) as tenant
"""
_LANES = """
    select lane.*
    from lane
    join account on account.tenant_id = lane.tenant_id and account.account_id = lane.account_id
    where lane.tenant_id = any (cast(:tenants as text[])) and lane.ready_at <= :now
    order by lane.ready_at limit :limit
    for update of lane, account skip locked
"""
_CANDIDATES = f"""
    select {_FACTS}
    from unnest(cast(:tenants as text[]), cast(:accounts as uuid[]), cast(:campaigns as uuid[]), cast(:kinds as text[]),
                cast(:limits as integer[])) as lane (tenant_id, account_id, campaign_id, kind, most)
    cross join lateral (
        select * from send_queue
        where tenant_id = lane.tenant_id and account_id = lane.account_id and campaign_id = lane.campaign_id
              and kind = lane.kind and state = 'queued' and due_at <= :now
        order by due_at, message_id limit lane.most for update skip locked
    ) as message
    {_AROUND}
    order by message.due_at, message.message_id
"""
_OF_TOKENS = f"""
    select {_FACTS}
    from send_queue as message {_AROUND}
    where message.tenant_id = any (cast(:tenants as text[])) and message.message_id = any (cast(:messages as uuid[]))
          and message.state = 'claimed' and message.token = any (cast(:tokens as uuid[]))
"""
# What was skipped as its lead was withdrawn has no sequence any more once that begins anew.
_SOME = f"""
    select {_FACTS}
    from send_queue as message left join {_SEQUENCE} on true {_BESIDE}
    where message.tenant_id = :tenant and message.message_id = any (cast(:messages as uuid[]))
"""
_SPENT = """
    select day.account as account_id, campaign_id, kind, messages
    from unnest(cast(:tenants as text[]), cast(:accounts as uuid[]), cast(:begins as timestamptz[]))
         as day (tenant, account, begins)
    cross join lateral (
        select campaign_id, kind, count(*) as messages from send_queue
        where tenant_id = day.tenant and account_id = day.account and spent_at >= day.begins
        group by campaign_id, kind offset 0
    ) as left_since
"""
_TAKE = """
    insert into hold (tenant_id, name, enrollment_id, lasts)
    select given.tenant_id, name, enrollment_id, true
    from (
        select distinct on (tenant_id, name) tenant_id, name, enrollment_id
        from unnest(cast(:tenants as text[]), cast(:names as text[]), cast(:enrollments as uuid[]))
             with ordinality as given (tenant_id, name, enrollment_id, number)
        order by tenant_id, name, number
    ) as given
    order by tenant_id, name
    on conflict (tenant_id, name) do update
        set enrollment_id = excluded.enrollment_id, lasts = true
        where hold.enrollment_id = excluded.enrollment_id
              or not hold.lasts and (hold.last_sent_at is null or hold.last_sent_at <= cast(:rested as timestamptz))
    returning enrollment_id
"""


def _noted(change: str, finds: str, *, reason: str = "null") -> str:
    """A statement that changes messages, keeps for good in which state each is then, and why, and `finds` something of what it changed."""
    return f"""
        with changed as ({change}),
        noted as (
            insert into message_event (tenant_id, message_id, event_id, state, at, reason, account_id)
            select tenant_id, message_id, uuidv7(), state, cast(:now as timestamptz), {reason}, account_id from changed
        )
        {finds}"""


_CLAIM = """
    update send_queue
    set state = 'claimed', token = :token, lease_until = :until, spent_at = :now, waiting_for = null
    from unnest(cast(:tenants as text[]), cast(:messages as uuid[])) as given (tenant, message)
    where tenant_id = given.tenant and message_id = given.message and message_id = any (cast(:messages as uuid[]))
    returning send_queue.*
"""
_BEGIN = """
    update send_queue set state = 'sending', lease_until = :until, reference = given.reference
    from unnest(cast(:tenants as text[]), cast(:messages as uuid[]), cast(:tokens as uuid[]), cast(:references as text[]))
         as given (tenant, message, token, reference)
    where tenant_id = given.tenant and message_id = given.message and message_id = any (cast(:messages as uuid[]))
          and state = 'claimed' and send_queue.token = given.token
    returning send_queue.*
"""
_PUT_OFF = """
    update send_queue
    set state = 'queued', token = null, lease_until = null, spent_at = null, ended_at = null, due_at = given.due_at,
        waiting_for = given.waiting_for, tries = tries + :tries
    from unnest(cast(:tenants as text[]), cast(:messages as uuid[]), cast(:due as timestamptz[]),
                cast(:gates as text[]), cast(:tokens as uuid[])) as given (tenant, message, due_at, waiting_for, token)
    where tenant_id = given.tenant and message_id = given.message and message_id = any (cast(:messages as uuid[]))
          and send_queue.token is not distinct from given.token
          and state in ('queued', 'claimed', 'sending', 'unknown')
    returning send_queue.*
"""
_END = """
    update send_queue as message
    set state = given.state, reason = given.reason, fault = given.fault, lease_until = null, ended_at = :now,
        provider_reference = coalesce(given.provider_reference, message.provider_reference), waiting_for = null,
        spent_at = case when given.state <> 'skipped' then message.spent_at end
    from unnest(cast(:tenants as text[]), cast(:messages as uuid[]), cast(:tokens as uuid[]), cast(:states as text[]),
                cast(:reasons as text[]), cast(:faults as text[]), cast(:provider_references as text[]))
         as given (tenant_id, message_id, token, state, reason, fault, provider_reference)
    where message.tenant_id = given.tenant_id and message.message_id = given.message_id
          and message.message_id = any (cast(:messages as uuid[]))
          and message.token is not distinct from given.token
          and message.state <> given.state and (message.state in ('queued', 'claimed')
              or message.state in ('sending', 'unknown') and given.state <> 'skipped')
    returning message.*
"""
_TAKE_OUT = """
    update send_queue set state = 'unknown', token = :token, lease_until = null, spent_at = :now, waiting_for = null
    where tenant_id = :tenant and message_id = :message and state in ('queued', 'claimed') and account_id is not null
    returning *
"""
_CONTACTED = """
    , kept as (
        insert into outreach_history (tenant_id, history_id, lead_id, channel, campaign_id, message_id, sent_at)
        select tenant_id, uuidv7(), lead_id, case kind when 'email' then 'email' when 'sms' then 'sms' else 'linkedin' end,
               campaign_id, message_id, cast(:now as timestamptz)
        from changed where state = 'sent'
    )
    select * from changed
"""
_CLAIM_NOTED = _noted(_CLAIM, "select from changed")
_BEGIN_NOTED = _noted(_BEGIN, "select message_id from changed")
_PUT_BACK_NOTED = _noted(_PUT_OFF, "select from changed", reason="waiting_for")
_TAKE_OUT_NOTED = _noted(_TAKE_OUT, "select message_id from changed")
_END_NOTED = _noted(_END, _CONTACTED, reason="reason")


async def tenants_with_ready_lanes(uow: UnitOfWork, tenants: Sequence[str], limit: int) -> list[str]:
    """Those of these tenants that one of the lanes which have to be looked at next is of."""
    rows = await uow.execute(
        """select distinct tenant_id from (
               select tenant_id from lane where tenant_id = any (cast(:tenants as text[])) and ready_at <= :now
               order by ready_at limit :limit) as next""",
        tenants=list(tenants), now=uow.now, limit=limit,
    )  # fmt: skip
    return list(rows.scalars())


async def ready_lanes(uow: UnitOfWork, tenants: Sequence[str], limit: int) -> list[Row]:
    """Lanes that have to be looked at, with their accounts and campaigns; those of other workers are left to them."""
    rows = await uow.execute(_LANES, tenants=list(tenants), now=uow.now, limit=limit)
    return await _with_around(uow, rows)


async def candidates(uow: UnitOfWork, lanes: Sequence[tuple[Row, int]]) -> list[Row]:
    """What is due in these lanes, so many of each at most, the oldest first, with what the gates look at."""
    given = columns([lane for lane, _ in lanes], *LANE)
    rows = await uow.execute(
        _CANDIDATES, now=uow.now, tenants=given["tenant_id"], accounts=given["account_id"],
        campaigns=given["campaign_id"], kinds=given["kind"], limits=[most for _, most in lanes],
    )  # fmt: skip
    around = {lane_of(lane): lane for lane, _ in lanes}
    return [{**around[lane_of(row)], **row} for row in _dicts(rows)]


async def claimed(uow: UnitOfWork, messages: Mapping[UUID, tuple[str, UUID]]) -> dict[UUID, Row]:
    """Of messages with their tenants and tokens those that are still claimed under them, with what the gates look at."""
    rows = await uow.execute(
        _OF_TOKENS, tenants=list({tenant for tenant, _ in messages.values()}), messages=list(messages),
        tokens=list({token for _, token in messages.values()}),
    )  # fmt: skip
    found = await _with_around(uow, rows)
    return {row["message_id"]: row for row in found if messages[row["message_id"]][1] == row["token"]}


async def one(uow: UnitOfWork, tenant: str, message_id: UUID, *, lock: bool = False) -> Row | None:
    """A message with what the gates look at; nobody changes a locked one until this unit of work ends."""
    if lock:
        await uow.execute(
            "select from send_queue where tenant_id = :tenant and message_id = :message for update",
            tenant=tenant, message=message_id,
        )  # fmt: skip
    return (await some(uow, tenant, [message_id])).get(message_id)


async def some(uow: UnitOfWork, tenant: str, messages: Collection[UUID]) -> dict[UUID, Row]:
    """Those of these messages that the tenant has, with what the gates look at."""
    rows = await uow.execute(_SOME, tenant=tenant, messages=list(messages))
    return {row["message_id"]: row for row in await _with_around(uow, rows)}


async def campaigns(uow: UnitOfWork, rows: Sequence[Row]) -> dict[UUID, Row]:
    """The campaigns of messages, or of lanes."""
    tenants = {row["campaign_id"]: row["tenant_id"] for row in rows}
    if not tenants:
        return {}
    found = await uow.execute(_CAMPAIGNS, tenants=list(tenants.values()), ids=list(tenants))
    return {row["campaign_id"]: row for row in _dicts(found)}


async def _accounts(uow: UnitOfWork, rows: Sequence[Row]) -> dict[UUID, Row]:
    tenants = {row["account_id"]: row["tenant_id"] for row in rows if row["account_id"]}
    if not tenants:
        return {}
    found = await uow.execute(_ACCOUNTS, tenants=list(tenants.values()), ids=list(tenants))
    return {row["account_id"]: row for row in _dicts(found)}


async def _with_around(uow: UnitOfWork, found: CursorResult[Any]) -> list[Row]:
    """Messages, or lanes, each with its account and its campaign: these are read once, however many messages they have."""
    rows = _dicts(found)
    of_account, of_campaign = await _accounts(uow, rows), await campaigns(uow, rows)
    return [{**of_account.get(row["account_id"], {}), **of_campaign[row["campaign_id"]], **row} for row in rows]


async def spent(uow: UnitOfWork, tenants: Mapping[UUID, str], begins: Mapping[UUID, datetime]) -> Sequence[RowMapping]:
    """How many `messages` have left accounts, or may have, since their days began, by campaign and kind."""
    rows = await uow.execute(
        _SPENT, tenants=[tenants[id_] for id_ in begins], accounts=list(begins), begins=list(begins.values())
    )
    return rows.mappings().all()


async def take_holds(
    uow: UnitOfWork, enrollments: Sequence[tuple[str, UUID, Sequence[str]]], rest: timedelta
) -> set[UUID]:
    """Have (tenant, enrollment, the person's names) hold their persons by all names, or by none; returns those that do.

    A person is free whom no sequence holds and to whom nothing was sent for `rest`. Of two that want the same one at once, the
    first given has them.
    """
    going_on = await _going_on(uow, [(tenant, enrollment) for tenant, enrollment, _ in enrollments])
    enrollments = [each for each in enrollments if each[1] in going_on]
    given = [(tenant, name, enrollment) for tenant, enrollment, names in enrollments for name in names]
    rows = await uow.execute(
        _TAKE, tenants=[tenant for tenant, _, _ in given], names=[name for _, name, _ in given],
        enrollments=[enrollment for _, _, enrollment in given], rested=uow.now - rest,
    )  # fmt: skip
    got: dict[UUID, int] = {}
    for enrollment in rows.scalars():
        got[enrollment] = got.get(enrollment, 0) + 1
    whole = {enrollment for _, enrollment, names in enrollments if got.get(enrollment) == len(set(names))}
    tenants = [tenant for tenant, enrollment, _ in enrollments]
    if partly := [enrollment for enrollment in got if enrollment not in whole]:
        # What was sent to their persons lately, by another system as theirs, goes on counting.
        await uow.execute(
            """with resting as (
                   update hold set lasts = false where tenant_id = any (cast(:tenants as text[]))
                     and enrollment_id = any (cast(:enrollments as uuid[])) and (last_sent_at > :rested or away_until > :now)
               )
               delete from hold where tenant_id = any (cast(:tenants as text[]))
                 and enrollment_id = any (cast(:enrollments as uuid[]))
                 and not coalesce(last_sent_at > :rested or away_until > :now, false)""",
            tenants=list(set(tenants)), enrollments=partly, rested=uow.now - rest, now=uow.now,
        )  # fmt: skip
    if whole:
        await uow.execute(
            """update enrollment set holds = true where tenant_id = any (cast(:tenants as text[]))
                 and enrollment_id = any (cast(:enrollments as uuid[])) and not holds""",
            tenants=list(set(tenants)), enrollments=list(whole),
        )  # fmt: skip
    return whole


async def _going_on(uow: UnitOfWork, enrollments: Sequence[tuple[str, UUID]]) -> set[UUID]:
    """Those of these that have not ended, and do not until this unit of work does."""
    rows = await uow.execute(
        """select locked.enrollment_id
           from (
               select * from unnest(cast(:tenants as text[]), cast(:enrollments as uuid[])) as given (tenant_id, enrollment_id)
               order by enrollment_id
           ) as given
           cross join lateral (
               select enrollment_id, ended_at from enrollment
               where tenant_id = given.tenant_id and enrollment_id = given.enrollment_id offset 0 for update
           ) as locked
           where ended_at is null""",
        tenants=[tenant for tenant, _ in enrollments], enrollments=[enrollment for _, enrollment in enrollments],
    )  # fmt: skip
    return set(rows.scalars())


async def claim(uow: UnitOfWork, messages: Sequence[Row], token: UUID, lease: timedelta) -> None:
    """Messages are a worker's until its lease runs out, which is noted, and count as having left their accounts today."""
    await uow.execute(_CLAIM_NOTED, **_keys(messages), token=token, until=uow.now + lease, now=uow.now)


async def write_by(uow: UnitOfWork, messages: Sequence[tuple[Row, UUID, int | None]]) -> None:
    """Have messages be written by other variants (template, version) of their steps."""
    await uow.execute(
        """update send_queue set variant = given.variant, variant_version = given.version
           from unnest(cast(:tenants as text[]), cast(:messages as uuid[]), cast(:variants as uuid[]),
                       cast(:versions as integer[])) as given (tenant, message, variant, version)
           where tenant_id = given.tenant and message_id = given.message""",
        **_keys([message for message, _, _ in messages]), variants=[variant for _, variant, _ in messages],
        versions=[version for _, _, version in messages],
    )  # fmt: skip


async def put_off(uow: UnitOfWork, messages: Sequence[tuple[Row, datetime | None, str]]) -> None:
    """Have messages that are queued, or that are about to be over, wait until then, or for something that has no date, because of a
    gate or a reason."""
    await uow.execute(_PUT_OFF, **_waits(messages), tries=0)


async def put_back(uow: UnitOfWork, messages: Sequence[tuple[Row, datetime | None, str]], *, tried: bool) -> None:
    """Have messages that did not leave be queued again, which is noted, and wait as `put_off` has them."""
    await uow.execute(_PUT_BACK_NOTED, **_waits(messages), tries=int(tried), now=uow.now)


async def rename_followup(uow: UnitOfWork, tenant: str, message_id: UUID, followup_id: UUID) -> None:
    """Have a message that was put off be known by another name as a follow-up."""
    await uow.execute(
        "update send_queue set followup_id = :followup where tenant_id = :tenant and message_id = :message",
        tenant=tenant, message=message_id, followup=followup_id,
    )  # fmt: skip


async def rest_lanes(uow: UnitOfWork, lanes: Sequence[tuple[Row, datetime | None]]) -> None:
    """Have lanes be looked at when their next message is due, and not before then; where that has no date, when they are woken."""
    given = columns([lane for lane, _ in lanes], *LANE)
    await uow.execute(
        """update lane set ready_at = greatest(given.floor, coalesce((
               select due_at from send_queue as message
               where message.tenant_id = lane.tenant_id and message.account_id = lane.account_id
                     and message.campaign_id = lane.campaign_id and message.kind = lane.kind and message.state = 'queued'
               order by due_at, message_id limit 1
           ), 'infinity'))
           from unnest(cast(:tenants as text[]), cast(:accounts as uuid[]), cast(:campaigns as uuid[]),
                       cast(:kinds as text[]), cast(:floors as timestamptz[]))
                as given (tenant, account, campaign, kind, floor)
           where lane.tenant_id = given.tenant and lane.account_id = given.account
                 and lane.campaign_id = given.campaign and lane.kind = given.kind""",
        tenants=given["tenant_id"], accounts=given["account_id"], campaigns=given["campaign_id"], kinds=given["kind"],
        floors=[floor or _INFINITY for _, floor in lanes],
    )  # fmt: skip


async def wake_lanes(
    uow: UnitOfWork, tenant: str, *, campaign: UUID | None = None, account: UUID | None = None
) -> None:
    """Have the lanes of a campaign or an account be looked at now, those too that a claim is just about to have rest."""
    await uow.execute(
        """update lane set ready_at = :now where tenant_id = :tenant
             and (cast(:campaign as uuid) is null or campaign_id = :campaign)
             and (cast(:account as uuid) is null or account_id = :account)""",
        tenant=tenant, campaign=campaign, account=account, now=uow.now,
    )  # fmt: skip


async def wake_at(uow: UnitOfWork, providers: Sequence[tuple[str, str]]) -> None:
    """Have the lanes of all accounts at these (tenant, endpoint) be looked at now, as `wake_lanes` does."""
    await uow.execute(
        """update lane set ready_at = :now
           from account
           join unnest(cast(:tenants as text[]), cast(:endpoints as text[])) as given (tenant_id, endpoint)
               using (tenant_id, endpoint)
           where lane.tenant_id = account.tenant_id and lane.account_id = account.account_id""",
        tenants=[tenant for tenant, _ in providers], endpoints=[endpoint for _, endpoint in providers], now=uow.now,
    )  # fmt: skip


async def wake_for(uow: UnitOfWork, messages: Sequence[tuple[Row, datetime | None]]) -> None:
    """Have the lanes of messages that were put back be looked at when these are due, at the latest."""
    given = columns([message for message, _ in messages], *LANE)
    await uow.execute(
        """update lane set ready_at = least(ready_at, given.due_at)
           from (select tenant, account, campaign, kind, min(due_at) as due_at
                 from unnest(cast(:tenants as text[]), cast(:accounts as uuid[]), cast(:campaigns as uuid[]),
                             cast(:kinds as text[]), cast(:due as timestamptz[]))
                      as given (tenant, account, campaign, kind, due_at)
                 group by tenant, account, campaign, kind) as given
           where lane.tenant_id = given.tenant and lane.account_id = given.account
                 and lane.campaign_id = given.campaign and lane.kind = given.kind""",
        tenants=given["tenant_id"], accounts=given["account_id"], campaigns=given["campaign_id"], kinds=given["kind"],
        due=[due or _INFINITY for _, due in messages],
    )  # fmt: skip


async def mind_gap(uow: UnitOfWork, tenants: Mapping[UUID, str], next_at: Mapping[UUID, datetime]) -> None:
    """Have nothing leave these accounts before then."""
    await uow.execute(
        """update account set next_at = greatest(account.next_at, given.next_at)
           from unnest(cast(:tenants as text[]), cast(:accounts as uuid[]), cast(:next as timestamptz[]))
                as given (tenant, account, next_at)
           where tenant_id = given.tenant and account_id = given.account""",
        tenants=[tenants[id_] for id_ in next_at], accounts=list(next_at), next=list(next_at.values()),
    )  # fmt: skip


async def begin(uow: UnitOfWork, messages: Sequence[Row], references: Sequence[str], lease: timedelta) -> set[UUID]:
    """Messages that are still claimed under their tokens are handed over from this commit on, which is noted; returns which."""
    begun = await uow.execute(
        _BEGIN_NOTED, **_keys(messages), tokens=[message["token"] for message in messages], references=list(references),
        until=uow.now + lease, now=uow.now,
    )  # fmt: skip
    return set(begun.scalars())


async def take_out(uow: UnitOfWork, tenant: str, message_id: UUID) -> UUID | None:
    """Have a message be handed over by nobody, whoever claimed it, and be as it was before somebody had it be sent again, which is noted;
    returns the token under which what became of it can be recorded, none if it has no account."""
    token = uuid7()
    taken = await uow.execute(_TAKE_OUT_NOTED, tenant=tenant, message=message_id, token=token, now=uow.now)
    return token if taken.rowcount else None


async def expired(uow: UnitOfWork, tenants: Collection[str], limit: int) -> list[RowMapping]:
    """Messages whose worker was not heard of again."""
    rows = await uow.execute(
        """select * from send_queue
           where tenant_id = any (cast(:tenants as text[])) and state in ('claimed', 'sending') and lease_until < :now
           order by lease_until limit :limit for update skip locked""",
        tenants=list(tenants), now=uow.now, limit=limit,
    )  # fmt: skip
    return list(rows.mappings())


async def sending(uow: UnitOfWork, messages: Mapping[UUID, tuple[str, UUID]]) -> list[RowMapping]:
    """Of messages with their tenants and tokens those that are still being handed over, or unknown, under them."""
    rows = await uow.execute(
        """select message.* from unnest(cast(:tenants as text[]), cast(:messages as uuid[]), cast(:tokens as uuid[]))
                as given (tenant_id, message_id, token)
           join send_queue as message using (tenant_id, message_id, token)
           where state in ('sending', 'unknown') and message_id = any (cast(:messages as uuid[])) for update of message""",
        tenants=[tenant for tenant, _ in messages.values()], messages=list(messages),
        tokens=[token for _, token in messages.values()],
    )  # fmt: skip
    return list(rows.mappings())


async def end(uow: UnitOfWork, ends: Sequence[Row]) -> list[RowMapping]:
    """Messages are over, which is noted, and who was contacted when is kept for good: `tenant_id`, `message_id`, the `token` under which
    they are, `state`, `reason`, `fault`, `provider_reference`; returns those that were, which they are not under another token or once
    they are over.

    An unknown message still carries the token of its last sending: a result that comes late settles it.
    """
    given = columns(ends, "tenant_id", "message_id", "token", "state", "reason", "fault", "provider_reference")
    rows = await uow.execute(
        _END_NOTED, now=uow.now, tenants=given["tenant_id"], messages=given["message_id"], tokens=given["token"],
        states=given["state"], reasons=given["reason"], faults=given["fault"],
        provider_references=given["provider_reference"],
    )  # fmt: skip
    return list(rows.mappings())


async def note(uow: UnitOfWork, messages: Sequence[Row], state: str, reasons: Sequence[str | None]) -> None:
    """Keep for good that messages are in a state now, and why, where no statement here has brought them there."""
    given = columns(messages, "tenant_id", "message_id", "account_id")
    await uow.execute(
        """insert into message_event (tenant_id, message_id, event_id, state, at, reason, account_id)
           select tenant_id, message_id, uuidv7(), :state, :now, reason, account_id
           from unnest(cast(:tenants as text[]), cast(:messages as uuid[]), cast(:reasons as text[]), cast(:accounts as uuid[]))
                as given (tenant_id, message_id, reason, account_id)""",
        state=state, now=uow.now, tenants=given["tenant_id"], messages=given["message_id"], reasons=list(reasons),
        accounts=given["account_id"],
    )  # fmt: skip


def lane_of(row: Row) -> tuple[Any, ...]:
    """In which lane a message is, or which a lane is."""
    return row["tenant_id"], row["account_id"], row["campaign_id"], row["kind"]


_INFINITY = datetime.max  # noqa: DTZ901 - what the driver takes for infinity


def _keys(messages: Sequence[Row]) -> dict[str, list[Any]]:
    given = columns(messages, "tenant_id", "message_id")
    return {"tenants": given["tenant_id"], "messages": given["message_id"]}


def _waits(messages: Sequence[tuple[Row, datetime | None, str]]) -> dict[str, list[Any]]:
    return {
        **_keys([message for message, _, _ in messages]), "due": [due or _INFINITY for _, due, _ in messages],
        "gates": [gate for _, _, gate in messages], "tokens": [message["token"] for message, _, _ in messages],
    }  # fmt: skip


def _dicts(found: CursorResult[Any]) -> list[dict[str, Any]]:
    names = tuple(found.keys())
    return [dict(zip(names, row, strict=True)) for row in found]
