"""What may leave an account today: its own day, the daily limits, warm-up, recovery, the campaign's own limit, and the gap."""

from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.outreach.accounts import DAILY_LIMITS, AccountSettings
from contracts.outreach.campaigns import CAMPAIGN_DAILY_LIMIT
from contracts.taxonomy import SendKind
from outreach.accounts.domain_limits import (
    RECOVERY,
    RECOVERY_STEP_DAYS,
    WARM_UP_DAYS,
    WARM_UP_FIRST,
    Allowance,
    Capacity,
    Cause,
    Limits,
    allowance,
    capacity,
    explain,
    gap,
    next_day,
    recovered,
    start_of_day,
    warmed_up,
)

NEW_YORK = "America/New_York"
ZONES = [
    NEW_YORK, "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/Santiago", "Africa/Cairo", "Asia/Beirut",
    "America/Nuuk", "Atlantic/Azores", "America/Havana", "Pacific/Kiritimati", "UTC",
]  # fmt: skip
MOMENTS = st.integers(0, 473_000_000).map(lambda seconds: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
DAYS = st.dates(date(2026, 1, 1), date(2027, 12, 31))
PLAIN = Limits(NEW_YORK)


def at(text: str, zone: str = NEW_YORK) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


NOON = at("2026-11-30T12:00")
MIDNIGHT = at("2026-12-01T00:00")


# ---- the account's day


@pytest.mark.parametrize(
    ("day", "hours", "zone"),
    [
        ("2026-03-08", 23, NEW_YORK),
        ("2026-11-01", 25, NEW_YORK),
        ("2026-11-02", 24, NEW_YORK),
        ("2026-03-29", 23, "Europe/Berlin"),
        ("2026-10-25", 25, "Europe/Berlin"),
        ("2026-04-05", 24.5, "Australia/Lord_Howe"),
        ("2026-09-06", 23, "America/Santiago"),  # has no midnight
        ("2026-11-01", 25, "America/Havana"),  # has two
    ],
)
def test_a_day_lasts_as_long_as_the_accounts_clock_says(day: str, hours: float, zone: str) -> None:
    began = start_of_day(zone, at(f"{day}T12:00", zone))
    ended = next_day(zone, began)
    assert ended - began == timedelta(hours=hours)
    last = ended - timedelta(microseconds=1)
    assert (start_of_day(zone, last), next_day(zone, last)) == (began, ended)
    assert start_of_day(zone, ended) == ended


@pytest.mark.parametrize(
    ("last", "first"),
    [
        ("2026-03-09T03:59:59+00:00", "2026-03-09T04:00:00+00:00"),  # the end of a day of 23 hours
        ("2026-11-02T04:59:59+00:00", "2026-11-02T05:00:00+00:00"),  # and of one of 25
    ],
)
def test_yesterdays_messages_count_until_the_last_second_of_a_short_and_of_a_long_day(last: str, first: str) -> None:
    before, after = datetime.fromisoformat(last), datetime.fromisoformat(first)
    assert capacity(PLAIN, SendKind.EMAIL, before, used=100) == Capacity(0, Cause.DAILY_LIMIT, after)
    assert start_of_day(NEW_YORK, before) < before
    assert start_of_day(NEW_YORK, after) == after


@given(MOMENTS, st.sampled_from(ZONES))
def test_days_follow_each_other_without_a_hole_and_each_is_one_date(moment: datetime, zone: str) -> None:
    began, ended = start_of_day(zone, moment), next_day(zone, moment)
    assert began <= moment < ended
    assert timedelta(hours=22, minutes=59) < ended - began < timedelta(hours=25, minutes=1)
    today = moment.astimezone(ZoneInfo(zone)).date()
    assert began.astimezone(ZoneInfo(zone)).date() == today
    assert (began - timedelta(microseconds=1)).astimezone(ZoneInfo(zone)).date() == today - timedelta(days=1)
    assert ended.astimezone(ZoneInfo(zone)).date() == today + timedelta(days=1)


# ---- daily limits


@pytest.mark.parametrize(
    ("kind", "limit"),
    [(SendKind.EMAIL, 100), (SendKind.CONNECTION_REQUEST, 20), (SendKind.LINKEDIN_MESSAGE, 40), (SendKind.SMS, 100)],
)
def test_the_last_of_a_days_messages_passes_and_the_next_waits_for_tomorrow(kind: SendKind, limit: int) -> None:
    assert capacity(PLAIN, kind, NOON, used=0, campaign_limit=1000) == Capacity(limit, Cause.DAILY_LIMIT, NOON)
    assert capacity(PLAIN, kind, NOON, used=limit - 1) == Capacity(1, Cause.DAILY_LIMIT, NOON)
    assert capacity(PLAIN, kind, NOON, used=limit) == Capacity(0, Cause.DAILY_LIMIT, MIDNIGHT)


def test_every_kind_has_a_limit_and_an_account_may_have_its_own() -> None:
    assert set(DAILY_LIMITS) == set(SendKind)
    own = Limits(NEW_YORK, {SendKind.EMAIL: 7})
    assert allowance(own, SendKind.EMAIL, NOON) == Allowance(7, Cause.DAILY_LIMIT)
    assert allowance(own, SendKind.SMS, NOON) == Allowance(100, Cause.DAILY_LIMIT)


def test_a_limit_that_was_lowered_below_what_left_leaves_nothing_today() -> None:
    own = Limits(NEW_YORK, {SendKind.EMAIL: 7})
    assert capacity(own, SendKind.EMAIL, NOON, used=30) == Capacity(0, Cause.DAILY_LIMIT, MIDNIGHT)


def test_a_limit_of_0_leaves_room_on_no_day() -> None:
    none = Limits(NEW_YORK, {SendKind.EMAIL: 0}, date(2026, 11, 30), NOON)
    assert capacity(none, SendKind.EMAIL, NOON, used=0) == Capacity(0, Cause.DAILY_LIMIT, None)
    assert capacity(PLAIN, SendKind.EMAIL, NOON, used=0, campaign_limit=0) == Capacity(0, Cause.CAMPAIGN_LIMIT, None)


def test_the_38th_message_of_a_campaign_passes_and_the_39th_waits() -> None:
    assert CAMPAIGN_DAILY_LIMIT == 38
    passes = capacity(PLAIN, SendKind.EMAIL, NOON, used=37, campaign_used=37)
    waits = capacity(PLAIN, SendKind.EMAIL, NOON, used=38, campaign_used=38)
    assert passes == Capacity(1, Cause.CAMPAIGN_LIMIT, NOON)
    assert waits == Capacity(0, Cause.CAMPAIGN_LIMIT, MIDNIGHT)
    assert capacity(PLAIN, SendKind.EMAIL, NOON, used=38, campaign_used=0).left == 38


def test_of_two_limits_that_leave_the_same_the_accounts_is_named() -> None:
    assert capacity(PLAIN, SendKind.EMAIL, NOON, used=100, campaign_used=38).cause is Cause.DAILY_LIMIT


@given(
    st.sampled_from(SendKind), MOMENTS, st.sampled_from(ZONES), st.integers(0, 200), st.integers(0, 60), st.integers(0, 60)
)  # fmt: skip
def test_no_more_leaves_than_each_limit_allows_and_room_comes_no_later_than_the_next_day(
    kind: SendKind, now: datetime, zone: str, used: int, campaign_used: int, campaign_limit: int
) -> None:
    found = capacity(
        Limits(zone), kind, now, used=used, campaign_used=campaign_used, campaign_limit=campaign_limit
    )  # fmt: skip
    assert found.left == max(0, min(DAILY_LIMITS[kind] - used, campaign_limit - campaign_used))
    assert found.room_at == (now if found.left else next_day(zone, now) if campaign_limit else None)


# ---- warm-up


def test_a_new_account_begins_with_a_few_a_day_and_grows_to_its_limit() -> None:
    began = date(2026, 11, 2)
    grown = [warmed_up(100, began, began + timedelta(days=day)) for day in range(WARM_UP_DAYS + 2)]
    assert grown[:4] == [5, 8, 11, 15]
    assert grown[-3:] == [96, 100, 100]


@given(st.integers(0, 500), DAYS, DAYS, st.integers(0, 3))
def test_warm_up_never_shrinks_and_stays_between_a_few_and_the_limit(
    limit: int, began: date, today: date, later: int
) -> None:
    now, then = warmed_up(limit, began, today), warmed_up(limit, began, today + timedelta(days=later))
    assert min(WARM_UP_FIRST, limit) <= now <= then <= limit
    assert warmed_up(limit, began, began + timedelta(days=WARM_UP_DAYS)) == limit


def test_a_day_of_warm_up_begins_at_midnight_of_the_accounts_clock() -> None:
    warming = Limits(NEW_YORK, warm_up_began=date(2026, 11, 30))
    last = MIDNIGHT - timedelta(seconds=1)
    assert allowance(warming, SendKind.EMAIL, last) == Allowance(5, Cause.WARM_UP)
    assert allowance(warming, SendKind.EMAIL, MIDNIGHT) == Allowance(8, Cause.WARM_UP)
    assert capacity(warming, SendKind.EMAIL, last, used=5) == Capacity(0, Cause.WARM_UP, MIDNIGHT)


def test_once_warm_an_account_is_held_by_its_daily_limit() -> None:
    warm = Limits(NEW_YORK, warm_up_began=date(2026, 11, 2))
    assert allowance(warm, SendKind.EMAIL, NOON) == Allowance(100, Cause.DAILY_LIMIT)


# ---- recovery


def test_after_a_block_the_limit_comes_back_in_steps_over_days() -> None:
    back = Limits(NEW_YORK, recovering_since=NOON)
    days = [allowance(back, SendKind.EMAIL, NOON + timedelta(days=day)) for day in range(8)]
    assert [day.messages for day in days] == [25, 25, 50, 50, 75, 75, 100, 100]
    assert [day.cause for day in days] == [Cause.RECOVERY] * 6 + [Cause.DAILY_LIMIT] * 2


def test_a_step_of_recovery_begins_at_midnight_of_the_accounts_clock_however_late_the_block_ended() -> None:
    back = Limits(NEW_YORK, recovering_since=MIDNIGHT - timedelta(minutes=1))
    second = MIDNIGHT + timedelta(days=1)
    assert allowance(back, SendKind.EMAIL, second - timedelta(seconds=1)).messages == 25
    assert allowance(back, SendKind.EMAIL, second).messages == 50


@given(st.integers(0, 500), DAYS, st.integers(-2, 10), st.integers(0, 3))
def test_recovery_never_shrinks_and_gives_at_least_one_of_a_limit(
    limit: int, began: date, day: int, later: int
) -> None:
    now, then = (recovered(limit, began, began + timedelta(days=days)) for days in (day, day + later))
    assert min(1, limit) <= now <= then <= limit
    assert recovered(limit, began, began + timedelta(days=len(RECOVERY) * RECOVERY_STEP_DAYS)) == limit


def test_an_account_blocked_while_it_was_new_comes_back_to_what_its_warm_up_has_reached() -> None:
    both = Limits(NEW_YORK, warm_up_began=date(2026, 11, 16), recovering_since=NOON)
    assert warmed_up(100, date(2026, 11, 16), date(2026, 11, 30)) == 52
    assert allowance(both, SendKind.EMAIL, NOON) == Allowance(13, Cause.RECOVERY)
    newest = Limits(NEW_YORK, warm_up_began=date(2026, 11, 30), recovering_since=NOON)
    assert allowance(newest, SendKind.EMAIL, NOON) == Allowance(1, Cause.RECOVERY)


# ---- the gap


class _Edge(Random):
    """Draws always the same."""

    def __init__(self, drawn: float) -> None:
        super().__init__()
        self._drawn = drawn

    def random(self) -> float:
        return self._drawn


USUAL = AccountSettings()


def usual_gap(chance: Random) -> float:
    """In minutes, as an account has it unless something else is set."""
    return gap(chance, USUAL.least_gap_minutes, USUAL.most_gap_minutes).total_seconds() / 60


def test_the_gap_reaches_from_six_to_sixteen_minutes() -> None:
    assert usual_gap(_Edge(0.0)) == 6
    assert usual_gap(_Edge(0.5)) == 11
    assert usual_gap(_Edge(1 - 2**-53)) == pytest.approx(16)


@given(st.randoms(use_true_random=False), st.floats(0, 1e3), st.floats(0, 1e3))
def test_a_gap_lies_between_its_bounds(random: Random, one: float, other: float) -> None:
    least, most = sorted((one, other))
    assert timedelta(minutes=least) <= gap(random, least, most) <= timedelta(minutes=most)


def test_gaps_are_spread_evenly() -> None:
    random = Random(17)
    drawn = [usual_gap(random) for _ in range(10_000)]
    for minute in range(6, 16):
        assert 900 < sum(minute <= drawn_minutes < minute + 1 for drawn_minutes in drawn) < 1100


@pytest.mark.parametrize(("least", "most"), [(2, 1), (-1, 1)])
def test_a_gap_that_cannot_be_is_refused(least: float, most: float) -> None:
    with pytest.raises(ValueError):
        AccountSettings(least_gap_minutes=least, most_gap_minutes=most)


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (PLAIN, "its daily limit"),
        (Limits(NEW_YORK, warm_up_began=date(2026, 11, 28)), "day 3 of the 28 of its ramp to 100 a day"),
        (Limits(NEW_YORK, warm_up_began=date(2026, 12, 24)), "day 1 of the 28 of its ramp to 100 a day"),
        (
            Limits(NEW_YORK, recovering_since=NOON - timedelta(days=3)),
            "day 4 of the 6 in which it comes back after a block",
        ),
        (Limits(NEW_YORK, recovering_since=NOON - timedelta(days=30)), "its daily limit"),
    ],
)
def test_an_allowance_is_told_in_plain_words(limits: Limits, says: str) -> None:
    assert explain(limits, SendKind.EMAIL, NOON) == says
