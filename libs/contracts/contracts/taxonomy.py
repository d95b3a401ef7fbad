"""Every word the services share, spelled once.

The words come from the outcome-capture plan (outcomes, funnel stages, bands, timelines, tiers), the event-sourced
dashboard (outreach events, system status) and the lead-distribution plan (queues). Nothing else spells them but migrations,
which stay as they were released.
"""

import re
import unicodedata
from decimal import Decimal
from enum import StrEnum

UNKNOWN = "unknown"
"""The key of a group whose attribute was never given."""


KEY_LENGTH = 200
"""The most characters a key has."""


class Channel(StrEnum):
    """How a person is reached."""

    EMAIL = "email"
    LINKEDIN = "linkedin"
    SMS = "sms"
    PHONE = "phone"


class SendKind(StrEnum):
    """What kind of message leaves an account; each has a daily limit of its own (implementation tasklist, 8)."""

    EMAIL = "email"
    CONNECTION_REQUEST = "connection_request"
    LINKEDIN_MESSAGE = "linkedin_message"
    SMS = "sms"


CHANNEL_OF: dict[SendKind, Channel] = {
    SendKind.EMAIL: Channel.EMAIL,
    SendKind.CONNECTION_REQUEST: Channel.LINKEDIN,
    SendKind.LINKEDIN_MESSAGE: Channel.LINKEDIN,
    SendKind.SMS: Channel.SMS,
}


class Fault(StrEnum):
    """Why a message was refused or came back: whose fault it is. Only the recipient's suppresses the person."""

    RECIPIENT = "recipient"
    """There is no such mailbox, profile or number."""
    REPUTATION = "reputation"
    """The sender, its domain or its network is not trusted: listed, throttled, or taken for spam."""
    POLICY = "policy"
    """The message breaks a rule of the recipient's system: its size, its content, its authentication."""
    TRANSIENT = "transient"
    """It may well be taken later: a full mailbox, greylisting, a system that is down."""


class Role(StrEnum):
    """What a person may do in a tenant; a superadmin in every tenant."""

    VIEWER = "viewer"
    AGENT = "agent"
    OPERATOR = "operator"
    ADMIN = "admin"
    AUDITOR = "auditor"
    SUPERADMIN = "superadmin"


class Purpose(StrEnum):
    """What somebody needs to know a person's name, address or notes for."""

    WORK_LEAD = "work_lead"
    SEND_MESSAGE = "send_message"
    VERIFY_IDENTITY = "verify_identity"
    SUBJECT_REQUEST = "subject_request"
    """The person asked what is known of them, or that it be corrected or erased."""
    FRAUD_CHECK = "fraud_check"
    SUPPORT = "support"


class MergePolicy(StrEnum):
    """What a tenant wants done with several leads of one person."""

    KEEP_BOTH = "keep_both"
    INTO_OLDEST = "into_oldest"
    INTO_NEWEST = "into_newest"


class OutcomeType(StrEnum):
    """What became of a lead."""

    CONTACTED = "contacted"
    APPOINTMENT_SET = "appointment_set"
    LISTING_SIGNED = "listing_signed"
    BUYER_AGREEMENT = "buyer_agreement"
    CLOSED_WON = "closed_won"
    CLOSED_LOST = "closed_lost"
    INVALID = "invalid"


class Stage(StrEnum):
    """Where an outcome puts a lead in the funnel."""

    TOP_OF_FUNNEL = "top_of_funnel"
    MID_FUNNEL = "mid_funnel"
    WON = "won"
    LOST = "lost"
    INVALID = "invalid"


STAGE_OF: dict[OutcomeType, Stage] = {
    OutcomeType.CONTACTED: Stage.TOP_OF_FUNNEL,
    OutcomeType.APPOINTMENT_SET: Stage.MID_FUNNEL,
    OutcomeType.LISTING_SIGNED: Stage.MID_FUNNEL,
    OutcomeType.BUYER_AGREEMENT: Stage.MID_FUNNEL,
    OutcomeType.CLOSED_WON: Stage.WON,
    OutcomeType.CLOSED_LOST: Stage.LOST,
    OutcomeType.INVALID: Stage.INVALID,
}


class Intent(StrEnum):
    """What the person means to do."""

    BUYER = "buyer"
    SELLER = "seller"


class Timeline(StrEnum):
    """Days until the person means to act."""

    DAYS_0_30 = "0-30"
    DAYS_31_90 = "31-90"
    DAYS_91_180 = "91-180"
    DAYS_180_PLUS = "180+"


