"""A made-up week looks like outreach that went on under its rules."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.outreach.replies import ManualActionRequired, ReplyClassified, ReplyReceived
from contracts.outreach.sending import MessageSent
from outreach.generated.domain_history import DAYS, History
from tests.aggregator.events.test_finding import SEED_002

ZONES = ["UTC", "America/New_York", "Pacific/Auckland", "Asia/Kolkata"]
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001


@settings(max_examples=15)
@given(seed=st.integers(0, 2**63 - 1), now=MOMENTS, zone=st.sampled_from(ZONES))
def test_a_week_is_whole_in_order_and_over_now(seed: int, now: datetime, zone: str) -> None:
    history = History(f"acme/{seed}", now, zone)
    events = history.events
    today = now.astimezone(ZoneInfo(zone)).date()
    days = {event.occurred_at.astimezone(ZoneInfo(zone)).date() for event in events}
    assert days <= {today - timedelta(days=ago) for ago in range(DAYS)}
    assert len(days) == DAYS
    assert {event.topic.name for event in events} >= {*SEED_002}
    times = [event.occurred_at for event in events]
    assert times == sorted(times)
    assert times[-1] <= now
    sent = [event for event in events if isinstance(event, MessageSent)]
    assert any(event.occurred_at.astimezone(ZoneInfo(zone)).date() == today for event in sent)
    assert len({event.message_id for event in sent}) == len(sent)
    by_account = Counter((event.account_id, event.occurred_at.astimezone(ZoneInfo(zone)).date()) for event in sent)
    assert max(by_account.values()) <= 40


@settings(max_examples=15)
@given(seed=st.integers(0, 2**63 - 1), now=MOMENTS)
def test_messages_leave_within_hours_and_replies_follow_them(seed: int, now: datetime) -> None:
    events = History(f"acme/{seed}", now, "Europe/Berlin").events
    first: dict[object, datetime] = {}
    replies, known = {}, defaultdict(list)
    for event in events:
        local = event.occurred_at.astimezone(ZoneInfo("Europe/Berlin"))
        if isinstance(event, MessageSent):
            first.setdefault(event.lead_id, event.occurred_at)
            early = local.date() == now.astimezone(local.tzinfo).date() and now.astimezone(local.tzinfo).hour < 10
            assert early or 9 <= local.hour < 18 or (local.hour == 18 and not (local.minute or local.second))
        elif isinstance(event, ReplyReceived):
            assert event.lead_id in first
            replies[event.reply_id] = event
        elif isinstance(event, ReplyClassified | ManualActionRequired):
            assert event.reply_id in replies
            known[event.reply_id].append(event)
    share = len({reply.lead_id for reply in replies.values()}) / len(first)
    assert 0.08 <= share <= 0.23
    assert replies.keys() - known.keys()
    assert any(isinstance(each, ManualActionRequired) and len(found) == 1 for found in known.values() for each in found)


def test_the_same_seed_makes_the_same_history_and_another_another() -> None:
    now = datetime(2026, 11, 30, 15, tzinfo=UTC)
    assert History("acme/1", now, "UTC").events == History("acme/1", now, "UTC").events
    assert History("acme/1", now, "UTC").events != History("acme/2", now, "UTC").events
