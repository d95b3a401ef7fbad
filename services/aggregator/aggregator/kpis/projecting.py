"""How things stand, projected from events: the same statements for what has just been stored and for a replay.

Two kinds. What *stands* until the next event of its key says otherwise: a tenant's settings, an account's limit, whether it is
throttled, whether a campaign runs. And what is *open* from the first event that opens it until the first that closes it: a reply, an
enrollment, a follow-up, an outcome, which a void closes as of when it occurred. Any order and any repetition of events comes to the same
rows, each with from when to when it holds.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from aggregator.events.store import Row
from chassis.unit_of_work import UnitOfWork
from contracts.gateway import TenantChanged
from contracts.message import Message
from contracts.outcomes import OutcomeRecorded, OutcomeVoided
from contracts.outreach import accounts, campaigns, replies, sending

_STATE_OF: Mapping[type[Message], str] = {
    campaigns.CampaignPaused: "'paused'",
    campaigns.CampaignResumed: "'running'",
    campaigns.CampaignCompleted: "'completed'",
    campaigns.CampaignCreated: "case when body ->> 'draft' = 'true' then 'draft' else 'running' end",
    accounts.AutomationThrottled: "'throttled'",
    accounts.AutomationResumed: "'resumed'",
    accounts.SendingLimitSet: "coalesce(body ->> 'transport', 'unknown')",
    TenantChanged: "known_zone(body -> 'settings' ->> 'time_zone')",
}
_OPENS: Mapping[type[Message], str] = {
    replies.ReplyReceived: "reply",
    campaigns.EnrollmentStarted: "enrollment",
    sending.FollowupScheduled: "followup",
    OutcomeRecorded: "outcome",
}
_CLOSES: Mapping[type[Message], str] = {
    replies.ReplyClassified: "reply",
    replies.ReplyHandled: "reply",
    campaigns.EnrollmentEnded: "enrollment",
    sending.FollowupPostponed: "followup",
    sending.FollowupSent: "followup",
    sending.MessageFailed: "followup",
    sending.MessageSkipped: "followup",
    sending.MessageUnknown: "followup",
    OutcomeVoided: "outcome",
}
_KEY_OF = {
    "reply": "body ->> 'reply_id'",
    "enrollment": "body ->> 'enrollment_id'",
    # One that was put off is another from then on: what was due on the day before stays what it was.
    "followup": "coalesce(body ->> 'followup_id', body ->> 'message_id')",
    "outcome": "body ->> 'outcome_id'",
}


def _types(messages: Sequence[type[Message]]) -> str:
    return ", ".join(f"'{message.topic.type}'" for message in messages)


def _when(values: Mapping[type[Message], str], otherwise: str = "null") -> str:
    whens = " ".join(f"when '{message.topic.type}' then {value}" for message, value in values.items())
    return f"case type {whens} else {otherwise} end"


STANDING_TYPES = frozenset(message.topic.type for message in _STATE_OF)
ITEM_TYPES = frozenset(message.topic.type for message in (*_OPENS, *_CLOSES))
TYPES = STANDING_TYPES | ITEM_TYPES
_SUBJECT = _when(
    {
        TenantChanged: "'settings'",
        accounts.SendingLimitSet: "'limit'",
        accounts.AutomationThrottled: "'automation'",
        accounts.AutomationResumed: "'automation'",
    },
    "'campaign'",
)
_GIVEN = """
    unnest(cast(:tenant as text[]), cast(:event_id as uuid[]), cast(:told_at as timestamptz[]), cast(:type as text[]),
           cast(:occurred_at as timestamptz[]), cast(:campaign_id as uuid[]), cast(:lead_id as uuid[]), cast(:body as jsonb[]))
    as event (tenant_id, event_id, told_at, type, occurred_at, campaign_id, lead_id, body)
"""
_COLUMNS = ("tenant", "event_id", "told_at", "type", "occurred_at", "campaign_id", "lead_id", "body")


def _standing_from(events: str) -> str:
    return f"""
    insert into {{standing}} (tenant_id, event_id, told_at, subject, key, state, amount, begins_at)
    select tenant_id, event_id, told_at, {_SUBJECT}, coalesce(body ->> 'account_id', body ->> 'campaign_id', ''),
           {_when(_STATE_OF)},
           (select sum(cast(value as integer)) from jsonb_each_text(body -> 'daily_limits')), occurred_at
    from {events} where type in ({_types(list(_STATE_OF))}) and {{which}}
    on conflict do nothing
