"""Messages of outreach: campaigns, their steps, and who is enrolled in them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from contracts.intake.memory import ActionRecall
from contracts.message import Event, Kind, Reply, Request, Topic
from contracts.outreach.accounts import GuardStop
from contracts.taxonomy import ActionStatus, ActionType, Channel, EntityType, Intent, SendKind, Tier
from contracts.values import NO_NUL, Actor, Key, Slug

MOST_STEPS: Final = 20
CAMPAIGN_DAILY_LIMIT: Final = 38
"""Messages a day of one campaign from one account, where no other cap is set (implementation tasklist, 8)."""


class CampaignState(StrEnum):
    """Whether a campaign sends."""

    DRAFT = "draft"
    """Not yet."""
    RUNNING = "running"
    PAUSED = "paused"
    ARCHIVED = "archived"
    """Never again."""


class AudienceView(BaseModel):
    """Which leads are meant: those that match everything given."""

    model_config = ConfigDict(frozen=True)

    source_key: Key | None = None
    geo_key: Key | None = None
    intent: Intent | None = None
    tier: Tier | None = None


class Audience(AudienceView):
    """An audience as it is ordered: a misspelt condition is refused, or it would reach everybody."""

    model_config = ConfigDict(extra="forbid")


class Variant(BaseModel):
    """A template that some of a step's messages are written by."""

    model_config = ConfigDict(frozen=True)

    template_id: UUID
    version: Annotated[int, Field(ge=1)] | None = None
    """Which of the template's versions; in an order its newest, if empty."""
    weight: Annotated[int, Field(ge=0, le=100)] = 1
    """How many of the messages, in proportion to the other variants'; 0 where it was stopped: too many people complained or
    unsubscribed."""


class NewVariant(Variant):
    """A variant as it is ordered: a misspelt field is refused."""

    model_config = ConfigDict(extra="forbid")
    weight: Annotated[int, Field(ge=1, le=100)] = 1
    """How many of the messages, in proportion to the other variants'."""


class Step(BaseModel):
    """One message of a campaign's sequence."""

    model_config = ConfigDict(frozen=True)

    kind: SendKind = SendKind.EMAIL
    delay_days: Annotated[int, Field(ge=0, le=365)] = 0
    """How many days after the message before it was sent; of the first, after the enrollment."""
    condition: AudienceView = AudienceView()
    """Whom it is for, as the lead is when the message is due; others go on with the next step."""
    variants: Annotated[tuple[Variant, ...], Field(max_length=10)] = ()
    """The templates it is written by; one is chosen for each enrollment."""


class NewStep(Step):
    """A step as it is ordered: a misspelt field is refused."""

    model_config = ConfigDict(extra="forbid")
    condition: Audience = Audience()
    """Whom it is for, as the lead is when the message is due; others go on with the next step."""
    variants: Annotated[tuple[NewVariant, ...], Field(max_length=10)] = ()
    """The templates it is written by; one is chosen for each enrollment."""


class BusinessHours(BaseModel):
    """When messages leave, by the clock of the recipient, or of the account where the recipient's time zone is not known."""

    model_config = ConfigDict(frozen=True)

    opens: Annotated[str, Field(pattern=r"^(?:[01]\d|2[0-3]):[0-5]\d$", examples=["09:00"])] = "09:00"
    """The first moment at which one may leave."""
    closes: Annotated[str, Field(pattern=r"^(?:(?:[01]\d|2[0-3]):[0-5]\d|24:00)$", examples=["18:00"])] = "18:00"
    """The first at which none may any more."""
    weekdays: Annotated[frozenset[Annotated[int, Field(ge=1, le=7)]], Field(min_length=1)] = frozenset({1, 2, 3, 4, 5})
    """ISO 8601: 1 is Monday."""
    holidays: Annotated[str, Field(pattern=r"^(?:[A-Z]{2}|none)$", examples=["US"])] | None = None
    """Whose public holidays are kept, ISO 3166-1 alpha-2, or ``none``; the tenant's region's, if empty."""

    @model_validator(mode="after")
    def _opens_before_it_closes(self) -> "BusinessHours":
        if self.opens >= self.closes:
            raise ValueError("closes must be later than opens")
        return self


