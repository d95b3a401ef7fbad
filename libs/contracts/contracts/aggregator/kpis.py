"""The numbers of the dashboard: each is counted from events, as of any moment, and opens the events it counts."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from contracts.aggregator.events import StoredEvent
from contracts.message import Kind, Reply, Request, Topic
from contracts.taxonomy import Stage, SystemStatus
from contracts.values import Moment

REPLY_RATE_DAYS: Final = 7
FUNNEL_DAYS: Final = 30
"""How far back the funnel, conversions and revenue reach."""
MOST_CAMPAIGNS: Final = 100
"""How many campaigns the snapshot shows."""


class Kpi(StrEnum):
    """A number, as the count of certain events. Its *part* is what it is counted by, if by anything.

    "Today" is the tenant's day: an event is of the day it was by the time zone that the tenant had at its time.
    """

    TODAYS_SENDS = "todays_sends"
    """Messages sent today, by campaign."""
    DAILY_LIMIT = "daily_limit"
    """The limits that accounts have, by account; the amount is how many messages a day, of all kinds."""
    AUTOMATION_METHOD = "automation_method"
    """The accounts that may send, by what carries their messages; ``unknown`` where that was not told."""
    REPLIES_REQUIRING_ACTION = "replies_requiring_action"
    """Replies of which nobody has said yet what they say, neither the rules nor a person, nor that nothing is left to be done; by campaign."""
    REPLY_RATE = "reply_rate"
    """Leads that were sent anything in the last 7 days: those who replied after their first message of these days (part ``replied``, the last
    reply of each), and those who did not (``silent``, the first message of each)."""
    CAPTCHAS = "captchas"
    """Times in the last 24 hours that a provider wanted to see a person, by account."""
    THROTTLED = "throttled"
    """Accounts that stopped sending and have not gone on, by account; not those that may send nothing anyway."""
    COOLDOWN = "cooldown"
    """Those of them that stopped within the last 24 hours."""
    ERRORS = "errors"
    """Messages that failed, and captchas, in the last 24 hours, by account."""
    LAST_ACTION = "last_action"
    """The last message sent: one event or none."""
    CAMPAIGNS_RUNNING = "campaigns_running"
    CAMPAIGNS_PAUSED = "campaigns_paused"
    CAMPAIGNS_COMPLETED = "campaigns_completed"
    """Campaigns that ended today."""
    REPLIES_TODAY = "replies_today"
    """Leads that replied today, by campaign: the first reply of each."""
    QUEUE_REMAINING = "queue_remaining"
    """Leads that are in a campaign's sequence, by campaign."""
    FOLLOWUPS_DUE = "followups_due"
    """Follow-ups due today that have neither left nor been given up, by campaign."""
    FIRST_LEAD = "first_lead"
    """The first lead that came: one event or none."""
    FUNNEL = "funnel"
    """Leads that had an outcome in the last 30 days, by its stage: the first such outcome of each."""
    CONVERSIONS = "conversions"
    """Deals won in the last 30 days, by currency; the amount is what they are worth."""


class Colour(StrEnum):
    """How much of the daily limit is used: below 70 %, up to 90 %, more."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


class Kpis(BaseModel):
    """The numbers at the top."""

    today_sends: int
    """Messages sent today, by the tenant's clock."""
    daily_limit: int | None
    """Messages a day, of all accounts; empty where no account has a limit yet."""
    send_percentage: int | None
    """Of the limit, rounded; empty where there is none, or it is nothing."""
    send_colour: Colour | None
    """How much of the limit that is; empty where there is none."""
    replies_needing_action: int
    """How many wait for somebody to say what they say."""
    leads_contacted: int
    """Within the last 7 days."""
    leads_replied: int
    """Of those, after their first message of these days."""
    reply_rate: int | None
    """In percent, rounded; empty where nobody was contacted."""
    system_status: SystemStatus
    """The first that applies: Error, Throttled, Paused, Healthy."""
    system_status_reason: str
    """Why it is that one."""


