"""What `leadloop outreach verify` demands: evidence that a rule was kept passes, and whatever breaks or does not show it fails."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.outreach.accounts import HealthTerm
from contracts.outreach.campaigns import AudienceView, CampaignSettings, CampaignState, CampaignView, Step
from contracts.outreach.people import ContactStatus, ContactView
from contracts.taxonomy import SendKind
from leadloop.verifying import health, hours, limits, pacing, pausing, sixty_days
from leadloop.verifying.check import Check, Delivery, Waiting, moment, told

ACCOUNT, ANOTHER = uuid4(), uuid4()
NEW_YORK = "America/New_York"
MICROSECOND = timedelta(microseconds=1)
Seen = Any
Broken = tuple[str, Callable[[Seen], Seen]]


def delivery(at: datetime, kind: str = "email", account: UUID = ACCOUNT, **other: Any) -> Delivery:
    about: dict[str, Any] = {"message_id": uuid4(), "lead_id": uuid4(), "deliveries": 1, **other}
    return Delivery(account_id=account, kind=kind, at=at, **about)


def waiting(gate: str, earliest: datetime | None, state: str = "queued") -> Waiting:
    return Waiting(uuid4(), state, gate, earliest)


def later(waits: Sequence[Waiting], at: datetime, kind: str = "email") -> list[Delivery]:
    """What waited has left."""
    return [delivery(at, kind, message_id=each.message_id) for each in waits]


def limits_kept(kind: SendKind) -> limits.Seen:
    today, tomorrow = moment("2027-01-04 12:00", NEW_YORK), moment("2027-01-05 09:00", NEW_YORK)
    waits = [waiting("account_capacity", tomorrow) for _ in range(3)]
    left = [delivery(today, kind.value) for _ in range(limits.A_DAY[kind])]
    return limits.Seen(kind, ACCOUNT, [*left, *later(waits, tomorrow, kind.value)], waits)


LIMITS_BROKEN: list[Broken] = [
    ("one more", lambda seen: replace(seen, left=[*seen.left, seen.left[0]])),
    ("one less", lambda seen: replace(seen, left=seen.left[1:])),
    ("one waited and left", lambda seen: replace(seen, left=[*seen.left[:-1], replace(seen.left[-1], at=seen.left[0].at)])),
    ("one of those that waited never left", lambda seen: replace(seen, left=seen.left[:-1])),
    ("one was sent twice", lambda seen: replace(seen, left=[replace(seen.left[0], deliveries=2), *seen.left[1:]])),
    ("by another account", lambda seen: replace(seen, left=[replace(seen.left[0], account_id=ANOTHER), *seen.left[1:]])),
    ("of another kind", lambda seen: replace(seen, left=[replace(seen.left[0], kind="sms"), *seen.left[1:]])),
    ("nothing waited", lambda seen: replace(seen, waiting=[])),
    ("for something else", lambda seen: replace(seen, waiting=[replace(seen.waiting[0], gate="random_gap")])),
    ("until another day", lambda seen: replace(seen, waiting=[replace(seen.waiting[0], earliest=None)])),
]  # fmt: skip


@pytest.mark.parametrize("kind", list(limits.A_DAY))
def test_as_many_a_day_as_the_checklist_says(kind: SendKind) -> None:
    assert {kind.value: limit for kind, limit in limits.A_DAY.items()} == {
        "connection_request": 20, "linkedin_message": 40, "email": 100,
    }  # fmt: skip
    check = limits.judge(limits_kept(kind))
    assert (check.passed, check.name) == (True, f"{kind.value}s_a_day")
    assert f"{limits.A_DAY[kind]} of {limits.A_DAY[kind] + 3} left" in check.evidence


@pytest.mark.parametrize(("what", "breaking"), LIMITS_BROKEN)
def test_a_limit_that_is_not_kept_fails(what: str, breaking: Callable[[Seen], Seen]) -> None:
    assert not limits.judge(breaking(limits_kept(SendKind.EMAIL))).passed, what


def pace_kept(gaps: Sequence[float] = ()) -> pacing.Seen:
    opens, tomorrow = moment("2027-01-06 09:00", NEW_YORK), moment("2027-01-07 09:00", NEW_YORK)
    moments = [opens]
    for minutes in gaps or [6 + number * 10 / 36 for number in range(37)]:
        moments.append(moments[-1] + timedelta(minutes=minutes))
    waits = [waiting("account_capacity", tomorrow)]
    of_other = [delivery(moments[-1] + timedelta(minutes=16))]
    left = [*(delivery(at) for at in moments), *later(waits, tomorrow)]
    looked = [at + timedelta(minutes=6) - MICROSECOND for at in moments[:-1:6]]
    return pacing.Seen(ACCOUNT, left, waits, of_other, moments[1:], looked)


PACE_BROKEN: list[Broken] = [
    ("37", lambda seen: replace(seen, of_campaign=seen.of_campaign[1:])),
    ("39", lambda seen: replace(seen, of_campaign=[*seen.of_campaign[:-1], replace(seen.of_campaign[-1], at=seen.of_other[0].at)])),
    ("the 39th did not wait", lambda seen: replace(seen, waiting=[])),
    ("it waited for something else", lambda seen: replace(seen, waiting=[waiting("random_gap", None)])),
    ("it never left", lambda seen: replace(seen, of_campaign=seen.of_campaign[:-1])),
    ("by another account", lambda seen: replace(seen, of_other=[replace(seen.of_other[0], account_id=ANOTHER)])),
    ("it may be the account's limit", lambda seen: replace(seen, of_other=[])),
    ("one was sent twice", lambda seen: replace(seen, of_campaign=[replace(seen.of_campaign[0], deliveries=2), *seen.of_campaign[1:]])),
]  # fmt: skip


def test_the_38th_passes_and_the_39th_waits() -> None:
    check = pacing.judge_cap(pace_kept())
    assert check.passed, check
    assert "38 of 39 left" in check.evidence


@pytest.mark.parametrize(("what", "breaking"), PACE_BROKEN)
def test_a_cap_that_is_not_kept_fails(what: str, breaking: Callable[[Seen], Seen]) -> None:
    assert not pacing.judge_cap(breaking(pace_kept())).passed, what


def test_gaps_of_6_to_16_minutes_pass() -> None:
    check = pacing.judge_gaps(pace_kept())
    assert check.passed, check
    assert "37 gaps between 6 min 0.0 s and 16 min 0.0 s" in check.evidence


@pytest.mark.parametrize(
    "seen",
    [
        pace_kept([6 - 1e-6, *(6 + number / 4 for number in range(36))]),
        pace_kept([16 + 1e-6, *(6 + number / 4 for number in range(36))]),
        pace_kept([11.0] * 37),
        pace_kept([7 + number / 10 for number in range(20)]),
        replace(pace_kept(), due=[at + MICROSECOND for at in pace_kept().due]),
        replace(pace_kept(), looked=pace_kept().looked[:5]),
        replace(pace_kept(), of_other=[delivery(pace_kept().due[-1] + timedelta(minutes=5))]),
    ],
    ids=["shorter", "longer", "constant", "too few", "not when it was said", "not looked at", "none before another campaign"],
)  # fmt: skip
def test_gaps_that_are_not_kept_fail(seen: pacing.Seen) -> None:
    assert not pacing.judge_gaps(seen).passed


def hours_kept() -> list[hours.Seen]:
    return [
        hours.Seen(case, *[waiting("business_hours", case.leaves) if case.leaves > case.queued else None] * 2, case.leaves)
        for case in hours.CASES
    ]  # fmt: skip


def test_every_boundary_of_the_business_hours_is_tried() -> None:
    checks = hours.judge(hours_kept())
    assert [(check.name, check.passed) for check in checks] == [
        ("business_hours_boundaries", True), ("business_hours_days_off", True), ("business_hours_clock_changes", True),
        ("recipients_time_zone", True),
    ]  # fmt: skip
    assert {told(case.queued, case.clock)[14:] for case in hours.CASES if case.zone == "Europe/Berlin"} >= {
        " 08:59:59.999999 CEST", " 09:00:00 CEST", " 17:59:59.999999 CEST", " 18:00:00 CEST",
    }  # fmt: skip
    same_moment = [case for case in hours.CASES if case.queued == datetime(2027, 6, 8, 13, tzinfo=UTC)]
    assert len({case.leaves for case in same_moment}) == 3


HOURS_BROKEN: list[Broken] = [
    ("too early", lambda seen: replace(seen, left=seen.case.queued)),
    ("too late", lambda seen: replace(seen, left=seen.case.leaves + MICROSECOND)),
    ("never", lambda seen: replace(seen, left=None)),
    ("not looked at first", lambda seen: replace(seen, at_first=None)),
    ("not looked at last", lambda seen: replace(seen, at_last=None)),
    ("for something else", lambda seen: replace(seen, at_last=waiting("random_gap", seen.case.leaves))),
    ("until another moment", lambda seen: replace(seen, at_first=waiting("business_hours", None))),
]
_WAITING = [number for number, case in enumerate(hours.CASES) if case.leaves > case.queued]


@pytest.mark.parametrize(("what", "breaking"), HOURS_BROKEN)
@pytest.mark.parametrize("number", _WAITING)
def test_hours_that_are_not_kept_fail(number: int, what: str, breaking: Callable[[Seen], Seen]) -> None:
    seen = hours_kept()
    seen[number] = breaking(seen[number])
    assert [check.name for check in hours.judge(seen) if not check.passed] == [seen[number].case.check], what


@pytest.mark.parametrize("number", sorted(set(range(len(hours.CASES))) - set(_WAITING)))
def test_what_was_to_leave_at_once_and_did_not_fails(number: int) -> None:
    seen = hours_kept()
    seen[number] = replace(seen[number], left=seen[number].case.leaves + timedelta(days=1))
    assert [check.name for check in hours.judge(seen) if not check.passed] == [seen[number].case.check]


LAST = datetime(2027, 1, 28, 10, tzinfo=UTC)


def rest_kept(other: sixty_days.Other) -> sixty_days.Seen:
    rested = LAST + timedelta(days=60)
    account = ACCOUNT if other.accounts == "first" else ANOTHER
    return sixty_days.Seen(
        other, [delivery(LAST - timedelta(days=3)), delivery(LAST)], [delivery(rested, other.kind.value, account)],
        [waiting("sixty_days", None)], [waiting("sixty_days", rested)],
    )  # fmt: skip


REST_BROKEN: list[Broken] = [
    ("59 d 23:59:59.999999", lambda seen: replace(seen, of_other=[replace(seen.of_other[0], at=seen.of_other[0].at - MICROSECOND)])),
    ("later", lambda seen: replace(seen, of_other=[replace(seen.of_other[0], at=seen.of_other[0].at + MICROSECOND)])),
    ("never", lambda seen: replace(seen, of_other=[])),
    ("not looked at last", lambda seen: replace(seen, at_last=[])),
    ("not looked at meanwhile", lambda seen: replace(seen, meanwhile=[])),
    ("for something else", lambda seen: replace(seen, at_last=[waiting("random_gap", LAST + timedelta(days=60))])),
    ("until another moment", lambda seen: replace(seen, at_last=[waiting("sixty_days", LAST)])),
    ("its own next step did not leave", lambda seen: replace(seen, first=seen.first[:1])),
    ("sent twice", lambda seen: replace(seen, of_other=[replace(seen.of_other[0], deliveries=2)])),
    ("of another kind", lambda seen: replace(seen, of_other=[replace(seen.of_other[0], kind="sms")])),
    ("by the wrong account", lambda seen: replace(seen, of_other=[
        replace(seen.of_other[0], account_id=ANOTHER if seen.of_other[0].account_id == ACCOUNT else ACCOUNT)])),
]  # fmt: skip


@pytest.mark.parametrize("other", sixty_days.OTHERS, ids=lambda other: other.check)
def test_what_left_after_exactly_60_days_passes(other: sixty_days.Other) -> None:
    check = sixty_days.judge(rest_kept(other), ACCOUNT)
    assert (check.name, check.passed) == (other.check, True), check


@pytest.mark.parametrize(("what", "breaking"), REST_BROKEN)
@pytest.mark.parametrize("other", sixty_days.OTHERS, ids=lambda other: other.check)
def test_60_days_that_are_not_kept_fail(other: sixty_days.Other, what: str, breaking: Callable[[Seen], Seen]) -> None:
    assert not sixty_days.judge(breaking(rest_kept(other)), ACCOUNT).passed, what


def contact(**about: Any) -> ContactView:
    resting: dict[str, Any] = {
        "status": ContactStatus.RESTING, "last_contacted": LAST, "eligible_for_outreach": False,
        "eligible_from": LAST + timedelta(days=60),
    }  # fmt: skip
    return ContactView(lead_id=uuid4(), channels=[], **{**resting, **about})


RESTED = contact(status=ContactStatus.CONTACTED, eligible_for_outreach=True, eligible_from=None)


def test_a_contact_that_is_shown_as_it_is_passes() -> None:
    assert sixty_days.judge_contact(contact(), RESTED).passed


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (contact(eligible_for_outreach=True), RESTED),
        (contact(eligible_from=LAST), RESTED),
        (contact(), contact()),
        (contact(last_contacted=None), RESTED),
    ],
    ids=["eligible too early", "from another moment", "never eligible", "never contacted"],
)
def test_a_contact_that_is_not_shown_as_it_is_fails(before: ContactView, after: ContactView) -> None:
    assert not sixty_days.judge_contact(before, after).passed


def blocked() -> health.Seen:
    course = [health.Standing(count, score, score < 30) for count, score in enumerate((100, 77, 55, 32, 25))]
    term = HealthTerm(trouble="recipient_bounce", count=4, sends=100, points_lost=75, why="bounces: 4")
    waits = [waiting("account_healthy", None)] * 2
    return health.Seen(ACCOUNT, course, [term], waits, [], [delivery(LAST)])


HEALTH_BROKEN: list[Broken] = [
    ("it sent with 29", lambda seen: replace(seen, course=[*seen.course[:3], health.Standing(3, 29, False), seen.course[4]])),
    ("it was blocked with 32", lambda seen: replace(seen, course=[*seen.course[:3], health.Standing(3, 32, True)])),
    ("it was not blocked with 25", lambda seen: replace(seen, course=[*seen.course[:4], health.Standing(4, 25, False)])),
    ("it never came below 30", lambda seen: replace(seen, course=seen.course[:4])),
    ("it never sent", lambda seen: replace(seen, course=seen.course[4:])),
    ("two at once", lambda seen: replace(seen, course=[*seen.course[:2], *seen.course[3:]])),
    ("something left", lambda seen: replace(seen, left_blocked=[delivery(LAST)])),
    ("nothing waited", lambda seen: replace(seen, waiting=[])),
    ("for something else", lambda seen: replace(seen, waiting=[waiting("random_gap", None)])),
    ("it goes on by itself", lambda seen: replace(seen, waiting=[waiting("account_healthy", LAST)])),
    ("nobody says why", lambda seen: replace(seen, terms=[])),
    ("nothing left when it was resumed", lambda seen: replace(seen, left_resumed=[])),
    ("by another account", lambda seen: replace(seen, left_resumed=[delivery(LAST, account=ANOTHER)])),
    ("sent twice", lambda seen: replace(seen, left_resumed=[delivery(LAST, deliveries=2)])),
]  # fmt: skip


def test_an_account_that_is_blocked_below_30_passes() -> None:
    check = health.judge(blocked())
    assert check.passed, check
    assert "health 100 77 55 32 25 with 0 to 4 bounces" in check.evidence


@pytest.mark.parametrize(("what", "breaking"), HEALTH_BROKEN)
def test_an_account_that_is_not_blocked_fails(what: str, breaking: Callable[[Seen], Seen]) -> None:
    assert not health.judge(breaking(blocked())).passed, what


def campaign(sent: int, in_flight: int) -> CampaignView:
    return CampaignView(
        campaign_id=uuid4(), title="paused", state=CampaignState.PAUSED, audience=AudienceView(), steps=[Step()],
        settings=CampaignSettings(), created_at=LAST, enrolled=80, queued=80 - sent, in_flight=in_flight, sent=sent, failed=0,
        skipped=0, unknown=0,
    )  # fmt: skip


def paused() -> pausing.Seen:
    left = [delivery(LAST) for _ in range(32)]
    return pausing.Seen(
        campaign(2, 30), left, [waiting("campaign_running", None)], 1, [*left, *(delivery(LAST) for _ in range(48))]
    )


PAUSE_BROKEN: list[Broken] = [
    ("one more left", lambda seen: replace(seen, left=[*seen.left, delivery(LAST)])),
    ("one in flight was lost", lambda seen: replace(seen, left=seen.left[1:])),
    ("nothing had begun to leave", lambda seen: replace(seen, replied=campaign(0, 0), left=[])),
    ("none had been claimed", lambda seen: replace(seen, claimed=0)),
    ("all had left", lambda seen: replace(seen, replied=campaign(80, 0), left=seen.left_resumed)),
    ("nothing waited", lambda seen: replace(seen, waiting=[])),
    ("for something else", lambda seen: replace(seen, waiting=[waiting("random_gap", None)])),
    ("one never left", lambda seen: replace(seen, left_resumed=seen.left_resumed[1:])),
    ("sent twice", lambda seen: replace(seen, left_resumed=[replace(seen.left_resumed[0], deliveries=2), *seen.left_resumed[1:]])),
]  # fmt: skip


def test_a_pause_in_the_middle_passes() -> None:
    check = pausing.judge(paused())
    assert check.passed, check
    assert "of 80, 2 had left and 30 were in flight" in check.evidence


@pytest.mark.parametrize(("what", "breaking"), PAUSE_BROKEN)
def test_a_pause_that_is_not_kept_fails(what: str, breaking: Callable[[Seen], Seen]) -> None:
    assert not pausing.judge(breaking(paused())).passed, what


def test_what_is_found_is_told_as_data() -> None:
    assert Check("name", True, "seen").as_data() == {"name": "name", "pass": True, "evidence": "seen"}
