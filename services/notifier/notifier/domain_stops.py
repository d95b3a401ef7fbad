"""What of outreach has stopped, and what people are told of it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from contracts.outreach.accounts import (
    AutomationResumed,
    AutomationThrottled,
    CaptchaDetected,
    SendingLimitSet,
    ThrottleReason,
)
from contracts.outreach.campaigns import CampaignCompleted, CampaignPaused, CampaignResumed
from contracts.taxonomy import AlertCategory, Severity
from notifier.domain import Notice

StopEvent = (
    AutomationThrottled
    | AutomationResumed
    | CaptchaDetected
    | SendingLimitSet
    | CampaignPaused
    | CampaignResumed
    | CampaignCompleted
)
"""What tells that an account or a campaign stopped, or goes on."""


class Code(StrEnum):
    """Why something stopped: alerts' codes."""

    ACCOUNT_UNHEALTHY = "ACCOUNT_UNHEALTHY"
    SENDER_DOMAIN_STOPPED = "SENDER_DOMAIN_STOPPED"
    PROVIDER_AWAY = "PROVIDER_AWAY"
    CAPTCHA = "CAPTCHA"
    CAMPAIGN_STOPPED = "CAMPAIGN_STOPPED"


_OF_REASON: Final = {
    ThrottleReason.HEALTH_TOO_LOW: Code.ACCOUNT_UNHEALTHY,
    ThrottleReason.DOMAIN_BOUNCES: Code.SENDER_DOMAIN_STOPPED,
    ThrottleReason.DOMAIN_COMPLAINTS: Code.SENDER_DOMAIN_STOPPED,
    ThrottleReason.PROVIDER_AWAY: Code.PROVIDER_AWAY,
}
"""Nobody is alerted of what a provider asks for, as to slow down: that ends by itself, and is no trouble."""
_OF_ACCOUNTS: Final = tuple(code for code in Code if code is not Code.CAMPAIGN_STOPPED)
_NAMED: Final = 100


@dataclass(frozen=True, slots=True)
class Stop:
    """That an account or a campaign sends nothing any more."""

    code: Code
    subject_id: UUID
    since: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a tenant's stops.

    Attributes:
        ended: what goes on, by code and subject, also where it has stopped again since.
        stops: what has stopped.
    """

    ended: frozenset[tuple[Code, UUID]]
    stops: tuple[Stop, ...]

    @property
    def codes(self) -> list[Code]:
        """The codes of which something may be other than it was."""
        concerned = {code for code, _ in self.ended} | {stop.code for stop in self.stops}
        return [code for code in Code if code in concerned]


def change(events: Iterable[StopEvent]) -> Change:
    """What events say together, in their order."""
    ended: set[tuple[Code, UUID]] = set()
    standing: dict[tuple[Code, UUID], Stop] = {}
    for event in events:
        if stop := _stop(event):
            standing.setdefault((stop.code, stop.subject_id), stop)
        for key in _ends(event):
            ended.add(key)
            standing.pop(key, None)
    return Change(frozenset(ended), tuple(standing.values()))


@dataclass(frozen=True, slots=True)
class Stopped:
    """What stands still for one reason.

    Attributes:
        subject_ids: at most 100 of them, those first that have stood the longest.
        count: how many there are in all.
        since: since when the first of them has; none where there are none.
        joined: whether any of them has just stopped.
    """

    code: Code
    subject_ids: Sequence[UUID]
    count: int
    since: datetime | None
    joined: bool

    @property
    def notice(self) -> Notice:
        severity, one, several, message, names = _SAID[self.code]
        return Notice(
            code=self.code.value,
            category=AlertCategory.OPS,
            severity=severity,
            title=one if self.count == 1 else several.format(self.count),
            message=message,
            evidence={
                names: [str(each) for each in self.subject_ids[:_NAMED]],
                "count": self.count,
                "since": self.since.isoformat() if self.since else None,
            },
        )

    def has_besides(self, dismissed: Mapping[str, Any]) -> bool:
        """Whether there is more than somebody knew who dismissed the alert: what stops again is news, too."""
        return self.joined


_SAID: Final = {
    Code.ACCOUNT_UNHEALTHY: (
        Severity.WARNING,
        "1 account stopped: its health is too low",
        "{} accounts stopped: their health is too low",
        "Too much of what was sent came back: explain_account says what. Health returns by itself; resume_account lets an account send "
        "at once",
        "account_ids",
    ),
    Code.SENDER_DOMAIN_STOPPED: (
        Severity.CRITICAL,
        "1 account stopped: too much comes back to its domain",
        "{} accounts stopped: too much comes back to their domains",
        "Look at what was sent to whom, and at the domain's DNS; then resume_account of any account of the domain lets all of them send",
        "account_ids",
    ),
    Code.PROVIDER_AWAY: (
        Severity.WARNING,
        "1 account waits: its provider does not answer",
        "{} accounts wait: their provider does not answer",
        "One message now and then is tried (provider_away_until in list_accounts), and all go on when it comes through: look whether the "
        "mail server or the service is up, and still where the accounts say",
        "account_ids",
    ),
    Code.CAPTCHA: (
        Severity.CRITICAL,
        "1 account waits: its provider wants to see a person",
        "{} accounts wait: their providers want to see a person",
        "Sign in to the account at its provider and do what it asks for; then resume_account lets it send",
        "account_ids",
    ),
    Code.CAMPAIGN_STOPPED: (
        Severity.CRITICAL,
        "1 campaign was paused: too much of it comes back, or annoys people",
        "{} campaigns were paused: too much of them comes back, or annoys people",
        "get_campaign says why (stopped): look at its list and its texts; then resume_campaign lets it send",
        "campaign_ids",
    ),
}  # fmt: skip
"""Of each code: how urgent it is, the title of one and of several, what to do, and what the ids are called."""


def _stop(event: StopEvent) -> Stop | None:
    if isinstance(event, AutomationThrottled):
        known = event.reason in list(ThrottleReason)
        return Stop(_OF_REASON[ThrottleReason(event.reason)], event.account_id, event.occurred_at) if known else None
    if isinstance(event, CaptchaDetected):
        return Stop(Code.CAPTCHA, event.account_id, event.occurred_at)
    if isinstance(event, CampaignPaused) and event.reason:
        return Stop(Code.CAMPAIGN_STOPPED, event.campaign_id, event.occurred_at)
    return None


def _ends(event: StopEvent) -> list[tuple[Code, UUID]]:
    """What does not stand still any more by an event. An account that sends again is kept from it by nothing; one that may send
    nothing any more, as it was removed, is nobody's trouble."""
    if isinstance(event, CampaignResumed | CampaignCompleted):
        return [(Code.CAMPAIGN_STOPPED, event.campaign_id)]
    if isinstance(event, AutomationResumed) or (
        isinstance(event, SendingLimitSet) and not any(event.daily_limits.values())
    ):
        return [(code, event.account_id) for code in _OF_ACCOUNTS]
    return []
