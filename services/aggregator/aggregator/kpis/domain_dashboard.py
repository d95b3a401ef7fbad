"""What the dashboard says of the numbers: colours, the one system status with its reason, the rules of what to do next."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from aggregator.kpis.domain_numbers import Counted, Numbers
from contracts.aggregator.kpis import (
    MOST_CAMPAIGNS,
    CampaignSnapshot,
    CampaignStatus,
    Colour,
    Dashboard,
    Kpi,
    Kpis,
    NextAction,
    NumberCheck,
    Revenue,
    StageCount,
    SystemHealth,
)
from contracts.taxonomy import Stage, SystemStatus

MOST_ACTIONS: Final = 5
AMBER_FROM, RED_ABOVE = 70, 90
"""Percent of the daily limit (event-sourced dashboard, 1)."""


def dashboard(numbers: Numbers, as_of: datetime, checked: NumberCheck | None) -> Dashboard:
    """The dashboard that these numbers make."""
    conversions = _parts(numbers, Kpi.CONVERSIONS)
    stages = _parts(numbers, Kpi.FUNNEL)
    return Dashboard(
        as_of=as_of,
        kpis=_kpis(numbers),
        next_actions=sorted(_next_actions(numbers), key=lambda action: action.priority)[:MOST_ACTIONS],
        campaign_snapshots=_snapshots(numbers),
        system_health=_health(numbers),
        funnel=[StageCount(stage=stage, leads=stages[stage].count if stage in stages else 0) for stage in Stage],
        conversions=_count(numbers, Kpi.CONVERSIONS),
        revenue=[
            Revenue(currency=currency or None, conversions=won.count, amount=won.amount or Decimal(0))
            for currency, won in sorted(conversions.items())
        ],
        checked=checked,
    )


def colour(sends: int, limit: int) -> Colour:
    """How much of a limit is used: green below 70 %, red above 90 %, amber between."""
    if sends * 100 > limit * RED_ABOVE:
        return Colour.RED
    return Colour.GREEN if sends * 100 < limit * AMBER_FROM or not limit else Colour.AMBER


def percentage(count: int, of: int) -> int | None:
    """In whole percent, halves up; none of nothing."""
    return (200 * count + of) // (2 * of) if of else None


def system_status(numbers: Numbers) -> tuple[SystemStatus, str]:
    """Exactly one status, by the first rule that applies, and why (event-sourced dashboard, 4)."""
    captchas, accounts = _count(numbers, Kpi.CAPTCHAS), len(_parts(numbers, Kpi.CAPTCHAS))
    if captchas:
        return SystemStatus.ERROR, (
            f"{_some(captchas, 'captcha')} in the last 24 hours, on {_some(accounts, 'account')}: a provider wants to see a person"
        )
    if throttled := _count(numbers, Kpi.THROTTLED):
        return (
            SystemStatus.THROTTLED,
            f"{_some(throttled, 'account')} stopped sending and {_has(throttled)} not gone on yet",
        )
    paused = _count(numbers, Kpi.CAMPAIGNS_PAUSED)
    if paused and not _count(numbers, Kpi.CAMPAIGNS_RUNNING):
        return (
            SystemStatus.PAUSED,
            "the only campaign is paused" if paused == 1 else f"all {paused} campaigns are paused",
        )
    return (
        SystemStatus.HEALTHY,
        "no captcha in the last 24 hours, no account is throttled, and not every campaign is paused",
    )


def _kpis(numbers: Numbers) -> Kpis:
    sends, limit = _count(numbers, Kpi.TODAYS_SENDS), _daily_limit(numbers)
    rate = _parts(numbers, Kpi.REPLY_RATE)
    replied = rate["replied"].count if "replied" in rate else 0
    contacted = _count(numbers, Kpi.REPLY_RATE)
    status, reason = system_status(numbers)
    return Kpis(
        today_sends=sends,
        daily_limit=limit,
        send_percentage=percentage(sends, limit or 0),
        send_colour=None if limit is None else colour(sends, limit),
        replies_needing_action=_count(numbers, Kpi.REPLIES_REQUIRING_ACTION),
        leads_contacted=contacted,
        leads_replied=replied,
        reply_rate=percentage(replied, contacted),
        system_status=status,
        system_status_reason=reason,
    )


def _daily_limit(numbers: Numbers) -> int | None:
    limits = _parts(numbers, Kpi.DAILY_LIMIT)
    return int(sum(limit.amount or 0 for limit in limits.values())) if limits else None


def _next_actions(numbers: Numbers) -> Iterator[NextAction]:
    """The five rules of the event-sourced dashboard, each with what it finds."""
    if not _count(numbers, Kpi.FIRST_LEAD):
        yield NextAction(
            priority=1, title="Import contacts to unlock campaigns", action="import_contacts", url="/dashboard/leads"
        )
    if not _daily_limit(numbers):
        yield NextAction(
            priority=2, title="Set daily sending limit", action="configure_limit", url="/dashboard/settings"
        )
    if replies := _count(numbers, Kpi.REPLIES_REQUIRING_ACTION):
        yield NextAction(
            priority=3, title=f"{_some(replies, 'reply', 'replies')} waiting review", action="review_replies",
            url="/dashboard/inbox",
        )  # fmt: skip
    queued = _parts(numbers, Kpi.QUEUE_REMAINING)
    paused = {
        campaign: queued[campaign].count for campaign in _parts(numbers, Kpi.CAMPAIGNS_PAUSED) if campaign in queued
    }
    for campaign, count in sorted(paused.items(), key=lambda item: (-item[1], item[0])):
        yield NextAction(
            priority=4, title=f"Campaign paused with {_some(count, 'active enrollment')}", action="resume_campaign",
            url=f"/dashboard/campaigns/{campaign}", campaign_id=UUID(campaign),
        )  # fmt: skip
    if due := _count(numbers, Kpi.FOLLOWUPS_DUE):
        yield NextAction(
            priority=5, title=f"{_some(due, 'follow-up')} due today", action="view_followups", url="/dashboard/tasks"
        )


def _snapshots(numbers: Numbers) -> list[CampaignSnapshot]:
    sends, replies = _parts(numbers, Kpi.TODAYS_SENDS), _parts(numbers, Kpi.REPLIES_TODAY)
    queued = _parts(numbers, Kpi.QUEUE_REMAINING)
    found = [
        CampaignSnapshot(
            id=UUID(campaign), status=status,
            queue_remaining=queued[campaign].count if campaign in queued else 0,
            today_sends=sends[campaign].count if campaign in sends else 0,
            replies_today=replies[campaign].count if campaign in replies else 0,
        )
        for status, kpi in (
            (CampaignStatus.RUNNING, Kpi.CAMPAIGNS_RUNNING),
            (CampaignStatus.PAUSED, Kpi.CAMPAIGNS_PAUSED),
            (CampaignStatus.COMPLETED, Kpi.CAMPAIGNS_COMPLETED),
        )
        for campaign in _parts(numbers, kpi)
    ]  # fmt: skip
    # Campaigns' ids tell their age, so that the newer ones come first where nothing was sent.
    found.sort(
        key=lambda shown: (shown.today_sends, shown.replies_today, shown.queue_remaining, shown.id), reverse=True
    )
    return found[:MOST_CAMPAIGNS]


def _health(numbers: Numbers) -> SystemHealth:
    last = _parts(numbers, Kpi.LAST_ACTION)
    cooldown, captchas = _count(numbers, Kpi.COOLDOWN) > 0, _count(numbers, Kpi.CAPTCHAS) > 0
    errors = _count(numbers, Kpi.ERRORS)
    return SystemHealth(
        hidden=not (cooldown or captchas or errors),
        last_action=last[""].latest if last else None,
        cooldown_active=cooldown,
        errors_last_24h=errors,
        captcha_detected=captchas,
        automation_method=", ".join(sorted(_parts(numbers, Kpi.AUTOMATION_METHOD))) or "none",
    )


def _parts(numbers: Numbers, kpi: Kpi) -> dict[str, Counted]:
    return {part.part: counted for part, counted in numbers.items() if part.kpi is kpi}


def _count(numbers: Numbers, kpi: Kpi) -> int:
    return sum(counted.count for part, counted in numbers.items() if part.kpi is kpi)


def _some(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def _has(count: int) -> str:
    return "has" if count == 1 else "have"
