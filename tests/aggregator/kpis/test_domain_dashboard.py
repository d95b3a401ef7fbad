"""What the dashboard says of numbers: colours, one status with its reason, and what to do next."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.kpis.domain_dashboard import colour, dashboard, percentage, system_status
from aggregator.kpis.domain_numbers import Counted, Numbers, Part
from contracts.aggregator.kpis import CampaignStatus, Colour, Kpi
from contracts.taxonomy import Stage, SystemStatus

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
ONE, TWO = str(UUID(int=1)), str(UUID(int=2))


def numbers(**counts: object) -> Numbers:
    """Numbers by their names: a count, or counts by part; an amount beside a count as a tuple."""
    found = {}
    for name, given_parts in counts.items():
        for part, value in (given_parts if isinstance(given_parts, dict) else {"": given_parts}).items():
            count, amount = value if isinstance(value, tuple) else (value, None)
            found[Part(Kpi(name), part)] = Counted(count, None if amount is None else Decimal(amount), NOW)
    return found


@pytest.mark.parametrize(
    ("sends", "limit", "is_"),
    [
        (69, 100, Colour.GREEN), (70, 100, Colour.AMBER), (90, 100, Colour.AMBER), (91, 100, Colour.RED),
        (0, 0, Colour.GREEN), (1, 0, Colour.RED), (7, 10, Colour.AMBER), (200, 100, Colour.RED),
    ],
)  # fmt: skip
def test_a_limit_is_green_below_70_percent_and_red_above_90(sends: int, limit: int, is_: Colour) -> None:
    assert colour(sends, limit) is is_


@given(st.integers(0, 1000), st.integers(1, 1000))
def test_a_percentage_is_whole_and_at_most_half_a_percent_off(count: int, of: int) -> None:
    shown = percentage(count, of)
    assert shown is not None
    assert abs(shown - 100 * count / of) <= 0.5


def test_nobody_contacted_means_no_reply_rate_and_no_limit_means_no_colour() -> None:
    kpis = dashboard({}, NOW, None).kpis
    assert (kpis.reply_rate, kpis.daily_limit, kpis.send_colour, kpis.send_percentage) == (None, None, None, None)
    assert (kpis.today_sends, kpis.leads_contacted) == (0, 0)
    rate = dashboard(numbers(reply_rate={"silent": 7, "replied": 1}), NOW, None).kpis.reply_rate
    assert rate == 13


@pytest.mark.parametrize(
    ("found", "status", "reason"),
    [
        ({"captchas": {ONE: 2}, "throttled": {ONE: 1}, "campaigns_paused": {ONE: 1}}, SystemStatus.ERROR, "2 captchas"),
        ({"throttled": {ONE: 1, TWO: 1}, "campaigns_paused": {ONE: 1}}, SystemStatus.THROTTLED, "2 accounts"),
        ({"campaigns_paused": {ONE: 1}}, SystemStatus.PAUSED, "the only campaign"),
        ({"campaigns_paused": {ONE: 1, TWO: 1}}, SystemStatus.PAUSED, "all 2 campaigns"),
        ({"campaigns_paused": {ONE: 1}, "campaigns_running": {TWO: 1}}, SystemStatus.HEALTHY, "no captcha"),
        ({"campaigns_completed": {ONE: 1}}, SystemStatus.HEALTHY, "no captcha"),
        ({}, SystemStatus.HEALTHY, "no captcha"),
    ],
)
def test_the_first_rule_that_applies_is_the_status_and_the_reason(
    found: dict[str, object], status: SystemStatus, reason: str
) -> None:
    says, why = system_status(numbers(**found))
    assert says is status
    assert why.startswith(reason)


def test_the_health_panel_is_hidden_when_all_is_green() -> None:
    fine = dashboard(numbers(last_action=1, automation_method={"smtp": 2, "sandbox": 1}), NOW, None).system_health
    assert (fine.hidden, fine.last_action, fine.automation_method) == (True, NOW, "sandbox, smtp")
    for trouble in ({"cooldown": {ONE: 1}}, {"errors": {ONE: 1}}, {"captchas": {ONE: 1}}):
        assert not dashboard(numbers(**trouble), NOW, None).system_health.hidden
    assert dashboard({}, NOW, None).system_health.automation_method == "none"


def test_next_actions_come_by_priority_and_are_five_at_most() -> None:
    campaigns = {str(UUID(int=n)): 1 for n in range(1, 7)}
    queue = {str(UUID(int=n)): n for n in range(1, 7)}
    all_of_it = numbers(
        replies_requiring_action={ONE: 2}, campaigns_paused=campaigns, queue_remaining=queue, followups_due={ONE: 1}
    )
    actions = dashboard(all_of_it, NOW, None).next_actions
    assert [action.priority for action in actions] == [1, 2, 3, 4, 4]
    assert actions[2].title == "2 replies waiting review"
    assert actions[3].title == "Campaign paused with 6 active enrollments"
    assert actions[3].campaign_id == UUID(int=6)
    less = numbers(first_lead=1, daily_limit={ONE: (1, 50)}, followups_due={ONE: 1}, campaigns_paused={ONE: 1})
    assert [action.title for action in dashboard(less, NOW, None).next_actions] == ["1 follow-up due today"]


def test_a_removed_accounts_limit_is_no_limit_to_send_by() -> None:
    actions = dashboard(numbers(first_lead=1, daily_limit={ONE: (1, 0)}), NOW, None).next_actions
    assert [action.action for action in actions] == ["configure_limit"]


def test_the_snapshot_shows_the_busiest_campaign_first_and_no_draft() -> None:
    found = dashboard(
        numbers(
            campaigns_running={ONE: 1}, campaigns_completed={TWO: 1}, todays_sends={TWO: 5, ONE: 2},
            replies_today={ONE: 1}, queue_remaining={ONE: 9, str(UUID(int=3)): 4},
        ), NOW, None,
    )  # fmt: skip
    assert [
        (each.id, each.status, each.today_sends, each.replies_today, each.queue_remaining)
        for each in found.campaign_snapshots
    ] == [
        (UUID(TWO), CampaignStatus.COMPLETED, 5, 0, 0),
        (UUID(ONE), CampaignStatus.RUNNING, 2, 1, 9),
    ]


def test_revenue_is_by_currency_and_the_funnel_has_every_stage() -> None:
    found = dashboard(
        numbers(conversions={"EUR": (2, "300.50"), "": (1, None)}, funnel={"won": 3}), NOW + timedelta(1), None
    )
    assert [(each.currency, each.conversions, each.amount) for each in found.revenue] == [
        (None, 1, Decimal(0)), ("EUR", 2, Decimal("300.50")),
    ]  # fmt: skip
    assert found.conversions == 3
    assert {each.stage: each.leads for each in found.funnel} == dict.fromkeys(Stage, 0) | {Stage.WON: 3}
