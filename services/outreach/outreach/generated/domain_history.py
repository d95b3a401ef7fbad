"""Seven days of outreach that never happened: what campaigns, accounts and leads would tell. Pure.

Messages leave between nine and six by the tenant's clock, a few dozen a day from each account. About 15 % of the leads answer, within
hours or a day or two; what most of them say is known at once, some need a person, who has read half of those, and some nobody has sorted.
A week is long enough for a follow-up, and for what goes wrong: an address that is none, a provider that asks to slow down, one that
asks for a person, a campaign that is paused and goes on, one that is over. All of that is over since more than a day, so that the
system's status is healthy.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from contracts.message import Event
from contracts.outreach.accounts import AutomationResumed, AutomationThrottled, CaptchaDetected, SendingLimitSet
from contracts.outreach.campaigns import (
    CampaignCompleted,
    CampaignCreated,
    CampaignPaused,
    CampaignResumed,
    EnrollmentEnd,
    EnrollmentEnded,
    EnrollmentStarted,
)
from contracts.outreach.people import Unsubscribed
from contracts.outreach.replies import ManualActionRequired, ReplyClassified, ReplyReceived
from contracts.outreach.sending import (
    FollowupScheduled,
    FollowupSent,
    MessageFailed,
    MessageQueued,
    MessageSent,
    MessageSkipped,
)
from contracts.taxonomy import CHANNEL_OF, Channel, Fault, ReplyClass, SendKind

DAYS: Final = 7
ANSWER: Final = 0.17
"""The share of leads that answer; some answer after now, so that about 15 % have."""
_OPENS, _CLOSES = time(9), time(18)
_KINDS: Final = (SendKind.EMAIL, SendKind.EMAIL, SendKind.EMAIL, SendKind.LINKEDIN_MESSAGE)
"""Of the accounts, one after the other."""
_DAILY_LIMIT: Final = 40
_FIRST_A_DAY: Final = (13, 20)
"""How many leads an account begins with a day, from and to."""
_FAILS: Final = 0.02
_FOLLOW_UP_DAYS: Final = 2
_ACTOR: Final = "service:generated"
_SAID: Final = (
    (ReplyClass.INTERESTED, 0.4),
    (ReplyClass.NOT_INTERESTED, 0.3),
    (ReplyClass.OUT_OF_OFFICE, 0.15),
    (ReplyClass.UNSUBSCRIBE, 0.1),
    (ReplyClass.WRONG_PERSON, 0.05),
)
_SORTED, _DOUBTED = 0.6, 0.25
"""The share of replies whose meaning is known at once, and the share that needs a person; the rest nobody has sorted."""


@dataclass(frozen=True, slots=True)
class _Account:
    account_id: UUID
    kind: SendKind


class History:
    """A tenant's made-up week up to `now`."""

    def __init__(self, seed: str, now: datetime, time_zone: str) -> None:
        self._chance = Random(seed)
        self._now = now
        self._zone = ZoneInfo(time_zone)
        self._events: list[Any] = []
        self.accounts = [_Account(self._id(), kind) for kind in _KINDS]
        self.campaigns = [self._id() for _ in range(4)]
        self._running, self._over = self.campaigns[:3], self.campaigns[3]
        self._over_at = self._at(self._day(3), 18.5)
        self._rests: list[tuple[UUID, datetime, datetime]] = []
        self._begin()
        self._go_wrong()
        for ago in reversed(range(DAYS)):
            for account in self.accounts:
                for _ in range(self._chance.randint(*_FIRST_A_DAY)):
                    self._contact(account, self._day(ago))

    @property
    def events(self) -> list[Event]:
        """Everything that had happened by now, in the order in which it did."""
        return sorted((event for event in self._events if event.occurred_at <= self._now), key=lambda e: e.occurred_at)

    def _begin(self) -> None:
        at = self._at(self._day(DAYS - 1), 8)
        for account in self.accounts:
            limits = {account.kind: _DAILY_LIMIT}
            self._tell(SendingLimitSet, at, account_id=account.account_id, channel=CHANNEL_OF[account.kind],
                       daily_limits=limits, actor=_ACTOR)  # fmt: skip
        for campaign_id in self.campaigns:
            self._tell(CampaignCreated, at, campaign_id=campaign_id, channel=Channel.EMAIL)

    def _go_wrong(self) -> None:
        """What stops for a while, and is over for more than a day."""
        throttled, wanted = self.accounts[0].account_id, self.accounts[-1].account_id
        at = self._at(self._day(4), 11)
        self._tell(AutomationThrottled, at, account_id=throttled, reason="rate_limited", until=at + timedelta(hours=2))
        self._tell(AutomationResumed, at + timedelta(hours=2), account_id=throttled)
        self._rests.append((throttled, at, at + timedelta(hours=2)))
        at = self._at(self._day(3), 10)
        self._tell(CaptchaDetected, at, account_id=wanted)
        self._tell(AutomationThrottled, at, account_id=wanted, reason="captcha")
        self._tell(AutomationResumed, at + timedelta(hours=4), account_id=wanted, actor=_ACTOR)
        self._rests.append((wanted, at, at + timedelta(hours=4)))
        paused = self._running[1]
        self._tell(CampaignPaused, self._over_at, campaign_id=paused, actor=_ACTOR)
        self._tell(CampaignResumed, self._at(self._day(2), 8.5), campaign_id=paused, actor=_ACTOR)
        self._tell(CampaignCompleted, self._over_at, campaign_id=self._over, actor=_ACTOR)

    def _contact(self, account: _Account, day: date) -> None:
        """A lead is enrolled and sent the first message, then the next, until something comes back."""
        campaigns = self.campaigns if day <= self._day(4) else self._running
        enrolled = {"campaign_id": self._chance.choice(campaigns), "lead_id": self._id(), "enrollment_id": self._id()}
        queued_at = self._moment(day, account.account_id)
        sent_at = self._later(queued_at, day, account.account_id)
        self._tell(EnrollmentStarted, queued_at, **enrolled)
        message = self._message(account, enrolled, 1)
        self._tell(MessageQueued, queued_at, **message)
        if self._chance.random() < _FAILS:
            self._tell(MessageFailed, sent_at, **message, reason="mailbox_unknown", fault=Fault.RECIPIENT)
            self._tell(EnrollmentEnded, sent_at, **enrolled, reason=EnrollmentEnd.FAILED)
            return
        self._tell(MessageSent, sent_at, **message)
        next_day = day + timedelta(days=_FOLLOW_UP_DAYS)
        followup = self._message(account, enrolled, 2)
        due_at = self._moment(next_day, account.account_id)
        self._tell(MessageQueued, sent_at, **followup)
        self._tell(FollowupScheduled, sent_at, **followup, due_at=due_at)
        answers = self._chance.random() < ANSWER
        answered_at = sent_at + timedelta(hours=0.2 + self._chance.expovariate(1 / 12))
        if answers and answered_at <= due_at:
            self._tell(MessageSkipped, answered_at, **followup, reason="replied")
        elif enrolled["campaign_id"] == self._over and due_at > self._over_at:
            self._tell(MessageSkipped, self._over_at, **followup, reason="archived", actor=_ACTOR)
        else:
            self._tell(MessageSent, due_at, **followup)
            self._tell(FollowupSent, due_at, **followup)
            message = followup
            if not answers:
                self._tell(EnrollmentEnded, due_at, **enrolled, reason=EnrollmentEnd.COMPLETED)
        if answers:
            self._tell(EnrollmentEnded, answered_at, **enrolled, reason=EnrollmentEnd.REPLIED)
            self._answer(message, answered_at)

    def _answer(self, message: dict[str, Any], at: datetime) -> None:
        about = {name: value for name, value in message.items() if name not in ("step", "kind")}
        about["reply_id"] = self._id()
        self._tell(ReplyReceived, at, **about, received_at=at)
        sorting = self._chance.random()
        said = self._chance.choices([said for said, _ in _SAID], [share for _, share in _SAID])[0]
        if sorting < _SORTED:
            back = {"returns_on": (at + timedelta(days=9)).date()} if said is ReplyClass.OUT_OF_OFFICE else {}
            self._tell(ReplyClassified, at, **about, reply_class=said, **back)
            if said is ReplyClass.UNSUBSCRIBE:
                about = {name: message[name] for name in ("lead_id", "campaign_id", "message_id")}
                self._tell(Unsubscribed, at, **about)
        elif sorting < _SORTED + _DOUBTED:
            self._tell(ManualActionRequired, at, **about)
            if self._chance.random() < 0.5:
                read_at = at + timedelta(hours=1 + self._chance.expovariate(1 / 4))
                self._tell(ReplyClassified, read_at, **about, reply_class=said, actor=_ACTOR)

    def _message(self, account: _Account, enrolled: dict[str, Any], step: int) -> dict[str, Any]:
        return {
            **enrolled, "message_id": self._id(), "channel": CHANNEL_OF[account.kind], "step": step, "kind": account.kind,
            "account_id": account.account_id,
        }  # fmt: skip

    def _moment(self, day: date, account_id: UUID) -> datetime:
        """Some moment of a day at which the account may send."""
        return self._later(self._window(day)[0], day, account_id)

    def _later(self, after: datetime, day: date, account_id: UUID) -> datetime:
        """Some moment from then on, the same day, at which the account may send."""
        end = self._window(day)[1]
        at = after + self._chance.random() * max(end - after, timedelta())
        for resting, since, until in self._rests:
            if resting == account_id and since <= at < until:
                at = until + (at - since) / 4
        return at

    def _window(self, day: date) -> tuple[datetime, datetime]:
        """When messages leave on a day. Early today, when none would have left yet, some have all the same."""
        opens, closes = (datetime.combine(day, moment, self._zone) for moment in (_OPENS, _CLOSES))
        if day == self._day(0) and self._now < opens + timedelta(minutes=30):
            closes = self._now
            opens = max(datetime.combine(day, time(), self._zone), closes - timedelta(hours=1))
        return opens.astimezone(self._now.tzinfo), closes.astimezone(self._now.tzinfo)

    def _day(self, ago: int) -> date:
        return self._now.astimezone(self._zone).date() - timedelta(days=ago)

    def _at(self, day: date, hour: float) -> datetime:
        midnight = datetime.combine(day, time(), self._zone)
        return (midnight + timedelta(hours=hour)).astimezone(self._now.tzinfo)

    def _tell(self, type_: type[Event], at: datetime, **fields: Any) -> None:
        self._events.append(type_.model_validate({"occurred_at": at, **fields}))

    def _id(self) -> UUID:
        return UUID(int=self._chance.getrandbits(128), version=4)
