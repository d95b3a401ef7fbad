"""Every query about the timeline.

Of each state and kind, or channel, the first few are read in the timeline's order (`timeline_at`), and the first of those are the page: so
that a page is as quick however much there is. The states stand in the statement itself, for the planner to see which index is of them; so
does that a step is above 0, as every step is, by which it sees that the index of what is queued is the timeline's;
and above 1 where only follow-ups are asked for, which have an index of their own.
"""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.paging import Place
from chassis.unit_of_work import UnitOfWork
from contracts.outreach.activity import ListActivity
from contracts.outreach.sending import SendState
from contracts.taxonomy import CHANNEL_OF, Channel

_MESSAGES = """
    select message_id as entry_id, message_id, timeline_at as at, state, null as channel, kind, campaign_id, step, lead_id, account_id, reason,
           fault, reference, provider_reference
    from {messages} as message
"""
_OF_A_STATE = """
    unnest(cast(:kinds as text[])) as given_kind (given_kind) cross join lateral (
        select * from send_queue as message
        where tenant_id = :tenant and state = '{state}' and kind = given_kind and {which}
        order by timeline_at {direction}, message_id {direction} limit :limit)
"""
_QUEUED = """(
    select * from send_queue as message
    where tenant_id = :tenant and state = 'queued' and step > 0 and kind = any (cast(:kinds as text[])) and {which}
    order by timeline_at {direction}, message_id {direction} limit :limit)
"""
_NAMED = """(
    select * from send_queue as message
    where tenant_id = :tenant and state = any (cast(:states as text[])) and kind = any (cast(:kinds as text[])) and {which})
"""
_HISTORY = """
    select history_id, null, sent_at, 'sent', channel, null, campaign_id, null, lead_id, null, null, null, null, null
    from unnest(cast(:channels as text[])) as given_channel (given_channel) cross join lateral (
        select * from outreach_history as before
        where tenant_id = :tenant and message_id is null and channel = given_channel and {which}
        order by sent_at {direction}, history_id {direction} limit :limit) as before
"""
"""What LeadLoop sent itself is in the queue."""


async def page(uow: UnitOfWork, tenant: str, ask: ListActivity, begin: Place | None, limit: int) -> list[RowMapping]:
    """What is asked for, in the order asked for, from behind a place."""
    statement, given = timeline(ask, begin)
    rows = await uow.execute(statement, tenant=tenant, limit=limit, **given)
    return list(rows.mappings())


def timeline(ask: ListActivity, begin: Place | None) -> tuple[str, dict[str, Any]]:
    """The statement for what is asked for, and its parameters beside `tenant` and `limit`."""
    backwards = ask.order == "newest_first"
    channels = [ask.channel] if ask.channel else list(Channel)
    given: dict[str, Any] = {
        "kinds": [kind.value for kind, channel in CHANNEL_OF.items() if channel in channels],
    }
    own, before = [], []
    for column, value in (("campaign_id", ask.campaign_id), ("lead_id", ask.lead_id), ("account_id", ask.account_id)):
        if value:
            given[column] = value
            own.append(f"{column} = :{column}")
            before.append(f"{column} = :{column}")
    for comparison, name, moment in ((">=", "since", ask.since), ("<", "until", ask.until)):
        if moment:
            given[name] = moment
            own.append(f"timeline_at {comparison} :{name}")
            before.append(f"sent_at {comparison} :{name}")
    if begin:
        given |= {"begin_at": begin.at, "begin_id": begin.id}
        behind = f"{'<' if backwards else '>'} (cast(:begin_at as timestamptz), cast(:begin_id as uuid))"
        own.append(f"(timeline_at, message_id) {behind}")
        before.append(f"(sent_at, history_id) {behind}")
    if ask.followups:
        own.append("step > 1")
    if ask.message_ids:
        given["messages"] = list(ask.message_ids)
        own.append("message_id = any (cast(:messages as uuid[]))")
    direction = "desc" if backwards else "asc"
    if ask.lead_id or ask.message_ids:  # of one lead, or by name, there are few
        sources = [_NAMED.format(which=_all(own))]
        given["states"] = [state.value for state in ask.states or SendState]
    else:
        sources = [
            (_QUEUED if state is SendState.QUEUED else _OF_A_STATE).format(state=state.value, which=_all(own), direction=direction)
            for state in dict.fromkeys(ask.states or SendState)
        ]  # fmt: skip
    parts = [f"({_MESSAGES.format(messages=source)})" for source in sources]
    if not ask.account_id and not ask.message_ids and not ask.followups and SendState.SENT in (ask.states or SendState):
        given["channels"] = [channel.value for channel in channels]
        parts.append(_HISTORY.format(which=_all(before), direction=direction))
    order = f"order by at {direction}, entry_id {direction} limit :limit"
    return f"select * from ({' union all '.join(parts)}) as entry {order}", given


def _all(conditions: Sequence[str]) -> str:
    return " and ".join(conditions) or "true"


async def replies(uow: UnitOfWork, tenant: str, messages: Collection[UUID]) -> Sequence[RowMapping]:
    """The replies to these messages, the first first."""
    rows = await uow.execute(
        """select message_id, reply_id, received_at, reply_class from reply
           where tenant_id = :tenant and message_id = any (cast(:messages as uuid[])) order by taken_id""",
        tenant=tenant, messages=list(messages),
    )  # fmt: skip
    return rows.mappings().all()


async def troubles(uow: UnitOfWork, tenant: str, messages: Collection[UUID]) -> Sequence[RowMapping]:
    """What else was heard of these messages, the first first."""
    rows = await uow.execute(
        """select message_id, kind, at from trouble
           where tenant_id = :tenant and message_id = any (cast(:messages as uuid[])) order by at, trouble_id""",
        tenant=tenant, messages=list(messages),
    )  # fmt: skip
    return rows.mappings().all()