class NewBusinessHours(BusinessHours):
    """Hours as they are ordered: a misspelt field is refused."""

    model_config = ConfigDict(extra="forbid")


class CampaignSettings(BaseModel):
    """How a campaign sends."""

    model_config = ConfigDict(frozen=True)

    offer: Key | None = None
    """What it offers."""
    rotation_set: Slug = "default"
    """The accounts it sends from."""
    daily_cap: Annotated[int, Field(ge=1, le=100_000)] = CAMPAIGN_DAILY_LIMIT
    """How many of its messages leave one account a day, at most."""
    hours: BusinessHours = BusinessHours()
    """When its messages leave."""
    stop_for_company: bool = False
    """Whether one person's reply stops the sequence of everybody whose lead is of the same company."""


class NewCampaignSettings(CampaignSettings):
    """How a campaign is ordered to send: a misspelt field is refused, or it would stay at its usual value."""

    model_config = ConfigDict(extra="forbid")
    hours: NewBusinessHours = NewBusinessHours()
    """When its messages leave."""


class StepOutline(BaseModel):
    """What a step is compared by: when it is due, and how often each of its texts is chosen, make no other outreach of it."""

    model_config = ConfigDict(frozen=True)

    kind: SendKind
    templates: tuple[UUID, ...] = ()
    """The templates it is written by, whichever of their versions."""
    condition: AudienceView = AudienceView()
    """Whom it is for."""


class CampaignOutline(BaseModel):
    """What makes two campaigns the same outreach, or a similar one: whom they are for, what they offer, and their steps."""

    model_config = ConfigDict(frozen=True)

    audience: AudienceView
    offer: Key | None = None
    """What it offers."""
    steps: tuple[StepOutline, ...]
    """Its sequence."""

    def about(self) -> dict[str, Any]:
        """How intake's memory of actions is asked about such a campaign, and told of it: the fields of `CheckAction`.

        Each step is told with whom the campaign is for: the same long sequence for others is no repetition of it.
        """
        outline = self.model_dump(mode="json")
        steps = [{"audience": outline["audience"], **step} for step in outline["steps"]]
        request = {"offer": outline["offer"], "steps": steps}
        return {"action_type": ActionType.OUTREACH, "entity_type": EntityType.INDIVIDUAL, "request": request}


class _CampaignEvent(Event):
    campaign_id: UUID
    occurred_at: datetime


class CampaignCreated(_CampaignEvent):
    """A campaign was made."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "campaign_created")
    channel: Channel
    """That of its first step."""
    offer: Key | None = None
    """What it offers."""
    draft: bool = False
    """Whether it sends nothing before it is resumed."""


class CampaignStarted(_CampaignEvent):
    """A campaign begins to send, as it was made or later; told once."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "campaign_started")
    actor: Actor | None = None
    """Who started it."""
    outline: CampaignOutline
    """What similar campaigns are found by."""
    proceeded_anyway: bool = False
    """Whether a similar campaign was known, and it was started all the same."""


class CampaignPaused(_CampaignEvent):
    """A campaign stopped sending until it is resumed."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "campaign_paused")
    actor: Actor | None = None
    """Who paused it; empty where a guard did."""
    reason: Annotated[Slug, Field(examples=["bounces"])] | None = None
    """What there was too much of, where a guard paused it: ``bounces``, ``complaints`` or ``unsubscribes``."""


class CampaignResumed(_CampaignEvent):
    """A paused campaign sends again."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "campaign_resumed")
    actor: Actor | None = None