class Band(StrEnum):
    """A price or a budget, in thousands of the tenant's currency."""

    BELOW_200K = "<200k"
    FROM_200K = "200k-300k"
    FROM_300K = "300k-500k"
    FROM_500K = "500k+"


class Tier(StrEnum):
    """How promising a lead is, A the most."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"


class QueueType(StrEnum):
    """Which work queue a lead belongs to."""

    UNSIGNED_USERS = "unsigned_users"
    REQUIREMENTS_OUTSTANDING = "requirements_outstanding"
    NONE = "none"


class OutreachEventType(StrEnum):
    """What happens while people are contacted."""

    MESSAGE_QUEUED = "message_queued"
    MESSAGE_SENT = "message_sent"
    MESSAGE_FAILED = "message_failed"
    REPLY_RECEIVED = "reply_received"
    REPLY_CLASSIFIED = "reply_classified"
    FOLLOWUP_SCHEDULED = "followup_scheduled"
    FOLLOWUP_SENT = "followup_sent"
    CAMPAIGN_PAUSED = "campaign_paused"
    CAMPAIGN_RESUMED = "campaign_resumed"
    AUTOMATION_THROTTLED = "automation_throttled"
    AUTOMATION_RESUMED = "automation_resumed"
    CAPTCHA_DETECTED = "captcha_detected"
    MANUAL_ACTION_REQUIRED = "manual_action_required"


class ReplyClass(StrEnum):
    """What a reply says."""

    INTERESTED = "interested"
    NOT_INTERESTED = "not_interested"
    OUT_OF_OFFICE = "out_of_office"
    UNSUBSCRIBE = "unsubscribe"
    WRONG_PERSON = "wrong_person"
    AUTO_REPLY = "auto_reply"
    """A machine's answer that says nothing of the person."""


class ActionType(StrEnum):
    """What was done to find or reach somebody, and is remembered."""

    DISCOVERY = "discovery"
    ENRICHMENT = "enrichment"
    OUTREACH = "outreach"


class EntityType(StrEnum):
    """Whom such an action was about."""

    COMPANY = "company"
    INDIVIDUAL = "individual"


class ActionStatus(StrEnum):
    """What came of such an action."""

    COMPLETED = "completed"
    PARTIAL = "partial"
    NO_ACTION = "no_action"


class EnrichmentStep(StrEnum):
    """What a run does to find people, in this order."""

    FIND_COMPANIES = "find_companies"
    FIND_CONTACTS = "find_contacts"
    ENRICH_EMAILS = "enrich_emails"


class EnrichmentStatus(StrEnum):
    """Where such a run stands, or one of its steps."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    BUDGET_EXHAUSTED = "budget_exhausted"


class ProviderKind(StrEnum):
    """How a provider of companies, contacts or e-mail addresses is asked."""

    HTTP = "http"
    CSV = "csv"
    PATTERN = "pattern"


class AlertCategory(StrEnum):
    """What kind of trouble an alert tells of."""

    OPS = "ops"
    DATA_QUALITY = "data_quality"
    PERFORMANCE = "performance"


class Severity(StrEnum):
    """How urgent an alert is."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class SystemStatus(StrEnum):
    """How the whole is doing, as the dashboard shows it."""

    HEALTHY = "Healthy"
    THROTTLED = "Throttled"
    PAUSED = "Paused"
    ERROR = "Error"


_OTHER_CHARACTERS = re.compile(r"[\W_]+")


def key(text: str) -> str:
    """The grouping key of a free text: lower case, accents stripped, every other run of characters an underscore.

    Underscores at either end are dropped, and so is what goes beyond `KEY_LENGTH`; a text without a letter or digit
    has the key ``""``.

    >>> key("Dublin, OH"), key(" São  Paulo! ")
    ('dublin_oh', 'sao_paulo')
    """
    if text.isascii():
        plain = text
    else:
        plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return _OTHER_CHARACTERS.sub("_", plain.lower()).strip("_")[:KEY_LENGTH].rstrip("_")


def band(amount: Decimal | int | float) -> Band:
    """The band of an amount in whole units of currency; a bound belongs to the band it opens."""
    if amount < 200_000:
        return Band.BELOW_200K
    if amount < 300_000:
        return Band.FROM_200K
    if amount < 500_000:
        return Band.FROM_300K
    return Band.FROM_500K