class NextAction(BaseModel):
    """Something worth doing."""

    priority: Annotated[int, Field(ge=1, le=5)]
    """Of its rule, 1 the most urgent."""
    title: str
    """What there is to do, in plain words."""
    action: Literal["import_contacts", "configure_limit", "review_replies", "resume_campaign", "view_followups"]
    """The same for programs."""
    url: str
    """Where it is done."""
    campaign_id: UUID | None = None
    """Of which campaign, where it is about one."""


class CampaignStatus(StrEnum):
    """How a campaign stands, by its last event."""

    RUNNING = "Running"
    PAUSED = "Paused"
    COMPLETED = "Completed"


class CampaignSnapshot(BaseModel):
    """A campaign's day."""

    id: UUID
    """The campaign's."""
    name: str | None = None
    """How people call it; no event tells it, so that whoever shows it asks outreach."""
    status: CampaignStatus
    """By its last event."""
    queue_remaining: int
    """Leads in its sequence."""
    today_sends: int
    """Messages of it sent today."""
    replies_today: int
    """Leads that replied today."""


class SystemHealth(BaseModel):
    """How the accounts do."""

    hidden: bool
    """Whether all is well, so that there is nothing to show."""
    last_action: datetime | None
    """When the last message was sent."""
    cooldown_active: bool
    """Whether an account stopped sending within 24 hours and has not gone on."""
    errors_last_24h: int
    """Messages that failed, and captchas."""
    captcha_detected: bool
    """Within 24 hours."""
    automation_method: str
    """What carries the accounts' messages, such as ``smtp``; several with commas, ``none`` without an account."""


class StageCount(BaseModel):
    """How many leads came to a stage of the funnel in the last 30 days."""

    stage: Stage
    """Which."""
    leads: int
    """Each counted once."""


class Revenue(BaseModel):
    """What deals are worth, in one currency."""

    currency: str | None
    """Empty for deals whose value has none, or that have no value."""
    conversions: int
    """Deals."""
    amount: Decimal
    """What they are worth together."""


class NumberCheck(BaseModel):
    """What the last comparison of the numbers with a fold of the events found."""

    checked_at: datetime
    """When."""
    compared: int
    """How many numbers."""
    drift: int
    """How many differed; 0, or something is broken."""


class Dashboard(Reply):
    """Every number of the dashboard, as of one moment."""

    as_of: datetime
    """The events that had occurred by then are counted; pass it on to open them."""
    kpis: Kpis
    """The numbers at the top."""
    next_actions: list[NextAction]
    """The five most urgent, by priority."""
    campaign_snapshots: list[CampaignSnapshot]
    """Campaigns that are not over, or ended today; the busiest of today first, 100 at most."""
    system_health: SystemHealth
    """How the accounts do."""
    funnel: list[StageCount]
    """In the funnel's order."""
    conversions: int
    """Deals won in the last 30 days."""
    revenue: list[Revenue]
    """What they are worth, by currency."""
    checked: NumberCheck | None = None
    """The last check of these numbers; empty where there was none yet."""


class DashboardStats(Request[Dashboard]):
    """Every number of the dashboard, as of now or of any moment in the past."""

    topic: ClassVar = Topic("aggregator", Kind.REQUEST, "dashboard_stats")
    as_of: Moment | None = None
    """Only what had occurred by then; now, if empty."""


class KpiEventPage(Reply):
    """A page of the events that a number counts."""

    as_of: datetime
    """As of when."""
    events: list[StoredEvent]
    """The last that occurred first; all pages together are as many as the number says."""
    next_cursor: str | None = None


class ListKpiEvents(Request[KpiEventPage]):
    """Exactly the events that a number counts, a page at a time."""

    topic: ClassVar = Topic("aggregator", Kind.REQUEST, "list_kpi_events")
    kpi: Kpi
    """Which number."""
    part: Annotated[str, Field(max_length=200)] | None = None
    """Only this part: a campaign, an account, a stage or a currency, as the number is counted by; all, if empty."""
    as_of: Moment | None = None
    """As of when; pass the dashboard's `as_of`, or later events may be among them. Now, if empty."""
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None
