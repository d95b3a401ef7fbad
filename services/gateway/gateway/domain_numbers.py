"""What the dashboard's numbers are called, what their parts are, and where each of them opens. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from contracts.aggregator.kpis import CampaignStatus, Kpi
from contracts.aggregator.win_rates import Count, View, WeeklyWinRate, Windowed, WinRate
from contracts.taxonomy import SystemStatus

Opens = Callable[..., str]


@dataclass(frozen=True, slots=True)
class Named:
    """A number in words.

    Attributes:
        title: what it is called.
        means: which events it counts.
        first: what to do where there are none, or what that means.
    """

    title: str
    means: str
    first: str


NAMES: Final[Mapping[Kpi, Named]] = {
    Kpi.TODAYS_SENDS: Named(
        "Messages sent today", "each message that left today, by the tenant's clock",
        "None has left today. Messages leave once a campaign runs, has leads, and an account has a daily limit.",
    ),
    Kpi.DAILY_LIMIT: Named(
        "Daily limits", "the limit that each account has now",
        "No account has a limit yet. Add one under Accounts.",
    ),
    Kpi.AUTOMATION_METHOD: Named(
        "Accounts that may send", "the limit that each has now, and what carries its messages",
        "No account may send anything. Add one under Accounts.",
    ),
    Kpi.REPLIES_REQUIRING_ACTION: Named(
        "Replies requiring action", "replies of which nobody has said yet what they say, nor that nothing is left to be done",
        "No reply waits for anybody.",
    ),
    Kpi.REPLY_RATE: Named(
        "Reply rate, 7 days",
        "leads that were sent anything in the last 7 days: the last reply of those who replied after their first message, "
        "the first message of the others",
        "Nobody was sent anything in these days.",
    ),
    Kpi.CAPTCHAS: Named(
        "Captchas, 24 hours", "times that a provider wanted to see a person", "No provider wanted to see a person."
    ),
    Kpi.THROTTLED: Named(
        "Accounts throttled", "accounts that stopped sending and have not gone on", "No account is throttled."
    ),
    Kpi.COOLDOWN: Named(
        "Accounts cooling down", "accounts that stopped sending within 24 hours and have not gone on",
        "No account is cooling down.",
    ),
    Kpi.ERRORS: Named("Errors, 24 hours", "messages that failed, and captchas", "Nothing failed in these 24 hours."),
    Kpi.LAST_ACTION: Named("Last action", "the last message sent", "No message was ever sent."),
    Kpi.CAMPAIGNS_RUNNING: Named(
        "Campaigns that run", "the event since which each runs",
        "No campaign runs. Set one up under Campaigns.",
    ),
    Kpi.CAMPAIGNS_PAUSED: Named(
        "Campaigns that are paused", "the event since which each is paused", "No campaign is paused."
    ),
    Kpi.CAMPAIGNS_COMPLETED: Named("Campaigns that ended today", "the end of each, by the tenant's clock", "No campaign ended today."),
    Kpi.REPLIES_TODAY: Named(
        "Leads that replied today", "the first reply of each", "Nobody has replied today."
    ),
    Kpi.QUEUE_REMAINING: Named(
        "Leads in a campaign's sequence", "those who were enrolled and whose sequence goes on",
        "Nobody is in a sequence. Leads are enrolled as they come, where a campaign's audience has them.",
    ),
    Kpi.FOLLOWUPS_DUE: Named(
        "Follow-ups due today", "those that have neither left nor been given up", "No follow-up is due today."
    ),
    Kpi.FIRST_LEAD: Named(
        "The first lead", "the first lead that came", "No lead has come yet. Import some under Imports."
    ),
    Kpi.FUNNEL: Named(
        "Funnel, 30 days", "leads by the stages of their outcomes: the first outcome of each at a stage",
        "No outcome occurred in these 30 days. Record outcomes where their leads are, or import them under Imports.",
    ),
    Kpi.CONVERSIONS: Named(
        "Deals won, 30 days", "each won outcome that was not voided",
        "No deal was won in these 30 days. Record outcomes where their leads are, or import them under Imports.",
    ),
}  # fmt: skip
"""Every number."""

BEHIND_STATUS: Final[Mapping[SystemStatus, Kpi]] = {
    SystemStatus.ERROR: Kpi.CAPTCHAS,
    SystemStatus.THROTTLED: Kpi.THROTTLED,
    SystemStatus.PAUSED: Kpi.CAMPAIGNS_PAUSED,
    SystemStatus.HEALTHY: Kpi.CAMPAIGNS_RUNNING,
}
"""Which events the system's status comes from; where it is well, those of what runs."""