"""


STANDING_FROM_EVENTS = _standing_from("event")
_STANDING_FROM_GIVEN = _standing_from(_GIVEN).format(standing="standing", which="true")
STANDING_UNTIL = """
    update {standing} as standing set ends_at = found.ends_at
    from (
        select tenant_id, event_id,
               lead(begins_at, 1, 'infinity') over (partition by tenant_id, subject, key order by begins_at, event_id) as ends_at
        from {standing} as standing where {which}
    ) as found
    where standing.tenant_id = found.tenant_id and standing.event_id = found.event_id
      and standing.ends_at <> found.ends_at
"""
_OF_FIRST = ("event_id", "told_at", "campaign_id", "lead_id", "due_at", "stage", "value", "currency")
_KIND = _when({message: f"'{kind}'" for message, kind in {**_OPENS, **_CLOSES}.items()})
_KEY = _when({message: _KEY_OF[kind] for message, kind in {**_OPENS, **_CLOSES}.items()})


def _items_from(events: str) -> str:
    return f"""
    with told as (
        select tenant_id, event_id, told_at, occurred_at, campaign_id, lead_id,
               cast(body ->> 'due_at' as timestamptz) as due_at, body ->> 'stage' as stage,
               cast(body ->> 'value' as numeric) as value, body ->> 'currency' as currency,
               {_KIND} as kind, cast({_KEY} as uuid) as key, type in ({_types(list(_OPENS))}) as opens
        from {events} where type in ({_types([*_OPENS, *_CLOSES])}) and {{which}}
    ), first as (
        select distinct on (tenant_id, kind, key, opens) * from told
        order by tenant_id, kind, key, opens, occurred_at, event_id
    ), opening as (select * from first where opens), closing as (select * from first where not opens)
    insert into {{open_item}} (tenant_id, kind, key, opened_at, closed_at, {", ".join(_OF_FIRST)})
    select tenant_id, kind, key, coalesce(opening.occurred_at, 'infinity'), coalesce(closing.occurred_at, 'infinity'),
           {", ".join(f"opening.{name}" for name in _OF_FIRST)}
    from opening full join closing using (tenant_id, kind, key)
    on conflict (tenant_id, kind, key) do update set
        closed_at = least(live.closed_at, excluded.closed_at),
        (opened_at, {", ".join(_OF_FIRST)}) = (
            select * from (values (live.opened_at, {", ".join(f"live.{name}" for name in _OF_FIRST)}),
                                  (excluded.opened_at, {", ".join(f"excluded.{name}" for name in _OF_FIRST)})
            ) as either (opened_at, {", ".join(_OF_FIRST)}) order by opened_at, event_id limit 1
        )
    where excluded.closed_at < live.closed_at
       or (excluded.opened_at, excluded.event_id) < (live.opened_at, live.event_id)
"""


ITEMS_FROM_EVENTS = _items_from("event")
_ITEMS_FROM_GIVEN = _items_from("given").format(open_item="open_item as live", which="true")
_TOUCHED = """(tenant_id, subject, key) in (
    select tenant_id, subject, key from standing
    where (tenant_id, event_id) in (select * from unnest(cast(:tenant as text[]), cast(:event_id as uuid[]))))"""


def with_events(types: Collection[str]) -> Sequence[str]:
    """What is projected of events of these types as they are stored, in the same statement (`aggregator.events.store.store_events`).

    Of those that were there before it is projected again, which changes nothing. Whoever has it done holds the lock for it (`aggregator.locks.project`).
    """
    return [] if ITEM_TYPES.isdisjoint(types) else [f"items as ({_ITEMS_FROM_GIVEN})"]


async def project(uow: UnitOfWork, events: Sequence[Row]) -> None:
    """Project the rest of events that are stored: by what they say, and not by what is stored of it, which nothing here looks at is dropped from."""
    if stands := [event for event in events if event.type in STANDING_TYPES]:
        given = _columns(stands)
        await uow.execute(_STANDING_FROM_GIVEN, **given)
        touched = STANDING_UNTIL.format(standing="standing", which=_TOUCHED)
        await uow.execute(touched, tenant=given["tenant"], event_id=given["event_id"])


def _columns(events: Sequence[Row]) -> dict[str, list[Any]]:
    return {name: [getattr(event, name) for event in events] for name in _COLUMNS}
