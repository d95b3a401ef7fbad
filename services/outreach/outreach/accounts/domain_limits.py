"""How much may leave an account today, and how far apart: the account's own day, its limits, and their ramps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from fractions import Fraction
from random import Random
from zoneinfo import ZoneInfo

from contracts.outreach.accounts import DAILY_LIMITS
from contracts.outreach.campaigns import CAMPAIGN_DAILY_LIMIT
from contracts.taxonomy import SendKind

WARM_UP_FIRST = 5
"""Messages of a kind on a new account's first day."""
WARM_UP_DAYS = 28
"""Days until a new account may send as much as any."""
RECOVERY = (Fraction(1, 4), Fraction(1, 2), Fraction(3, 4))
"""Shares of its daily limit that an account has back, step by step, after it was blocked."""
RECOVERY_STEP_DAYS = 2
"""Days that each step lasts."""


class Cause(StrEnum):
    """What says how many messages may still leave."""

    DAILY_LIMIT = "daily_limit"
    WARM_UP = "warm_up"
    RECOVERY = "recovery"
    CAMPAIGN_LIMIT = "campaign_limit"


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many messages of a kind an account may send in one day, and what says so."""

    messages: int
    cause: Cause


@dataclass(frozen=True, slots=True)
class Limits:
    """What says how much an account may send.

    Attributes:
        zone: its time zone (IANA); its day is that of its own clock.
        daily: messages a day by kind, where they are not `DAILY_LIMITS`.
        warm_up_began: the date, on its clock, of the first day of its warm-up; none, if it needs none.
        recovering_since: when it was last let go after it was blocked (`domain_health.Standing`).
    """

    zone: str
    daily: Mapping[SendKind, int] = field(default_factory=dict)
    warm_up_began: date | None = None
    recovering_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many messages may still leave today.

    Attributes:
        left: how many, 0 or more.
        cause: which limit says so: of two that leave the same, the account's.
        room_at: the earliest moment at which one may leave: now, or when the account's next day begins. None, if a limit of 0
            means that none ever will.
    """

    left: int
    cause: Cause
    room_at: datetime | None


def capacity(
    limits: Limits,
    kind: SendKind,
    now: datetime,
    *,
    used: int,
    campaign_used: int = 0,
    campaign_limit: int = CAMPAIGN_DAILY_LIMIT,
) -> Capacity:
    """How many more messages of a kind a campaign may send from an account today.

    `used` is how many of the kind left the account since `start_of_day`, or are on their way (claimed, sending, unknown);
    `campaign_used` how many of the campaign's did from this account, of all kinds.
    """
    today = allowance(limits, kind, now)
    left = Capacity(max(0, today.messages - used), today.cause, now)
    if (campaign_left := max(0, campaign_limit - campaign_used)) < left.left:
        left = Capacity(campaign_left, Cause.CAMPAIGN_LIMIT, now)
    if left.left:
        return left
    tomorrow = next_day(limits.zone, now)
    ever = campaign_limit > 0 and allowance(limits, kind, tomorrow).messages > 0
    return Capacity(0, left.cause, tomorrow if ever else None)


def allowance(limits: Limits, kind: SendKind, moment: datetime) -> Allowance:
    """How many messages of a kind may leave an account on the day in which a moment lies; at least one, unless its limit is 0.

    Warm-up and recovery multiply: a new account that was blocked comes back to what its warm-up has reached.
    """
    limit = limits.daily.get(kind, DAILY_LIMITS[kind])
    today = _date(limits.zone, moment)
    messages, cause = limit, Cause.DAILY_LIMIT
    if limits.warm_up_began is not None and (warm := warmed_up(limit, limits.warm_up_began, today)) < messages:
        messages, cause = warm, Cause.WARM_UP
    if limits.recovering_since is not None:
        back = recovered(messages, _date(limits.zone, limits.recovering_since), today)
        if back < messages:
            messages, cause = back, Cause.RECOVERY
    return Allowance(messages, cause)


def explain(limits: Limits, kind: SendKind, moment: datetime) -> str:
    """An allowance in plain words: what says so, and of how many messages a day.

    >>> explain(Limits("UTC", {SendKind.EMAIL: 60}, date(2026, 12, 1)), SendKind.EMAIL, datetime(2026, 12, 3, 12, tzinfo=UTC))
    'day 3 of the 28 of its ramp to 60 a day'
    """
    limit, today = limits.daily.get(kind, DAILY_LIMITS[kind]), _date(limits.zone, moment)
    match allowance(limits, kind, moment).cause:
        case Cause.WARM_UP if limits.warm_up_began is not None:
            day = max((today - limits.warm_up_began).days, 0) + 1
            return f"day {day} of the {WARM_UP_DAYS} of its ramp to {limit:,} a day"
        case Cause.RECOVERY if limits.recovering_since is not None:
            day = max((today - _date(limits.zone, limits.recovering_since)).days, 0) + 1
            return f"day {day} of the {len(RECOVERY) * RECOVERY_STEP_DAYS} in which it comes back after a block"
    return "its daily limit"


def warmed_up(limit: int, began: date, today: date) -> int:
    """Messages on a day of warm-up: from `WARM_UP_FIRST` on the first day, by equal steps, to the limit after `WARM_UP_DAYS`.

    Before its first day as on it. By dates alone, so that it can be told in advance, and a day without sends loses nothing.
    """
    day = min(max((today - began).days, 0), WARM_UP_DAYS)
    first = min(WARM_UP_FIRST, limit)
    return first + (limit - first) * day // WARM_UP_DAYS


def recovered(limit: int, began: date, today: date) -> int:
    """Messages on a day after a block, the day on which it ended being the first: a share of the limit, at least one of it."""
    step = max((today - began).days, 0) // RECOVERY_STEP_DAYS
    if step >= len(RECOVERY):
        return limit
    return min(limit, max(1, int(limit * RECOVERY[step])))


def start_of_day(zone: str, now: datetime) -> datetime:
    """When the day of a zone's clock began (UTC): at midnight, the first of two, or where the clock skips it, when it does."""
    return _midnight(zone, _date(zone, now))


def next_day(zone: str, now: datetime) -> datetime:
    """When the next day of a zone's clock begins (UTC): 24 hours after this one did, or 23 or 25 where the clock is changed."""
    return _midnight(zone, _date(zone, now) + timedelta(days=1))


def gap(chance: Random, least: float, most: float) -> timedelta:
    """How long after a message the next one leaves an account, from `least` to `most` minutes, any as likely as another."""
    return timedelta(minutes=chance.uniform(least, most))


def _date(zone: str, moment: datetime) -> date:
    return moment.astimezone(ZoneInfo(zone)).date()


def _midnight(zone: str, day: date) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
