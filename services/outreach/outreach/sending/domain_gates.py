"""The gates that a message passes before it leaves: each a small rule of its own, all asked together. Pure.

They are asked when a message is claimed and again right before it is handed over, and whenever somebody wants to know why it
has not left. A gate answers for a moment, so that what it will say later can be asked as well.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from contracts.outreach.accounts import AccountSettings, AccountState
from contracts.outreach.campaigns import AudienceView, BusinessHours, CampaignState
from contracts.outreach.people import SuppressionReason
from contracts.outreach.sending import Gate
from contracts.taxonomy import CHANNEL_OF, Channel, SendKind
from outreach.accounts.domain_guard import TOLERANCE, Breaker
from outreach.accounts.domain_limits import Cause, Limits, allowance, capacity, start_of_day
from outreach.sending.domain_hours import opening

REST: Final = timedelta(days=60)
"""How long nobody else contacts a person after anything was sent to them (implementation tasklist, 2)."""
_ASKED_AT_MOST = 100
"""How often the gates are asked anew for the first moment at which all of them open."""


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """An account as the gates see it.

    Attributes:
        blocked: whether its health keeps it from sending.
        domain_stopped: why its domain keeps it from that, in plain words; none where it does not.
        breaker: its provider's circuit, unless it is closed.
        throttled_until: before when it sends nothing; `datetime.max` where a person must have it go on.
        next_at: before when the gap after its last message is not over.
        recovering_since: when it was let go after its health had blocked it.
    """

    account_id: UUID
    state: AccountState
    settings: AccountSettings
    blocked: bool = False
    throttled_until: datetime | None = None
    next_at: datetime | None = None
    recovering_since: datetime | None = None
    domain_stopped: str | None = None
    breaker: Breaker | None = None

    @property
    def limits(self) -> Limits:
        settings = self.settings
        return Limits(settings.time_zone, settings.daily_limits, settings.warm_up_began, self.recovering_since)

    def day_of(self, at: datetime) -> datetime:
        """When the day began, by its clock."""
        return start_of_day(self.settings.time_zone, at)


@dataclass(slots=True)
class Spent:
    """What has left an account on one day, or may have.

    Attributes:
        day: when it began.
        by_kind: in all campaigns.
        by_campaign: of all kinds.
    """

    day: datetime
    by_kind: dict[SendKind, int] = field(default_factory=dict)
    by_campaign: dict[UUID, int] = field(default_factory=dict)

    def add(self, kind: SendKind, campaign_id: UUID, count: int = 1) -> None:
        self.by_kind[kind] = self.by_kind.get(kind, 0) + count
        self.by_campaign[campaign_id] = self.by_campaign.get(campaign_id, 0) + count


@dataclass(frozen=True, slots=True)
class CampaignFacts:
    """A campaign as the gates see it.

    Attributes:
        stopped: why a guard paused it, in plain words; none where none did, or where nobody asks.
    """

    campaign_id: UUID
    state: CampaignState
    daily_cap: int
    hours: BusinessHours
    region: str
    """The tenant's; whose holidays are kept where the campaign names no other."""
    stopped: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """Who holds a person by one of the names they are known by.

    Attributes:
        enrollment_id: who; none where it was no sequence.
        lasts: whether that sequence goes on.
    """

    enrollment_id: UUID | None
    lasts: bool
    last_sent_at: datetime | None
    campaign_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Suppressed:
    """An entry of the suppression ledger that is in force and about the person."""

    reason: SuppressionReason
    channel: Channel | None = None
    campaign_id: UUID | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the gates look at, of one message.

    Attributes:
        account: from which it is to leave; none where there is none for it.
        spent: what left the account that day, without this message.
        is_claimed: whether the gap before it has been waited for already.
        claimed_at: when that was; it tells a probe of the account's provider.
        attribution: the lead's.
    """

    kind: SendKind
    enrollment_id: UUID
    campaign: CampaignFacts
    account: AccountFacts | None
    spent: Spent | None
    channels: frozenset[str]
    attribution: Mapping[str, Any]
    condition: AudienceView
    time_zone: str | None = None
    merged: bool = False
    erased: bool = False
    replied_at: datetime | None = None
    paused_until: datetime | None = None
    held: Sequence[Held] = ()
    suppressed: Sequence[Suppressed] = ()
    is_claimed: bool = False
    claimed_at: datetime | None = None


class Answer(NamedTuple):
    """What a gate says of a message at a moment.

    Attributes:
        opens_at: when it lets it pass, that moment or later; none where that has no date.
        final: whether it never will.
    """

    gate: Gate
    opens_at: datetime | None
    why: str
    final: bool = False

    def passes(self, at: datetime) -> bool:
        return self.opens_at is not None and self.opens_at <= at


def campaign_running(facts: Facts, at: datetime) -> Answer:
    state = facts.campaign.state
    if state is CampaignState.ARCHIVED:
        return Answer(Gate.CAMPAIGN_RUNNING, None, "the campaign is archived", final=True)
    if state is CampaignState.RUNNING:
        return Answer(Gate.CAMPAIGN_RUNNING, at, "the campaign is running")
    stopped = f" by a guard, which says {facts.campaign.stopped}" if facts.campaign.stopped else ""
    return Answer(Gate.CAMPAIGN_RUNNING, None, f"the campaign is {_word(state)}{stopped}")


def account_healthy(facts: Facts, at: datetime) -> Answer:
    account = facts.account
    if account is None:
        return Answer(Gate.ACCOUNT_HEALTHY, None, "no account of the campaign's rotation set can send it")
    if account.state is not AccountState.ACTIVE:
        return Answer(Gate.ACCOUNT_HEALTHY, None, f"the account is {account.state}")
    if account.blocked:
        return Answer(Gate.ACCOUNT_HEALTHY, None, "the account's health is too low")
    if account.domain_stopped:
        why = f"a guard stopped all accounts of the account's domain, and says {account.domain_stopped}: resume one of them"
        return Answer(Gate.ACCOUNT_HEALTHY, None, why)
    if account.throttled_until is None or account.throttled_until <= at:
        return Answer(Gate.ACCOUNT_HEALTHY, at, "the account is well")
    if account.throttled_until == FOREVER:
        return Answer(Gate.ACCOUNT_HEALTHY, None, "the account's provider wants to see a person: resume it when it has")
    return Answer(
        Gate.ACCOUNT_HEALTHY, account.throttled_until, "the account's provider wants it to send nothing for now"
    )


def provider_answers(facts: Facts, at: datetime) -> Answer:
    """While a provider is down one message now and then is tried, the probe: nobody else is told to go while it is on its way."""
    breaker = facts.account.breaker if facts.account else None
    if breaker is None or breaker.is_probe(facts.claimed_at):
        return Answer(Gate.PROVIDER_ANSWERS, at, "the account's provider is not known to be down")
    why = "the account's provider does not answer"
    if facts.is_claimed:
        return Answer(Gate.PROVIDER_ANSWERS, None, why)
    return Answer(Gate.PROVIDER_ANSWERS, breaker.earliest(TOLERANCE) or at, why)


def account_capacity(facts: Facts, at: datetime) -> Answer:
    """The account's daily limit, with its ramp, and the campaign's cap: of a limit of 38 the 38th passes."""
    if (account := facts.account) is None:
        return Answer(Gate.ACCOUNT_CAPACITY, at, "there is no account whose limits could be reached")
    day = account.day_of(at)
    spent = facts.spent if facts.spent and facts.spent.day == day else Spent(day)
    sent, of_campaign = spent.by_kind.get(facts.kind, 0), spent.by_campaign.get(facts.campaign.campaign_id, 0)
    cap = facts.campaign.daily_cap
    room = capacity(account.limits, facts.kind, at, used=sent, campaign_used=of_campaign, campaign_limit=cap)
    if room.cause is Cause.CAMPAIGN_LIMIT:
        why = f"{of_campaign} of the campaign's {cap} a day have left the account"
    else:
        today = sent + room.left if room.left else allowance(account.limits, facts.kind, at).messages
        why = f"{sent} of {today} a day have left the account ({_word(room.cause)})"
    return Answer(Gate.ACCOUNT_CAPACITY, room.room_at, why)


def random_gap(facts: Facts, at: datetime) -> Answer:
    next_at = facts.account.next_at if facts.account and not facts.is_claimed else None
    if next_at is None or next_at <= at:
        return Answer(Gate.RANDOM_GAP, at, "the account's last message is long enough ago")
    return Answer(Gate.RANDOM_GAP, next_at, "the account sent something a moment ago")


def business_hours(facts: Facts, at: datetime) -> Answer:
    """By the recipient's clock; by the account's where theirs is not known."""
    whose, name = ("recipient", facts.time_zone) if facts.time_zone else ("account", None)
    if name is None:
        name = facts.account.settings.time_zone if facts.account else "UTC"
    opens = opening(facts.campaign.hours, ZoneInfo(name), facts.campaign.region, at)
    if opens is None:
        return Answer(Gate.BUSINESS_HOURS, None, "the campaign's hours never open")
    state = "within" if opens <= at else "outside"
    return Answer(Gate.BUSINESS_HOURS, opens, f"{state} the campaign's hours by the {whose}'s clock ({name})")


def sixty_days(facts: Facts, at: datetime) -> Answer:
    """Whoever holds the person goes on with their own sequence; all others wait, and 60 days from what was sent last.

    Of one campaign the person is sent the messages by way of one lead only.
    """
    others = [held for held in facts.held if held.enrollment_id != facts.enrollment_id]
    if any(held.campaign_id == facts.campaign.campaign_id for held in others):
        why = "the person is, or was, sent this campaign's messages by way of another lead"
        # A lead that another stands for may be parted from it, and be somebody else after all.
        return Answer(Gate.SIXTY_DAYS, None, why, final=not facts.merged)
    if any(held.lasts for held in others):
        return Answer(Gate.SIXTY_DAYS, None, "another sequence holds the person")
    last = max((held.last_sent_at for held in others if held.last_sent_at), default=None)
    if last is None or last + REST <= at:
        return Answer(Gate.SIXTY_DAYS, at, "nothing else was sent to the person in the last 60 days")
    return Answer(Gate.SIXTY_DAYS, last + REST, "something else was sent to the person less than 60 days ago")


def suppression(facts: Facts, at: datetime) -> Answer:
    return _unless_suppressed(facts, at, Gate.SUPPRESSION, {SuppressionReason.COMPLAINT, SuppressionReason.BOUNCE})


def unsubscribed(facts: Facts, at: datetime) -> Answer:
    return _unless_suppressed(facts, at, Gate.UNSUBSCRIBED, {SuppressionReason.UNSUBSCRIBED})


def do_not_contact(facts: Facts, at: datetime) -> Answer:
    asked = {SuppressionReason.DO_NOT_CONTACT, SuppressionReason.REQUEST}
    return _unless_suppressed(facts, at, Gate.DO_NOT_CONTACT, asked)


def erased(facts: Facts, at: datetime) -> Answer:
    if facts.erased:
        return Answer(Gate.ERASED, None, "the person was erased", final=True)
    return Answer(Gate.ERASED, at, "the person is known")


def replied(facts: Facts, at: datetime) -> Answer:
    if facts.replied_at:
        return Answer(Gate.REPLIED, None, "the person has replied", final=True)
    if facts.paused_until and facts.paused_until > at:
        return Answer(Gate.REPLIED, facts.paused_until, "the person is out of office")
    return Answer(Gate.REPLIED, at, "the person has not replied")


def merged(facts: Facts, at: datetime) -> Answer:
    if facts.merged:
        return Answer(Gate.MERGED, None, "another lead stands for this one")
    return Answer(Gate.MERGED, at, "the lead stands for itself")


def condition(facts: Facts, at: datetime) -> Answer:
    if CHANNEL_OF[facts.kind] not in facts.channels and not facts.erased:
        return Answer(Gate.CONDITION, None, f"the lead has no address for {CHANNEL_OF[facts.kind]}", final=True)
    wanted = facts.condition.model_dump(exclude_none=True)
    if other := [name for name, value in wanted.items() if facts.attribution.get(name) != value]:
        return Answer(Gate.CONDITION, None, f"the step is for leads of another {', '.join(other)}", final=True)
    return Answer(Gate.CONDITION, at, "the step is for the lead")


Gates = tuple[Callable[[Facts, datetime], Answer], ...]
GATES_OF_THE_MESSAGE: Final[Gates] = (
    erased, suppression, unsubscribed, do_not_contact, replied, merged, condition, sixty_days, business_hours,
)  # fmt: skip
"""What they say is of one message; those first that may be final."""
GATES_OF_THE_LANE: Final[Gates] = (
    campaign_running, account_healthy, provider_answers, account_capacity, random_gap,
)  # fmt: skip
"""What they say is of all messages of one kind that an account has to send for a campaign."""
GATES: Final[Gates] = GATES_OF_THE_MESSAGE + GATES_OF_THE_LANE
FOREVER: Final = datetime.max.replace(tzinfo=UTC)
"""Until somebody decides otherwise."""


def ask(facts: Facts, at: datetime, gates: Gates = GATES) -> list[Answer]:
    """What each of the gates says of a message at a moment, in their order."""
    return [gate(facts, at) for gate in gates]


def binding(answers: Iterable[Answer], at: datetime) -> Answer | None:
    """Of those that do not let it pass the one that keeps it for good, without a date, or longest; none if all let it pass."""
    closed = [answer for answer in answers if not answer.passes(at)]
    return min(closed, key=_longest_first, default=None)


def earliest(facts: Facts, at: datetime, gates: Gates = GATES) -> datetime | None:
    """The first moment from `at` on when all the gates open, if nothing else changes; none where that has no date."""
    for _ in range(_ASKED_AT_MOST):
        kept = binding(ask(facts, at, gates), at)
        if kept is None:
            return at
        if kept.opens_at is None:
            return None
        at = kept.opens_at
    return None


def _longest_first(answer: Answer) -> tuple[bool, bool, float]:
    return not answer.final, answer.opens_at is not None, -answer.opens_at.timestamp() if answer.opens_at else 0.0


def _unless_suppressed(facts: Facts, at: datetime, gate: Gate, reasons: set[SuppressionReason]) -> Answer:
    meant = [entry for entry in facts.suppressed if entry.reason in reasons and _is_meant(entry, facts, at)]
    if not meant:
        return Answer(gate, at, "no entry of the suppression ledger is about the message")
    if any(entry.expires_at is None for entry in meant):
        return Answer(gate, None, f"the suppression ledger says {_words(meant)}", final=True)
    until = max(entry.expires_at for entry in meant if entry.expires_at)
    return Answer(gate, until, f"the suppression ledger says {_words(meant)} for now")


def _is_meant(entry: Suppressed, facts: Facts, at: datetime) -> bool:
    return (
        (entry.channel is None or entry.channel is CHANNEL_OF[facts.kind])
        and (entry.campaign_id is None or entry.campaign_id == facts.campaign.campaign_id)
        and (entry.expires_at is None or entry.expires_at > at)
    )


def _words(entries: Iterable[Suppressed]) -> str:
    return ", ".join(sorted({_word(entry.reason) for entry in entries}))


def _word(name: str) -> str:
    return str(name).replace("_", " ")
