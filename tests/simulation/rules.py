"""The rules that no message may break, checked in the sandbox's own log against what the simulation itself chose. Pure.

Nothing here is of the code that keeps the rules: clocks, days, holidays and limits are worked out a second time.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

CHANNELS = {"email": "email", "connection_request": "linkedin", "linkedin_message": "linkedin", "sms": "phone"}
"""What somebody is reached by, by the kind of message."""
LIMITS = {"email": 100, "connection_request": 20, "linkedin_message": 40, "sms": 100}
"""Messages a day and account, where it has no others."""
CAP = 38
"""Messages a day of one campaign and account."""
GAP = timedelta(minutes=6)
REST = timedelta(days=60)
OPENS, CLOSES = time(9), time(18)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that the sandbox took.

    Attributes:
        step: which of its campaign's it is, from 1.
        deliveries: how often it was taken.
    """

    message_id: UUID
    account_id: UUID
    campaign_id: UUID
    lead_id: UUID
    kind: str
    step: int
    at: datetime
    deliveries: int = 1


@dataclass(frozen=True, slots=True)
class Account:
    """An account as it was ordered.

    Attributes:
        warm_up_began: the first day of its ramp, by its own clock; none if it has none.
    """

    zone: str
    limits: Mapping[str, int] = field(default_factory=dict)
    warm_up_began: date | None = None

    def day(self, at: datetime) -> date:
        return at.astimezone(ZoneInfo(self.zone)).date()

    def limit(self, kind: str, day: date) -> int:
        """How many of a kind may leave on a day: all, or of a new account 5 at first, and all after 28 days in equal steps."""
        limit = self.limits.get(kind, LIMITS[kind])
        if self.warm_up_began is None:
            return limit
        days = min(max((day - self.warm_up_began).days, 0), 28)
        return min(limit, 5 + (limit - 5) * days // 28)


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign as it was ordered.

    Attributes:
        delays: days between each step and the one before it.
        holidays: the days on which nothing of it leaves, by the recipient's clock.
    """

    delays: tuple[int, ...]
    holidays: frozenset[date]


@dataclass(frozen=True, slots=True)
class Lead:
    """A lead as it arrived.

    Attributes:
        person: whose it is; others may be theirs too.
        addresses: the tokens of their addresses, by channel.
        zone: where they are; none where that is not known.
    """

    person: str
    addresses: Mapping[str, str]
    zone: str | None


@dataclass(frozen=True, slots=True)
class Silence:
    """From a moment on nothing is sent that is of everything named here, until another moment, if there is one.

    What leaves at the very moment may have left before it was told.
    """

    why: str
    since: datetime
    until: datetime | None = None
    account_id: UUID | None = None
    campaign_id: UUID | None = None
    lead_id: UUID | None = None
    person: str | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class World:
    """What the simulation chose."""

    accounts: Mapping[UUID, Account]
    campaigns: Mapping[UUID, Campaign]
    leads: Mapping[UUID, Lead]
    silences: Sequence[Silence] = ()


Log = Sequence[Delivery]
Rule = Callable[[Log, World], list[str]]


def sent_twice(log: Log, world: World) -> list[str]:
    """No message is taken twice, and nobody is sent a step of a campaign twice, by way of whichever lead."""
    twice = [f"message {each.message_id} was taken {each.deliveries} times" for each in log if each.deliveries != 1]
    steps = defaultdict(list)
    for each in log:
        steps[world.leads[each.lead_id].person, each.campaign_id, each.step].append(each)
    for (person, campaign, step), same in steps.items():
        if len(same) > 1:
            twice.append(f"{person} was sent step {step} of {campaign} {len(same)} times")
    return twice


def over_a_limit(log: Log, world: World) -> list[str]:
    """No more of a kind leave an account on a day of its clock than its limit."""
    by_day = defaultdict(int)
    for each in log:
        by_day[each.account_id, each.kind, world.accounts[each.account_id].day(each.at)] += 1
    return [
        f"{count} {kind} left account {account} on {day}, and {limit} may"
        for (account, kind, day), count in by_day.items()
        if count > (limit := world.accounts[account].limit(kind, day))
    ]


def over_the_cap(log: Log, world: World) -> list[str]:
    """No more than 38 of a campaign leave an account on a day of its clock."""
    by_day = defaultdict(int)
    for each in log:
        by_day[each.campaign_id, each.account_id, world.accounts[each.account_id].day(each.at)] += 1
    return [
        f"{count} of campaign {campaign} left account {account} on {day}, and {CAP} may"
        for (campaign, account, day), count in by_day.items()
        if count > CAP
    ]


def too_close(log: Log, world: World) -> list[str]:
    """Six minutes at least lie between two messages of an account."""
    return [
        f"account {one.account_id} sent {one.message_id} and {other.message_id} within {other.at - one.at}"
        for of_account in _by(log, lambda each: each.account_id)
        for one, other in pairwise(of_account)
        if other.at - one.at < GAP
    ]


def outside_hours(log: Log, world: World) -> list[str]:
    """Messages leave from 9 to 18, Monday to Friday, by the recipient's clock or else the account's, but on holidays."""
    outside = []
    for each in log:
        zone = world.leads[each.lead_id].zone or world.accounts[each.account_id].zone
        there = each.at.astimezone(ZoneInfo(zone))
        off = there.isoweekday() > 5 or there.date() in world.campaigns[each.campaign_id].holidays
        if off or not OPENS <= there.time() < CLOSES:
            outside.append(f"{each.message_id} left at {there.isoformat()} ({zone})")
    return outside


def within_sixty_days(log: Log, world: World) -> list[str]:
    """Nobody is sent anything of another campaign within 60 days, or ever anything of the same one by way of another lead."""
    broken = []
    for of_person in _by(log, lambda each: world.leads[each.lead_id].person):
        last: dict[tuple[UUID, UUID], datetime] = {}
        for each in of_person:
            for (campaign, lead), at in last.items():
                if campaign != each.campaign_id and each.at - at < REST:
                    broken.append(f"{each.message_id} left {each.at - at} after one of campaign {campaign}")
                if campaign == each.campaign_id and lead != each.lead_id:
                    broken.append(f"{each.message_id} left to a second lead of the same person")
            last[each.campaign_id, each.lead_id] = each.at
    return broken


def in_spite_of(log: Log, world: World) -> list[str]:
    """Nobody is sent anything after they answered, unsubscribed, complained, bounced or were erased, nor by way of a lead that another
    stands for; nothing leaves what is paused, or was stopped by its provider, its health or a guard."""
    mine: dict[tuple[str, object], list[Silence]] = defaultdict(list)
    for silence in world.silences:
        mine[_chosen(silence)].append(silence)
    broken = []
    for each in log:
        lead = world.leads[each.lead_id]
        about = {
            "account_id": each.account_id, "campaign_id": each.campaign_id, "lead_id": each.lead_id, "person": lead.person,
            "address": lead.addresses.get(CHANNELS[each.kind]),
        }  # fmt: skip
        for name, value in about.items():
            for silence in mine.get((name, value), ()):
                meant = all(getattr(silence, other) in (None, about[other]) for other in about)
                if meant and silence.since < each.at and (silence.until is None or each.at < silence.until):
                    broken.append(f"{each.message_id} left at {each.at}: {silence.why} since {silence.since}")
    return broken


def out_of_step(log: Log, world: World) -> list[str]:
    """Of a sequence the steps follow each other in order, each by its delay after what was sent before it."""
    broken = []
    for of_sequence in _by(log, lambda each: (each.campaign_id, each.lead_id)):
        for one, other in pairwise(of_sequence):
            days = sum(world.campaigns[one.campaign_id].delays[one.step : other.step])
            if other.step <= one.step:
                broken.append(f"step {other.step} ({other.message_id}) left behind step {one.step}")
            elif other.at - one.at < timedelta(days=days):
                broken.append(f"step {other.step} ({other.message_id}) left {other.at - one.at} after step {one.step}")
    return broken


def stopped(told: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Silence]:
    """What is to send nothing by what outreach tells, in its order: names of events, and their bodies.

    Until it is told that it goes on. An account that stopped for two reasons, of which one ends by itself, may go on at that moment, before it
    is told.
    """
    found: list[Silence] = []
    standing: dict[UUID, list[int]] = defaultdict(list)
    for name, body in told:
        subject = UUID(body.get("account_id") or body["campaign_id"])
        at = datetime.fromisoformat(body["occurred_at"])
        if name in ("automation_resumed", "campaign_resumed"):
            for number in standing.pop(subject, ()):
                found[number] = replace(found[number], until=min(found[number].until or at, at))
        elif name == "automation_throttled":
            ends = datetime.fromisoformat(body["until"]) if body.get("until") else None
            mine = [found[number] for number in standing[subject]]
            ends = ends or max((each.until for each in mine if each.until and each.until > at), default=None)
            if ends:
                for number in standing[subject]:
                    found[number] = replace(found[number], until=found[number].until or ends)
            standing[subject].append(len(found))
            found.append(Silence(f"it was throttled: {body['reason']}", at, ends, account_id=subject))
        elif name == "campaign_paused" and body.get("reason"):
            standing[subject].append(len(found))
            found.append(Silence(f"it was stopped: {body['reason']}", at, campaign_id=subject))
    return found


RULES: Sequence[Rule] = (
    sent_twice, over_a_limit, over_the_cap, too_close, outside_hours, within_sixty_days, in_spite_of, out_of_step,
)  # fmt: skip


def broken(log: Log, world: World) -> list[str]:
    """What of the log breaks a rule, in plain words."""
    return [f"{rule.__name__}: {what}" for rule in RULES for what in rule(log, world)]


def told_otherwise(log: Log, states: Mapping[UUID, str]) -> list[str]:
    """What is called sent was taken by the sandbox, and what it took is called sent, or unknown, or is not known to be over."""
    taken = {each.message_id for each in log}
    return [
        f"{message} is {state}, and was {'' if message in taken else 'not '}taken"
        for message, state in states.items()
        if (state == "sent" and message not in taken)
        or (message in taken and state not in ("sending", "sent", "unknown"))
    ]


def measures(log: Log, world: World) -> dict[str, int]:
    """How much of what the rules are about the log shows: with none of it they would be kept by nobody's doing."""
    days: dict[tuple[UUID, str, date], int] = defaultdict(int)
    capped: dict[tuple[UUID, UUID, date], int] = defaultdict(int)
    clocks, at_nine, on_holidays = set(), 0, 0
    off = frozenset[date]().union(*(campaign.holidays for campaign in world.campaigns.values()))
    for each in log:
        account = world.accounts[each.account_id]
        days[each.account_id, each.kind, account.day(each.at)] += 1
        capped[each.account_id, each.campaign_id, account.day(each.at)] += 1
        zone = world.leads[each.lead_id].zone or account.zone
        there = each.at.astimezone(ZoneInfo(zone))
        clocks.add((zone, there.utcoffset()))
        at_nine += there.time() == OPENS
        on_holidays += there.date() in off
    campaigns: dict[str, set[UUID]] = defaultdict(set)
    for each in log:
        campaigns[world.leads[each.lead_id].person].add(each.campaign_id)
    return {
        "taken": len(log),
        "follow-ups": sum(each.step > 1 for each in log),
        "days at a limit": sum(
            count == world.accounts[account].limit(kind, day) for (account, kind, day), count in days.items()
        ),
        "days at the cap": sum(count == CAP for count in capped.values()),
        "clocks": len(clocks),
        "at nine sharp": at_nine,
        "on others' holidays": on_holidays,
        "contacted again": sum(len(theirs) > 1 for theirs in campaigns.values()),
    }


def _by(log: Log, key: Callable[[Delivery], object]) -> Iterable[list[Delivery]]:
    """The deliveries of each key, in the order of time."""
    groups: dict[object, list[Delivery]] = defaultdict(list)
    for each in sorted(log, key=lambda each: each.at):
        groups[key(each)].append(each)
    return groups.values()


def _chosen(silence: Silence) -> tuple[str, object]:
    """The one of what a silence names that it is looked up by."""
    for name in ("address", "person", "lead_id", "account_id", "campaign_id"):
        if (value := getattr(silence, name)) is not None:
            return name, value
    raise ValueError("a silence is about something")


def utc(day: date, hour: int = 0) -> datetime:
    return datetime.combine(day, time(hour), UTC)