class CampaignCompleted(_CampaignEvent):
    """A campaign will send nothing any more: it was archived."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "campaign_completed")
    actor: Actor | None = None
    outcome: ActionStatus | None = None
    """What came of it: ``no_action`` where nothing was sent, ``partial`` where somebody was still in its sequence, else
    ``completed``."""


class EnrollmentEnd(StrEnum):
    """Why a sequence is over for a lead."""

    COMPLETED = "completed"
    """Its last message was sent."""
    REPLIED = "replied"
    UNSUBSCRIBED = "unsubscribed"
    SUPPRESSED = "suppressed"
    DO_NOT_CONTACT = "do_not_contact"
    ERASED = "erased"
    FAILED = "failed"
    """A message could not be sent."""
    SAME_PERSON = "same_person"
    """The person is, or was, in the campaign by way of another lead."""
    ARCHIVED = "archived"
    """The campaign was archived."""


class _EnrollmentEvent(_CampaignEvent):
    enrollment_id: UUID
    lead_id: UUID


class EnrollmentStarted(_EnrollmentEvent):
    """A lead joined a campaign's audience, and is to be sent its steps."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "enrollment_started")


class EnrollmentEnded(_EnrollmentEvent):
    """A lead is sent nothing more of a campaign."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "enrollment_ended")
    reason: EnrollmentEnd
    """Why."""


class CampaignView(Reply):
    """A campaign, and how far it has come."""

    campaign_id: UUID
    title: str
    state: CampaignState
    stopped: GuardStop | None = None
    """Why a guard paused it; empty where it runs, or a person paused it."""
    audience: AudienceView
    steps: list[Step]
    """Its sequence."""
    settings: CampaignSettings
    """How it sends."""
    created_at: datetime
    enrolled: int
    """Leads that are in its sequence now."""
    queued: int
    """Messages that are still to be sent."""
    in_flight: int
    """Of those, the ones that a provider is being handed: pausing does not call them back."""
    sent: int
    """Messages the provider took."""
    failed: int
    """Messages that will not be sent."""
    skipped: int
    """Messages that were not meant for their lead any more when they were due."""
    unknown: int
    """Messages of which nobody heard whether they were sent; none is sent again by itself."""


class CampaignStartResult(CampaignView):
    """A campaign, and whether a similar one was started before."""

    recall: ActionRecall | None = None
    """What intake remembers of a similar campaign. Advice only: the campaign sends, unless it is paused. Empty where this request
    started nothing, or intake could not be asked."""


class CheckCampaign(Request[ActionRecall]):
    """Ask before a campaign is started whether a similar one was. Nothing is made, and nothing recorded.

    Where intake cannot be asked it is answered as if nothing similar were known: nobody is kept from starting a campaign.
    """

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "check_campaign")
    audience: Audience = Audience()
    steps: Annotated[tuple[NewStep, ...], Field(min_length=1, max_length=MOST_STEPS)] = (NewStep(),)
    """Its sequence."""
    offer: Key | None = None
    """What it offers."""


class CreateCampaign(Request[CampaignStartResult]):
    """Make a campaign: each lead of the audience, present and future, is sent its steps."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "create_campaign")
    title: Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]
    audience: Audience = Audience()
    steps: Annotated[tuple[NewStep, ...], Field(min_length=1, max_length=MOST_STEPS)] = (NewStep(),)
    """Its sequence."""
    settings: NewCampaignSettings = NewCampaignSettings()
    """How it is to send."""
    actor: Actor | None = None
    """Who makes it."""
    proceed_anyway: bool = False
    """Whether the actor was told of a similar campaign, by `check_campaign` for instance, and starts this one; auditors see it. Where
    one is found now, that is recorded anyway: the reply tells of it, and the campaign starts."""
    start: bool = True
    """Whether it sends at once; otherwise it is a draft until it is resumed."""
    campaign_id: UUID | None = None
    """Its id, a UUIDv7 that was never used, so that it is made once; one of ours, if empty."""

    @field_validator("steps")
    @classmethod
    def _a_connection_is_asked_for_once(cls, steps: tuple[NewStep, ...]) -> tuple[NewStep, ...]:
        if sum(step.kind is SendKind.CONNECTION_REQUEST for step in steps) > 1:
            raise ValueError("one step can ask for a connection, the others need another kind")
        return steps


