"""Outreach's words as its pages say them: how messages, accounts and campaigns stand, and what keeps a message. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from contracts.outreach.accounts import AccountState, AccountView, Transport
from contracts.outreach.activity import ActivityEntry
from contracts.outreach.campaigns import CampaignState
from contracts.outreach.people import SuppressionReason
from contracts.outreach.sending import Gate, SendState, SkipReason
from contracts.taxonomy import Channel, SendKind

KINDS: Final[Mapping[SendKind, str]] = {
    SendKind.EMAIL: "E-mail",
    SendKind.CONNECTION_REQUEST: "LinkedIn invitation",
    SendKind.LINKEDIN_MESSAGE: "LinkedIn message",
    SendKind.SMS: "SMS",
}
CHANNELS: Final[Mapping[Channel, str]] = {
    Channel.EMAIL: "E-mail",
    Channel.LINKEDIN: "LinkedIn",
    Channel.SMS: "SMS",
    Channel.PHONE: "Telephone",
}
TRANSPORTS: Final[Mapping[Transport, str]] = {
    Transport.SANDBOX: "Sandbox",
    Transport.SMTP: "Mail server (SMTP)",
    Transport.HTTP: "Service (HTTP)",
}
STATES: Final[Mapping[SendState, tuple[str, str]]] = {
    SendState.QUEUED: ("queued", "plain"),
    SendState.CLAIMED: ("about to leave", "info"),
    SendState.SENDING: ("leaving", "info"),
    SendState.SENT: ("sent", "good"),
    SendState.FAILED: ("failed", "critical"),
    SendState.SKIPPED: ("skipped", "plain"),
    SendState.UNKNOWN: ("unknown", "warning"),
}
"""How a message stands, with the tone of its badge."""
CAMPAIGN_STATES: Final[Mapping[CampaignState, tuple[str, str]]] = {
    CampaignState.DRAFT: ("draft", "plain"),
    CampaignState.RUNNING: ("running", "good"),
    CampaignState.PAUSED: ("paused", "warning"),
    CampaignState.ARCHIVED: ("archived", "plain"),
}
GATES: Final[Mapping[Gate, str]] = {
    Gate.CAMPAIGN_RUNNING: "Campaign runs",
    Gate.ACCOUNT_HEALTHY: "Account may send",
    Gate.PROVIDER_ANSWERS: "Provider answers",
    Gate.ACCOUNT_CAPACITY: "Room in the day's limits",
    Gate.RANDOM_GAP: "Gap after the last message",
    Gate.BUSINESS_HOURS: "Business hours",
    Gate.SIXTY_DAYS: "60-day rule",
    Gate.SUPPRESSION: "Not suppressed",
    Gate.UNSUBSCRIBED: "Not unsubscribed",
    Gate.DO_NOT_CONTACT: "May be contacted",
    Gate.ERASED: "Not erased",
    Gate.REPLIED: "Has not replied",
    Gate.MERGED: "Stands for itself",
    Gate.CONDITION: "Step is meant for it",
}
SKIP_REASONS: Final[Mapping[SkipReason, str]] = {
    SkipReason.WRONG_PERSON: "Wrong person",
    SkipReason.WRONG_TEXT: "Text does not fit",
    SkipReason.HANDLED_OTHERWISE: "Somebody is on it",
    SkipReason.DUPLICATE: "They get it otherwise",
    SkipReason.BY_HAND: "No reason",
}
SUPPRESSION_REASONS: Final[Mapping[SuppressionReason, str]] = {
    SuppressionReason.DO_NOT_CONTACT: "Do not contact",
    SuppressionReason.REQUEST: "They asked for it",
    SuppressionReason.UNSUBSCRIBED: "Unsubscribed",
    SuppressionReason.BOUNCE: "Address does not exist",
    SuppressionReason.COMPLAINT: "Reported as spam",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """Something that keeps an account from sending, or that it may.

    Attributes:
        until: when it is over by itself; none where that has no date.
        why: in plain words, where there is more to say.
        resumed: whether resuming the account ends it.
    """

    text: str
    tone: str
    until: datetime | None = None
    why: str = ""
    resumed: bool = False


def standings(account: AccountView) -> list[Standing]:
    """How an account stands: all that keeps it from sending, or that nothing does."""
    found = []
    if account.state is AccountState.REMOVED:
        return [Standing("removed", "plain")]
    if account.state is AccountState.PAUSED:
        found.append(Standing("paused", "warning", resumed=True))
    if account.wants_a_person:
        why = "its provider wants to see a person: sign in there, then resume it"
        found.append(Standing("wants a person", "critical", why=why, resumed=True))
    if account.blocked:
        why = "its health is too low; it goes on by itself once it is 50 again"
        found.append(Standing("blocked", "critical", why=why, resumed=True))
    if account.domain_stopped:
        found.append(Standing("domain stopped", "critical", why=account.domain_stopped.why, resumed=True))
    if account.throttled_until:
        why = "its provider wants it to slow down"
        found.append(Standing("cooling down", "warning", account.throttled_until, why, resumed=True))
    if account.provider_away_until:
        found.append(Standing("provider away", "warning", account.provider_away_until, "its provider does not answer"))
    return found or [Standing("active", "good")]


def health_tone(health: int) -> str:
    """The colour of a health: red where it blocks, amber where somebody should look (accounts' health, warned below 80)."""
    return "red" if health < 30 else "amber" if health < 80 else "green"


def what_came(entry: ActivityEntry) -> list[tuple[str, str]]:
    """What came back for a message, with the tone of its badge: replies first."""
    told = [
        (f"reply: {reply.reply_class.replace('_', ' ')}" if reply.reply_class else "reply to be read", "info")
        for reply in entry.replies
    ]
    return [*told, *((trouble.kind.replace("_", " "), "warning") for trouble in entry.troubles)]
