"""Each gate by its boundary, and all together: what keeps a message, and until when."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.outreach.accounts import AccountSettings, AccountState
from contracts.outreach.campaigns import AudienceView, BusinessHours, CampaignState
from contracts.outreach.people import SuppressionReason
from contracts.outreach.sending import Gate
from contracts.taxonomy import Channel, SendKind
from outreach.accounts.domain_guard import TOLERANCE, Breaker, Circuit
from outreach.sending import domain_gates as gates
from outreach.sending.domain_gates import (
    FOREVER,
    GATES,
    REST,
    AccountFacts,
    CampaignFacts,
    Facts,
    Held,
    Spent,
    Suppressed,
    ask,
    binding,
    earliest,
)

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)  # a Monday
TODAY = datetime(2026, 11, 30, tzinfo=UTC)
CAMPAIGN, MINE, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)
ACCOUNT = AccountFacts(UUID(int=4), AccountState.ACTIVE, AccountSettings())
RUNNING = CampaignFacts(CAMPAIGN, CampaignState.RUNNING, 38, BusinessHours(holidays="none"), "US")


def spent(day: datetime = TODAY, *, kind: int = 0, campaign: int = 0) -> Spent:
    return Spent(day, {SendKind.EMAIL: kind}, {CAMPAIGN: campaign})


FREE = Facts(
    kind=SendKind.EMAIL, enrollment_id=MINE, campaign=RUNNING, account=ACCOUNT, spent=spent(),
    channels=frozenset({"email"}), attribution={"tier": "A"}, condition=AudienceView(),
)  # fmt: skip


def account(**about: Any) -> AccountFacts:
    return replace(ACCOUNT, **about)


def kept(facts: Facts, at: datetime = NOW) -> tuple[Gate, bool] | None:
    answer = binding(ask(facts, at), at)
    return (answer.gate, answer.final) if answer else None


def test_a_message_that_nothing_keeps_may_leave() -> None:
    assert kept(FREE) is None
    assert earliest(FREE, NOW) == NOW
    assert {answer.gate for answer in ask(FREE, NOW)} == set(Gate)


@pytest.mark.parametrize("state", [CampaignState.DRAFT, CampaignState.PAUSED])
def test_of_a_campaign_that_does_not_run_nothing_leaves(state: CampaignState) -> None:
    facts = replace(FREE, campaign=replace(RUNNING, state=state))
    assert kept(facts) == (Gate.CAMPAIGN_RUNNING, False)
    assert earliest(facts, NOW) is None


def test_a_campaign_that_a_guard_paused_says_why() -> None:
    paused = replace(
        RUNNING, state=CampaignState.PAUSED, stopped="stop: bounces, 5 of 41 sends, taken over 50; the limit is 10 %"
    )
    answer = gates.campaign_running(replace(FREE, campaign=paused), NOW)
    assert (
        answer.why
        == "the campaign is paused by a guard, which says stop: bounces, 5 of 41 sends, taken over 50; the limit is 10 %"
    )


def test_while_its_provider_is_down_a_message_waits_and_only_the_probe_passes() -> None:
    until = NOW + timedelta(seconds=30)
    open_ = replace(FREE, account=account(breaker=Breaker(Circuit.OPEN, until=until, openings=1)))
    assert kept(open_) == (Gate.PROVIDER_ANSWERS, False)
    assert earliest(open_, NOW) == until
    assert kept(open_, until) is None, "it would be the probe"
    assert kept(replace(open_, is_claimed=True, claimed_at=NOW), until) == (Gate.PROVIDER_ANSWERS, False)
    trying = replace(FREE, account=account(breaker=Breaker(Circuit.HALF_OPEN, openings=1, probed_at=NOW)))
    assert kept(trying) == (Gate.PROVIDER_ANSWERS, False)
    assert earliest(trying, NOW) == NOW + TOLERANCE.patience
    assert kept(replace(trying, is_claimed=True, claimed_at=NOW)) is None
    assert kept(replace(trying, is_claimed=True, claimed_at=NOW - timedelta(seconds=1))) == (
        Gate.PROVIDER_ANSWERS,
        False,
    )


def test_of_an_archived_campaign_nothing_ever_leaves() -> None:
    assert kept(replace(FREE, campaign=replace(RUNNING, state=CampaignState.ARCHIVED))) == (Gate.CAMPAIGN_RUNNING, True)


@pytest.mark.parametrize(
    "facts",
    [
        replace(FREE, account=None, spent=None),
        replace(FREE, account=account(state=AccountState.PAUSED)),
        replace(FREE, account=account(state=AccountState.REMOVED)),
        replace(FREE, account=account(blocked=True)),
        replace(FREE, account=account(throttled_until=FOREVER)),
        replace(FREE, account=account(domain_stopped="stop: bounces, 5 of 41 sends, taken over 50; the limit is 10 %")),
    ],
    ids=["none", "paused", "removed", "unhealthy", "wants a person", "domain stopped"],
)
def test_without_a_well_account_nothing_leaves(facts: Facts) -> None:
    assert kept(facts) == (Gate.ACCOUNT_HEALTHY, False)
    assert earliest(facts, NOW) is None


def test_a_throttled_account_sends_again_when_its_provider_said() -> None:
    facts = replace(FREE, account=account(throttled_until=NOW + timedelta(hours=1)))
    assert kept(facts) == (Gate.ACCOUNT_HEALTHY, False)
    assert earliest(facts, NOW) == NOW + timedelta(hours=1)
    assert kept(facts, NOW + timedelta(hours=1)) is None


@pytest.mark.parametrize(
    ("kind", "campaign", "passes"),
    [(99, 0, True), (100, 0, False), (0, 37, True), (0, 38, False)],
    ids=["the 100th of an account", "the 101st", "the 38th of a campaign", "the 39th"],
)
def test_so_many_leave_an_account_a_day(kind: int, campaign: int, passes: bool) -> None:
    facts = replace(FREE, spent=spent(kind=kind, campaign=campaign))
    assert (kept(facts) is None) == passes
    if not passes:
        assert kept(facts) == (Gate.ACCOUNT_CAPACITY, False)
        assert earliest(facts, NOW) == datetime(2026, 12, 1, 9, tzinfo=UTC)


def test_the_account_s_day_begins_by_its_own_clock() -> None:
    auckland = AccountSettings(time_zone="Pacific/Auckland")
    day = datetime(2026, 11, 30, 11, tzinfo=UTC)  # when it began there, an hour ago
    facts = replace(FREE, account=account(settings=auckland), spent=spent(day, kind=100), time_zone="UTC")
    capacity = gates.account_capacity(facts, NOW)
    assert capacity.opens_at == datetime(2026, 12, 1, 11, tzinfo=UTC)
    assert gates.account_capacity(replace(facts, spent=spent(TODAY, kind=100)), NOW).opens_at == NOW


def test_each_kind_has_a_limit_of_its_own() -> None:
    asked = replace(FREE, kind=SendKind.CONNECTION_REQUEST, channels=frozenset({"linkedin"}))
    full = Spent(TODAY, {SendKind.CONNECTION_REQUEST: 20}, {})
    assert kept(replace(asked, spent=full)) == (Gate.ACCOUNT_CAPACITY, False)
    assert kept(replace(asked, kind=SendKind.LINKEDIN_MESSAGE, spent=full)) is None
    assert kept(replace(asked, spent=Spent(TODAY, {SendKind.CONNECTION_REQUEST: 19}, {}))) is None


def test_a_limit_of_none_has_no_date() -> None:
    nothing = AccountSettings(daily_limits={SendKind.EMAIL: 0})
    assert earliest(replace(FREE, account=account(settings=nothing)), NOW) is None


def test_a_new_account_sends_little_at_first() -> None:
    warming = account(settings=AccountSettings(warm_up_began=TODAY.date()))
    assert kept(replace(FREE, account=warming, spent=spent(kind=4))) is None
    assert kept(replace(FREE, account=warming, spent=spent(kind=5))) == (Gate.ACCOUNT_CAPACITY, False)
    grown = replace(FREE, account=warming, spent=None)
    assert kept(replace(grown, spent=spent(TODAY + timedelta(days=28), kind=99)), NOW + timedelta(days=28)) is None


def test_an_account_that_was_blocked_gets_its_limit_back_step_by_step() -> None:
    back = account(recovering_since=NOW)
    assert kept(replace(FREE, account=back, spent=spent(kind=24))) is None
    assert kept(replace(FREE, account=back, spent=spent(kind=25))) == (Gate.ACCOUNT_CAPACITY, False)


def test_the_next_message_waits_for_the_gap_and_one_that_is_claimed_has_waited() -> None:
    facts = replace(FREE, account=account(next_at=NOW + timedelta(minutes=6)))
    assert kept(facts) == (Gate.RANDOM_GAP, False)
    assert kept(facts, NOW + timedelta(minutes=6)) is None
    assert kept(replace(facts, is_claimed=True)) is None


def test_hours_are_the_recipient_s_else_the_account_s() -> None:
    tokyo = replace(FREE, time_zone="Asia/Tokyo")  # nine in the evening there
    assert kept(tokyo) == (Gate.BUSINESS_HOURS, False)
    assert earliest(tokyo, NOW) == datetime(2026, 12, 1, 0, tzinfo=UTC)
    there = account(settings=AccountSettings(time_zone="Asia/Tokyo"))
    assert kept(replace(FREE, account=there)) == (Gate.BUSINESS_HOURS, False)
    assert kept(replace(FREE, account=there, time_zone="Europe/London")) is None


@pytest.mark.parametrize(
    ("ago", "passes"),
    [(REST, True), (REST - timedelta(microseconds=1), False), (timedelta(0), False)],
    ids=["exactly 60 days", "a moment less", "just now"],
)
def test_sixty_days_after_anything_else(ago: timedelta, passes: bool) -> None:
    facts = replace(FREE, held=[Held(OTHER, False, NOW - ago)])
    assert (kept(facts) is None) == passes
    assert gates.sixty_days(facts, NOW).opens_at == (NOW if passes else NOW - ago + REST)


def test_its_own_sequence_is_exempt_from_the_sixty_days_and_who_holds_the_person_keeps_all_others() -> None:
    assert kept(replace(FREE, held=[Held(MINE, True, NOW)])) is None
    assert kept(replace(FREE, held=[Held(MINE, True, NOW), Held(OTHER, True, None)])) == (Gate.SIXTY_DAYS, False)
    assert earliest(replace(FREE, held=[Held(OTHER, True, None)]), NOW) is None
    assert kept(replace(FREE, held=[Held(None, False, NOW - timedelta(days=1))])) == (Gate.SIXTY_DAYS, False)


@pytest.mark.parametrize(
    ("reason", "gate"),
    [
        (SuppressionReason.COMPLAINT, Gate.SUPPRESSION),
        (SuppressionReason.BOUNCE, Gate.SUPPRESSION),
        (SuppressionReason.UNSUBSCRIBED, Gate.UNSUBSCRIBED),
        (SuppressionReason.DO_NOT_CONTACT, Gate.DO_NOT_CONTACT),
        (SuppressionReason.REQUEST, Gate.DO_NOT_CONTACT),
    ],
)
def test_who_is_suppressed_is_not_contacted(reason: SuppressionReason, gate: Gate) -> None:
    assert kept(replace(FREE, suppressed=[Suppressed(reason)])) == (gate, True)


def test_a_suppression_holds_for_what_it_says_and_as_long() -> None:
    reason = SuppressionReason.DO_NOT_CONTACT
    assert kept(replace(FREE, suppressed=[Suppressed(reason, Channel.SMS)])) is None
    assert kept(replace(FREE, suppressed=[Suppressed(reason, Channel.EMAIL)])) == (Gate.DO_NOT_CONTACT, True)
    assert kept(replace(FREE, suppressed=[Suppressed(reason, campaign_id=uuid4())])) is None
    assert kept(replace(FREE, suppressed=[Suppressed(reason, campaign_id=CAMPAIGN)])) == (Gate.DO_NOT_CONTACT, True)
    until = NOW + timedelta(hours=1)
    passing = replace(FREE, suppressed=[Suppressed(reason, expires_at=until)])
    assert kept(passing) == (Gate.DO_NOT_CONTACT, False)
    assert kept(passing, until) is None
    assert earliest(passing, NOW) == until


def test_who_was_erased_or_has_replied_is_never_contacted() -> None:
    assert kept(replace(FREE, erased=True, channels=frozenset())) == (Gate.ERASED, True)
    assert kept(replace(FREE, replied_at=NOW)) == (Gate.REPLIED, True)


def test_who_is_out_of_office_is_contacted_when_they_are_back() -> None:
    away = replace(FREE, paused_until=NOW + timedelta(days=3))
    assert kept(away) == (Gate.REPLIED, False)
    assert earliest(away, NOW) == NOW + timedelta(days=3)


def test_a_merged_lead_waits_and_one_that_the_step_is_not_for_is_skipped() -> None:
    assert kept(replace(FREE, merged=True)) == (Gate.MERGED, False)
    assert kept(replace(FREE, channels=frozenset({"sms"}))) == (Gate.CONDITION, True)
    assert kept(replace(FREE, condition=AudienceView(tier="B"))) == (Gate.CONDITION, True)
    assert kept(replace(FREE, condition=AudienceView(tier="A"))) is None


LATER = NOW + timedelta(hours=1)
NINE, SIX = NOW.replace(hour=9), NOW.replace(hour=18)
MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("facts", "closed", "opens", "gate"),
    [
        (replace(FREE, account=account(throttled_until=LATER)), NOW, LATER, Gate.ACCOUNT_HEALTHY),
        (replace(FREE, spent=spent(kind=100), time_zone="Asia/Tokyo"), NOW, TODAY + timedelta(days=1), Gate.ACCOUNT_CAPACITY),
        (replace(FREE, account=account(next_at=LATER)), NOW, LATER, Gate.RANDOM_GAP),
        (FREE, NINE - timedelta(hours=3), NINE, Gate.BUSINESS_HOURS),
        (FREE, SIX, NINE + timedelta(days=1), Gate.BUSINESS_HOURS),
        (replace(FREE, held=[Held(OTHER, False, LATER - REST)]), NOW, LATER, Gate.SIXTY_DAYS),
        (replace(FREE, suppressed=[Suppressed(SuppressionReason.BOUNCE, expires_at=LATER)]), NOW, LATER, Gate.SUPPRESSION),
        (replace(FREE, suppressed=[Suppressed(SuppressionReason.UNSUBSCRIBED, expires_at=LATER)]), NOW, LATER, Gate.UNSUBSCRIBED),
        (replace(FREE, suppressed=[Suppressed(SuppressionReason.REQUEST, expires_at=LATER)]), NOW, LATER, Gate.DO_NOT_CONTACT),
        (replace(FREE, paused_until=LATER), NOW, LATER, Gate.REPLIED),
    ],
    ids=["throttled", "a new day", "gap", "nine", "six", "60 days", "bounce", "unsubscribed", "do not contact", "away"],
)  # fmt: skip
def test_a_gate_with_a_date_is_closed_up_to_the_moment_before_it(
    facts: Facts, closed: datetime, opens: datetime, gate: Gate
) -> None:
    for at in (closed, opens - MOMENT):
        (answer,) = [each for each in ask(facts, at) if each.gate is gate]
        assert (answer.opens_at, answer.passes(at), answer.final) == (opens, False, False)
    (answer,) = [each for each in ask(facts, opens) if each.gate is gate]
    assert answer.passes(opens)


@pytest.mark.parametrize(
    ("facts", "gate"),
    [
        (replace(FREE, campaign=replace(RUNNING, state=CampaignState.PAUSED)), Gate.CAMPAIGN_RUNNING),
        (replace(FREE, account=account(blocked=True)), Gate.ACCOUNT_HEALTHY),
        (replace(FREE, erased=True), Gate.ERASED),
        (replace(FREE, replied_at=NOW), Gate.REPLIED),
        (replace(FREE, suppressed=[Suppressed(SuppressionReason.COMPLAINT)]), Gate.SUPPRESSION),
        (replace(FREE, merged=True), Gate.MERGED),
        (replace(FREE, condition=AudienceView(tier="B")), Gate.CONDITION),
        (replace(FREE, held=[Held(OTHER, True, None)]), Gate.SIXTY_DAYS),
    ],
    ids=["paused", "unhealthy", "erased", "replied", "complained", "merged", "of another tier", "held"],
)
def test_a_gate_without_a_date_is_closed_however_long_one_waits(facts: Facts, gate: Gate) -> None:
    for at in (NOW, NOW + timedelta(days=1000)):
        (answer,) = [each for each in ask(facts, at) if each.gate is gate]
        assert (answer.opens_at, answer.passes(at)) == (None, False)


def test_what_keeps_for_good_binds_before_what_has_no_date_and_that_before_the_longest() -> None:
    waiting = replace(FREE, account=account(next_at=NOW + timedelta(minutes=6)), time_zone="Asia/Tokyo")
    assert kept(waiting) == (Gate.BUSINESS_HOURS, False)
    paused = replace(waiting, campaign=replace(RUNNING, state=CampaignState.PAUSED))
    assert kept(paused) == (Gate.CAMPAIGN_RUNNING, False)
    assert kept(replace(paused, replied_at=NOW)) == (Gate.REPLIED, True)


def test_the_earliest_moment_is_one_at_which_all_open() -> None:
    # The gap ends when it is evening, the next morning is a Saturday, and the account is throttled over Monday's opening.
    friday = datetime(2026, 12, 4, 17, 58, tzinfo=UTC)
    facts = replace(
        FREE,
        account=account(next_at=friday + timedelta(minutes=6), throttled_until=datetime(2026, 12, 7, 11, tzinfo=UTC)),
    )
    assert earliest(facts, friday) == datetime(2026, 12, 7, 11, tzinfo=UTC)


moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@given(
    st.builds(
        replace,
        st.just(FREE),
        account=st.builds(
            account, next_at=st.none() | moments, throttled_until=st.none() | moments,
            settings=st.sampled_from(["UTC", "America/New_York", "Asia/Kathmandu"]).map(lambda z: AccountSettings(time_zone=z)),
        ),
        spent=st.builds(spent, st.just(TODAY), kind=st.integers(95, 105), campaign=st.integers(30, 40)),
        time_zone=st.none() | st.sampled_from(["Asia/Tokyo", "Europe/Berlin"]),
        paused_until=st.none() | moments,
        held=st.lists(st.builds(Held, st.just(OTHER), st.just(False), moments), max_size=3),
    )
)  # fmt: skip
def test_at_the_earliest_moment_every_gate_passes_and_a_moment_before_one_did_not(facts: Facts) -> None:
    opens = earliest(facts, NOW)
    assert opens is not None
    assert all(answer.passes(opens) for answer in ask(facts, opens))
    if opens > NOW:
        assert kept(facts, opens - timedelta(microseconds=1)) is not None


def test_hours_of_the_whole_week_leave_only_the_other_gates() -> None:
    around = BusinessHours(opens="00:00", closes="24:00", weekdays=frozenset(range(1, 8)), holidays="none")
    night = datetime(2026, 12, 6, 3, tzinfo=UTC)
    assert kept(replace(FREE, campaign=replace(RUNNING, hours=around)), night) is None
    assert len(GATES) == len(Gate)
