"""People are alerted of what outreach has stopped, once for each reason, until all of it goes on."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from contracts.message import Event
from contracts.notifier import DismissAlert
from contracts.outreach.accounts import (
    AutomationResumed,
    AutomationThrottled,
    CaptchaDetected,
    SendingLimitSet,
    ThrottleReason,
)
from contracts.outreach.campaigns import CampaignCompleted, CampaignPaused, CampaignResumed
from contracts.taxonomy import Channel, SendKind, Severity
from notifier.domain_stops import Code, Stopped, change
from tests.notifier.scene import Scene, notifier
from tests.platform import Platform
from tests.waiting import until

ONE, OTHER = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)


def throttled(account: UUID, reason: str = ThrottleReason.HEALTH_TOO_LOW) -> AutomationThrottled:
    return AutomationThrottled(account_id=account, reason=reason, occurred_at=NOW)


def resumed(account: UUID) -> AutomationResumed:
    return AutomationResumed(account_id=account, occurred_at=NOW)


def paused(campaign: UUID, reason: str | None = "bounces") -> CampaignPaused:
    return CampaignPaused(campaign_id=campaign, reason=reason, occurred_at=NOW)


def stops(*events: Any) -> set[tuple[Code, UUID]]:
    return {(stop.code, stop.subject_id) for stop in change(events).stops}


def test_each_reason_for_which_leadloop_stops_something_is_told_apart() -> None:
    for reason, code in {
        "health_too_low": Code.ACCOUNT_UNHEALTHY, "domain_bounces": Code.SENDER_DOMAIN_STOPPED,
        "domain_complaints": Code.SENDER_DOMAIN_STOPPED, "provider_away": Code.PROVIDER_AWAY,
    }.items():  # fmt: skip
        assert stops(throttled(ONE, reason)) == {(code, ONE)}
    assert stops(CaptchaDetected(account_id=ONE, occurred_at=NOW)) == {(Code.CAPTCHA, ONE)}
    assert stops(paused(ONE), paused(OTHER, "unsubscribes")) == {
        (Code.CAMPAIGN_STOPPED, ONE), (Code.CAMPAIGN_STOPPED, OTHER),
    }  # fmt: skip


def test_nobody_is_alerted_of_what_a_provider_asks_for_or_a_person_does() -> None:
    assert stops(throttled(ONE, "busy"), throttled(ONE, "captcha"), paused(ONE, None)) == set()


def test_an_account_that_sends_again_or_may_send_nothing_any_more_is_over() -> None:
    limits = {"account_id": ONE, "channel": Channel.SMS, "occurred_at": NOW}
    removed = SendingLimitSet(daily_limits={SendKind.SMS: 0}, **limits)
    for end in (resumed(ONE), removed):
        assert stops(throttled(ONE), throttled(ONE, "provider_away"), throttled(OTHER), end) == {
            (Code.ACCOUNT_UNHEALTHY, OTHER)
        }
        assert stops(throttled(ONE), end, throttled(ONE)) == {(Code.ACCOUNT_UNHEALTHY, ONE)}
    assert stops(throttled(ONE), SendingLimitSet(daily_limits={SendKind.SMS: 7}, **limits))
    for goes_on in (CampaignResumed, CampaignCompleted):
        assert stops(paused(ONE), goes_on(campaign_id=ONE, occurred_at=NOW)) == set()


def test_every_alert_says_how_many_and_what_to_do() -> None:
    for code in Code:
        one = Stopped(code, [ONE], 1, NOW, joined=True).notice
        many = Stopped(code, [UUID(int=n) for n in range(100)], 130, NOW, joined=True).notice
        assert one.title.startswith("1 ")
        assert many.title.startswith("130 ")
        assert len(many.message) > 40
        assert (many.evidence["count"], many.evidence["since"]) == (130, NOW.isoformat())
    assert many.severity is Severity.CRITICAL


async def test_accounts_that_stop_raise_one_alert_which_is_resolved_when_all_of_them_go_on(
    platform: Platform, tenant: str
) -> None:
    one, other = uuid4(), uuid4()
    async with notifier(platform, tenant) as scene:
        told = _teller(platform, tenant, scene)
        await told(throttled(one))
        (alert,) = await scene.alerts(tenant)
        assert (alert.code, alert.title) == ("ACCOUNT_UNHEALTHY", "1 account stopped: its health is too low")
        await told(throttled(other))
        (more,) = await scene.alerts(tenant)
        assert (more.alert_id, set(more.evidence["account_ids"])) == (alert.alert_id, {str(one), str(other)})
        await told(resumed(one))
        (fewer,) = await scene.alerts(tenant)
        assert fewer.evidence["account_ids"] == [str(other)]
        await told(resumed(other))
        assert await scene.alerts(tenant) == []
        assert [name for name, _ in await scene.events(tenant)] == ["alert_raised", "alert_resolved"]


async def test_a_dismissed_alert_speaks_again_when_something_stops_again(platform: Platform, tenant: str) -> None:
    one, other = uuid4(), uuid4()
    async with notifier(platform, tenant) as scene:
        told = _teller(platform, tenant, scene)
        await told(paused(one))
        await told(paused(other, "complaints"))
        (alert,) = await scene.alerts(tenant)
        await platform.caller.ask(tenant, DismissAlert(alert_id=alert.alert_id, dismissed_by="user:7"))
        await told(CampaignResumed(campaign_id=other, occurred_at=NOW))
        assert await scene.alerts(tenant) == [], "that some go on is no news"
        await told(paused(other))
        (again,) = await scene.alerts(tenant)
        assert (again.alert_id != alert.alert_id, set(again.evidence["campaign_ids"])) == (True, {str(one), str(other)})


def _teller(platform: Platform, tenant: str, scene: Scene) -> Any:
    async def told(event: Event) -> None:
        """Publish as outreach does, and wait until the notifier has handled it."""
        id_ = await platform.publish("outreach", tenant, event)

        async def handled() -> bool:
            async with platform.sql() as sql:
                return bool(await sql.fetchval("select exists (select from notifier.inbox where message_id = $1)", id_))

        await until(handled)

    return told
