"""Accounts are added, changed, paused and resumed."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping
from uuid_utils.compat import uuid7

from chassis import paging
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.message import ProblemCode, ProblemError
from contracts.outreach import accounts as messages
from contracts.outreach.accounts import AccountSettings, AccountState, AccountView
from contracts.taxonomy import CHANNEL_OF, Channel, SendKind
from outreach import locks
from outreach.accounts import guarding, judging, store, store_health
from outreach.accounts.domain_guard import TOLERANCE
from outreach.accounts.domain_limits import Limits, allowance, explain, next_day
from outreach.campaigns import store as campaigns
from outreach.sending import store_entries, store_queue
from outreach.sending.domain_gates import FOREVER
from outreach.sending.facts import Accounts, account_settings
from outreach.sending.queueing import sender_of

_AT_ONCE = 1000
"""Messages that are moved from or to accounts in one transaction, at most: nobody queues a message of the tenant meanwhile."""


async def set_account(uow: UnitOfWork, request: Received[messages.SetAccount]) -> AccountView:
    tenant, ask = request.tenant, request.body
    if ask.added_as and ask.account_id is None and await store.one(uow, tenant, ask.added_as):
        return await _view(uow, tenant, ask.added_as)
    given = {
        "title": ask.title, "address": ask.address, "sender_name": ask.sender_name,
        "transport": ask.transport.value if ask.transport else None,
        **{each.value: body.model_dump_json() if (body := getattr(ask, each.value)) else None for each in messages.Transport},
        "settings": ask.settings.model_dump_json() if ask.settings else None,
    }  # fmt: skip
    sent_before, slept = None, False
    if ask.account_id is None:
        account_id = ask.added_as or uuid7()
        settings = ask.settings or AccountSettings()
        assert ask.channel
        new = {
            **given, "account_id": account_id, "channel": ask.channel.value, "settings": settings.model_dump_json(),
            "transport": (ask.transport or messages.Transport.SANDBOX).value,
        }  # fmt: skip
        await store.insert(uow, tenant, new)
    else:
        account_id = ask.account_id
        before = await _known(uow, tenant, account_id)
        slept = not await store.sending(uow, tenant, accounts=[account_id])
        sent_before = before["transport"], account_settings(before["account_settings"]).rotation_set
        if ask.channel and ask.channel != before["channel"]:
            raise ProblemError(
                ProblemCode.CONFLICT, "an account's channel never changes: add another account", "channel"
            )
        _expect_limits_of(Channel(before["channel"]), ask.settings)
        if ask.transport is messages.Transport.SMTP and before["channel"] != Channel.EMAIL:
            raise ProblemError(ProblemCode.INVALID, "only e-mail is sent by smtp", "transport")
        transport = ask.transport or messages.Transport(before["transport"])
        if others := ask.settings_of_others(transport):
            raise ProblemError(
                ProblemCode.INVALID,
                f"the account sends by {transport}: leave this out, or set transport too",
                others[0],
            )
        await store.change(uow, tenant, account_id, given)
    view = await _view(uow, tenant, account_id)
    if ask.settings or ask.transport or ask.account_id is None:
        _tell_limits(uow, request, view)
    await locks.accounts_change(uow, tenant)
    if sent_before != (view.transport, view.settings.rotation_set):
        await _expect_templates(uow, tenant, view)
    if slept and await store.sending(uow, tenant, accounts=[account_id]):  # by another domain, or another provider
        event = messages.AutomationResumed(account_id=account_id, actor=ask.actor, occurred_at=uow.now)
        uow.publish(tenant, event, request.envelope)
    await store_queue.wake_lanes(uow, tenant, account=account_id)
    if ask.account_id and ask.settings:
        await take_accounts(uow, tenant)
    await give_accounts(uow, tenant)  # the rest within a minute, see `outreach.upkeep`
    return view


async def list_accounts(uow: UnitOfWork, request: Received[messages.ListAccounts]) -> messages.AccountList:
    ask = request.body
    rows = await store.page(uow, request.tenant, paging.after(ask.cursor, UUID), ask.limit + 1)
    views = await _views(uow, rows[: ask.limit])
    cursor = str(views[-1].account_id) if len(rows) > ask.limit else None
    return messages.AccountList(accounts=views, next_cursor=cursor)


async def explain_account(uow: UnitOfWork, request: Received[messages.ExplainAccount]) -> messages.AccountExplanation:
    """Computed as it is when the account is judged; nothing is changed by asking."""
    tenant, account_id = request.tenant, request.body.account_id
    await _known(uow, tenant, account_id)
    (row,) = await store_health.lock(uow, tenant, [account_id])
    health = await judging.health_of(uow, tenant, row)
    terms = [
        messages.HealthTerm(
            trouble=term.trouble.value, count=term.count, sends=term.sends, points_lost=round(term.lost, 2),
            why=term.explain(),
        )
        for term in health.terms
    ]  # fmt: skip
    return messages.AccountExplanation(account=await _view(uow, tenant, account_id), terms=terms)


async def pause_account(uow: UnitOfWork, request: Received[messages.PauseAccount]) -> AccountView:
    """Nothing begins to leave it from the reply on."""
    await locks.stop_messages(uow, [request.tenant])
    await _known(uow, request.tenant, request.body.account_id)
    await store.set_state(uow, request.tenant, request.body.account_id, AccountState.PAUSED)
    return await _view(uow, request.tenant, request.body.account_id)


async def resume_account(uow: UnitOfWork, request: Received[messages.ResumeAccount]) -> AccountView:
    tenant, account_id = request.tenant, request.body.account_id
    known = await _known(uow, tenant, account_id)
    resumed = await store.set_state(uow, tenant, account_id, AccountState.ACTIVE)
    was_blocked = await judging.resume(uow, tenant, account_id)
    was_throttled = await store.let_go_on(uow, tenant, account_id)
    of_domain = await guarding.resume_domain(uow, tenant, known["domain"], request.body.actor, request.envelope)
    goes_on = (resumed or was_blocked or was_throttled) and account_id not in of_domain
    if goes_on and await store.sending(uow, tenant, accounts=[account_id]):
        event = messages.AutomationResumed(account_id=account_id, actor=request.body.actor, occurred_at=uow.now)
        uow.publish(tenant, event, request.envelope)
    for each in {account_id, *of_domain} if resumed or was_blocked or was_throttled or of_domain else ():
        await store_queue.wake_lanes(uow, tenant, account=each)
    return await _view(uow, tenant, account_id)


async def remove_account(uow: UnitOfWork, request: Received[messages.RemoveAccount]) -> AccountView:
    """What waits for it leaves by another account, if there is one."""
    tenant, account_id = request.tenant, request.body.account_id
    await locks.stop_messages(uow, [tenant])
    await _known(uow, tenant, account_id)
    if await store.set_state(uow, tenant, account_id, AccountState.REMOVED):
        _tell_limits(uow, request, await _view(uow, tenant, account_id))
    await locks.accounts_change(uow, tenant)
    await take_accounts(uow, tenant)
    await give_accounts(uow, tenant)
    return await _view(uow, tenant, account_id)


async def take_accounts(uow: UnitOfWork, tenant: str) -> int:
    """Have some of the messages that wait for accounts which do not send them any more wait for others; returns how many."""
    return await store_entries.take_accounts(uow, tenant, _AT_ONCE)


async def give_accounts(uow: UnitOfWork, tenant: str) -> int:
    """Give some of the messages that have no account one that can send them; returns how many got one."""
    senders = await store_entries.senders(uow, [tenant])
    found: dict[UUID, UUID] = {}
    for message_id, kind, rotation_set, person in await store_entries.without_account(uow, tenant, _AT_ONCE):
        account = sender_of(senders[tenant, CHANNEL_OF[kind], rotation_set].able, person)
        assert account
        found[message_id] = account
    if found:
        await store_entries.give_account(uow, tenant, found)
    return len(found)


def _tell_limits(
    uow: UnitOfWork, request: Received[messages.SetAccount] | Received[messages.RemoveAccount], view: AccountView
) -> None:
    """How much the account may send from now on; nothing where it was removed."""
    removed = view.state is AccountState.REMOVED
    limits = {
        kind: 0 if removed else view.settings.daily_limit(kind) for kind in SendKind if CHANNEL_OF[kind] is view.channel
    }
    event = messages.SendingLimitSet(
        account_id=view.account_id, channel=view.channel, daily_limits=limits, transport=view.transport,
        actor=request.body.actor, occurred_at=uow.now,
    )  # fmt: skip
    uow.publish(request.tenant, event, request.envelope)


def _expect_limits_of(channel: Channel, settings: AccountSettings | None) -> None:
    others = [kind.value for kind in settings.daily_limits if CHANNEL_OF[kind] is not channel] if settings else []
    if others:
        raise ProblemError(
            ProblemCode.INVALID,
            f"an account of channel {channel} sends no {', '.join(others)}",
            "settings.daily_limits",
        )


async def _expect_templates(uow: UnitOfWork, tenant: str, view: AccountView) -> None:
    """Refuse to have an account send to people what nothing is written for; no campaign begins meanwhile."""
    if view.transport is messages.Transport.SANDBOX:
        return
    if campaign_id := await campaigns.unwritten(uow, tenant, view.settings.rotation_set, view.channel):
        raise ProblemError(
            ProblemCode.CONFLICT,
            f"campaign {campaign_id} sends by accounts of this rotation set, and a step of it has no template: pause it, or use "
            "another rotation set",
            "transport",
        )


async def _known(uow: UnitOfWork, tenant: str, account_id: UUID) -> RowMapping:
    row = await store.one(uow, tenant, account_id, lock=True)
    if row is None:
        raise ProblemError(
            ProblemCode.NOT_FOUND, "this tenant has no such account; list_accounts shows those it has", "account_id"
        )
    return row


def _allowance(limits: Limits, kind: SendKind, now: datetime) -> messages.DayAllowance:
    today = allowance(limits, kind, now)
    return messages.DayAllowance(messages=today.messages, cause=today.cause.value, why=explain(limits, kind, now))


async def _view(uow: UnitOfWork, tenant: str, account_id: UUID) -> AccountView:
    row = await store.one(uow, tenant, account_id)
    assert row
    return (await _views(uow, [row]))[0]


async def _views(uow: UnitOfWork, rows: Sequence[RowMapping]) -> list[AccountView]:
    accounts = await Accounts.read(uow, rows)
    views = []
    for row in rows:
        facts, spent = accounts.facts(row["account_id"]), accounts.spent(row["account_id"])
        assert facts and spent
        channel, until = Channel(row["channel"]), facts.throttled_until
        away = facts.breaker.earliest(TOLERANCE) if facts.breaker else None
        views.append(
            AccountView(
                account_id=row["account_id"], title=row["title"], channel=channel, transport=row["transport"],
                smtp=row["smtp"], http=row["http"], sandbox=row["sandbox"],
                state=facts.state, settings=facts.settings, health=row["health"], blocked=facts.blocked,
                throttled_until=until if until and FOREVER > until > uow.now else None,
                wants_a_person=until == FOREVER, domain_stopped=row["account_domain_stopped"],
                provider_away_until=away if away and away > uow.now else None,
                sent_today={kind: spent.by_kind.get(kind, 0) for kind in SendKind if CHANNEL_OF[kind] is channel},
                allowed_today={
                    kind: _allowance(facts.limits, kind, uow.now) for kind in SendKind if CHANNEL_OF[kind] is channel
                },
                day_ends_at=next_day(facts.settings.time_zone, uow.now),
                next_at=facts.next_at if facts.next_at and facts.next_at > uow.now else None,
                created_at=row["created_at"],
            )
        )  # fmt: skip
    return views