BEHIND_CAMPAIGN: Final[Mapping[CampaignStatus, Kpi]] = {
    CampaignStatus.RUNNING: Kpi.CAMPAIGNS_RUNNING,
    CampaignStatus.PAUSED: Kpi.CAMPAIGNS_PAUSED,
    CampaignStatus.COMPLETED: Kpi.CAMPAIGNS_COMPLETED,
}

BEHIND_ACTION: Final[Mapping[str, Kpi]] = {
    "import_contacts": Kpi.FIRST_LEAD,
    "configure_limit": Kpi.DAILY_LIMIT,
    "review_replies": Kpi.REPLIES_REQUIRING_ACTION,
    "resume_campaign": Kpi.QUEUE_REMAINING,
    "view_followups": Kpi.FOLLOWUPS_DUE,
}
"""Which events have somebody do something next."""


def opening(tenant: str, as_of: datetime) -> Opens:
    """Where the events of a number are shown, of all of it or of a part, as of the moment it was counted at."""

    def opens(kpi: Kpi, part: object = None, **more: str) -> str:
        terms = {"as_of": as_of.isoformat()} | ({} if part is None else {"part": str(part)}) | more
        return f"/t/{tenant}/numbers/{kpi}?{urlencode(terms)}"

    return opens


RATES: Final[Mapping[Count, tuple[str, str]]] = {
    Count.LEADS_ENTERED: ("Leads", "the first outcome of each lead in these weeks"),
    Count.APPOINTMENTS: ("Leads with an appointment", "the first appointment of each lead"),
    Count.WON: ("Leads won", "the first outcome by which each lead is won"),
    Count.LOST: ("Leads lost", "the first outcome by which each lead is lost"),
    Count.DECIDED: ("Leads decided", "the first outcome by which each lead is won or lost"),
}
"""What the counts of win rates are called, and which events are behind them."""
ARRIVALS: Final = ("Leads that came", "the arrival of each lead")
"""The same of the leads of a cohort."""


def count_in_words(count: Count, view: View) -> tuple[str, str]:
    """What a count of win rates is called, and which events are behind it."""
    return ARRIVALS if (count, view) == (Count.LEADS_ENTERED, View.COHORT) else RATES[count]


def opening_rates(tenant: str, window: Windowed) -> Callable[[WinRate, str], str]:
    """Where the events of a row's count are shown: over the window, or in the row's week, where it is of one."""

    def opens(row: WinRate, count: str) -> str:
        of = {"weeks": 1, "until": row.week} if isinstance(row, WeeklyWinRate) else {}
        terms = window.model_dump(mode="json", exclude_defaults=True) | of
        return (
            f"/t/{tenant}/numbers/win_rates?{urlencode(terms | {'count': count, 'key': row.key, 'intent': row.intent})}"
        )

    return opens


def part_in_words(kpi: Kpi, part: str, campaigns: Mapping[UUID, str]) -> str:
    """What a part of a number is called: a campaign by its title, where that is known."""
    if kpi is Kpi.CONVERSIONS:
        return part or "without a currency"
    if (id_ := _id(part)) and (title := campaigns.get(id_)):
        return title
    return part.replace("_", " ")


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