class CampaignList(Reply):
    """Campaigns of a tenant."""

    campaigns: list[CampaignView]
    """Those of the page."""
    next_cursor: str | None = None


class ListCampaigns(Request[CampaignList]):
    """The campaigns of a tenant, newest first, a page at a time."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "list_campaigns")
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class CampaignTitle(BaseModel):
    """What a campaign is called, and whether it sends."""

    campaign_id: UUID
    title: str
    state: CampaignState


class CampaignTitleList(Reply):
    """Campaigns of a tenant without what is counted of them."""

    campaigns: list[CampaignTitle]
    """Those of the page."""
    next_cursor: str | None = None


class ListCampaignTitles(Request[CampaignTitleList]):
    """What the campaigns of a tenant are called, newest first, a page at a time; nothing is counted for it."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "list_campaign_titles")
    limit: Annotated[int, Field(ge=1, le=200)] = 200
    cursor: Annotated[str, Field(max_length=200)] | None = None


class _OfCampaign(Request[CampaignView]):
    campaign_id: UUID
    actor: Actor | None = None
    """Who asks for it."""


class GetCampaign(Request[CampaignView]):
    """A campaign."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "get_campaign")
    campaign_id: UUID


class VariantRate(BaseModel):
    """A share of a variant's messages, with the interval that holds the true one 95 times of 100 (Wilson)."""

    count: int
    """Of how many messages it came."""
    share: float
    """Of those that were sent, 0 to 1."""
    low: float
    """Where the interval begins."""
    high: float
    """Where it ends."""


class VariantView(BaseModel):
    """How a variant does."""

    template_id: UUID
    version: int
    weight: int
    """0 where it was stopped."""
    standing: Slug
    """``too_early`` below 200 messages; ``stopped`` where too many people complained or unsubscribed; ``winner``; else ``open``."""
    sent: int
    """Messages of the step that were written by it and sent."""
    wins: VariantRate
    """Messages whose lead was won after them."""
    positive_replies: VariantRate
    """Messages that somebody interested answered."""
    complaints: VariantRate
    """Messages that were reported as spam."""
    unsubscribes: VariantRate
    """Messages by which somebody unsubscribed."""
    why: list[str]
    """What the standing was found by, in plain words."""


class StepJudgement(BaseModel):
    """How the variants of a step do against each other."""

    step: int
    """Which of the campaign's, from 1."""
    winner: UUID | None = None
    """The template of the variant that does surely better than every other: at wins, else at positive replies."""
    winner_version: int | None = None
    """Which of the template's versions that is."""
    reason: str
    """Why it is that one, or why there is none yet; variants are numbered from 1, as the step has them."""
    variants: list[VariantView]
    """In the order in which the step has them."""


class VariantJudgement(Reply):
    """How the variants of a campaign's steps do."""

    campaign_id: UUID
    steps: list[StepJudgement]
    """Those that have any."""


class JudgeVariants(Request[VariantJudgement]):
    """How the variants of a campaign's steps do against each other, counted from what became of their messages."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "judge_variants")
    campaign_id: UUID


class PauseCampaign(_OfCampaign):
    """Stop sending until the campaign is resumed: none of its messages begins to leave from the reply on."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "pause_campaign")


class ResumeCampaign(Request[CampaignStartResult]):
    """Let a paused campaign, or a draft, send.

    What was known of one that a guard paused goes on counting, but cannot stop it again; what is heard from then on can.
    """

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "resume_campaign")
    campaign_id: UUID
    actor: Actor | None = None
    """Who asks for it."""
    proceed_anyway: bool = False
    """Whether the actor was told of a campaign like this draft, and starts it; as in `create_campaign`."""


class ArchiveCampaign(_OfCampaign):
    """End a campaign for good: what is queued is not sent, and its leads are free for others as the 60-day rule says."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "archive_campaign")
