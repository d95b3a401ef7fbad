"""Messages of enrichment: companies are found, then people in them, then their e-mail addresses, from paid providers.

A run has three steps (`EnrichmentStep`), each of which asks its providers about one item after the other. What is personal
about the people found leaves intake as leads only, by `submit_contacts`.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, model_validator

from contracts.intake.leads import LeadVerdict
from contracts.intake.memory import ActionRecall
from contracts.intake.providers import Money
from contracts.message import Event, Kind, Reply, Request, Topic
from contracts.taxonomy import EnrichmentStatus, EnrichmentStep, ProviderKind
from contracts.values import NO_NUL, Actor, Currency, Slug


def _unique(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("names a provider twice")
    return names


Chain = Annotated[list[Slug], Field(max_length=5), AfterValidator(_unique)]
"""Providers by name, asked one after the other until one finds something."""


class _Run(BaseModel):
    criteria: Annotated[
        dict[Slug, Annotated[str, Field(max_length=500, pattern=NO_NUL)] | int | float | bool
             | Annotated[list[Annotated[str, Field(max_length=500, pattern=NO_NUL)]], Field(max_length=50)]],
        Field(min_length=1, max_length=50, examples=[{"industry": "roofing", "state": "OH"}]),
    ]  # fmt: skip
    """What companies are looked for; kept sealed."""


class RunView(Reply):
    """A run at a glance."""

    run_id: UUID
    status: EnrichmentStatus
    actor: str
    budget: Decimal
    """What the run may cost at most, in `currency`."""
    cost: Decimal
    """What its calls have cost so far, in `currency`."""
    currency: str
    companies: int
    """How many were found."""
    contacts: int
    """How many people were found in them."""
    emails: int
    """How many of those have an e-mail address."""
    submitted: int
    """How many of those were submitted as leads."""
    error: str | None = None
    """Why it stands still, and what to do."""
    created_at: datetime
    """When it was started."""
    ended_at: datetime | None = None
    """When it came to its end, or stood still."""


class RunStartResult(RunView):
    """The run, and whether something similar was done before."""

    recall: ActionRecall
    """Advice only: the run goes on, unless it is cancelled."""


class StartRun(_Run, Request[RunStartResult]):
    """Start a run: companies by the criteria, then contacts in each, then an e-mail address for each who has none."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "start_run")
    run_id: UUID | None = None
    """The caller's own id for it: a run that was started under it is returned as it is. Made here, if empty."""
    providers: Annotated[
        dict[EnrichmentStep, Chain], Field(examples=[{"find_companies": ["directory"], "find_contacts": ["people"]}])
    ]
    """Who is asked at each step; a step without any is skipped, and so are those behind it."""
    budget: Money
    """What the run may cost at most, in `currency`; it stops before the call that might cost more."""
    currency: Currency
    most_companies: Annotated[int, Field(ge=1, le=1000)] = 100
    """How many companies are taken of those found."""
    most_contacts: Annotated[int, Field(ge=1, le=100)] = 10
    """How many contacts are taken of those found in a company."""
    actor: Actor
    """Who starts it: a user, key or service id, never a name."""
    proceed_anyway: bool = False
    """Whether the actor was told of a similar run, by `check_action` for instance, and goes on; auditors see it. Where one is found
    now, that is recorded anyway: the reply tells of it, and the run goes on."""

    @model_validator(mode="after")
    def _steps_follow_each_other(self) -> "StartRun":
        chosen = [bool(self.providers.get(step)) for step in EnrichmentStep]
        if not chosen[0] or chosen != sorted(chosen, reverse=True):
            raise ValueError(f"give providers for {EnrichmentStep.FIND_COMPANIES}, and for each step before another's")
        return self


class StepView(BaseModel):
    """How far a step is."""

    step: EnrichmentStep
    status: EnrichmentStatus
    providers: list[str]
    """Who is asked, one after the other until one finds something."""
    total: int
    """How many items it has; more may come while the step before it runs."""
    done: int
    """How many of them are done."""
    found: int
    """How much came of them: companies, contacts, e-mail addresses."""
    cost: Decimal
    """In the run's currency."""
    calls: int
    """How many calls were made."""
    cached: int
    """How many answers were remembered, and cost nothing."""
    attempts: int
    """How often it was begun: 1, and 1 more for each time it was resumed."""
    error: str | None = None
    """Why it stands still, and what to do."""
    started_at: datetime | None = None
    """When it was first begun."""
    ended_at: datetime | None = None
    """When it came to its end, or stood still."""


class CompanyView(BaseModel):
    """A company that was found; what a provider said of it that looks like a telephone number or e-mail address is left out."""

    company: int
    """Counts the run's companies, from 1."""
    name: str | None = None
    """What it is called."""
    domain: str | None = None
    """Its web site's."""
    industry: str | None = None
    """What it does."""
    country: str | None = None
    """Where it is."""
    region: str | None = None
    """The state or province."""
    city: str | None = None
    """The town."""
    size: Annotated[str, Field(examples=["10-50"])] | None = None
    """How many work there, in the provider's words."""
    contacts: int
    """How many contacts were found in it."""


class RunDetails(RunView):
    """A run with all its steps."""

    criteria: Annotated[dict[str, Any], Field(examples=[{"industry": "roofing", "state": "OH"}])]
    """What companies are looked for; empty once the run is older than the tenant remembers."""
    steps: list[StepView]
    """The three of them, in their order."""
    found_companies: list[CompanyView]
    """The first hundred; `list_companies` has all."""
    rejected: Annotated[dict[str, int], Field(examples=[{"no_contact": 2}])] = {}
    """How many contacts were submitted and rejected since the run was last resumed, by the flaw's code."""


class GetRun(Request[RunDetails]):
    """A run's progress; of the contacts found it tells how many there are."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "get_run")
    run_id: UUID


class CompanyPage(Reply):
    """A page of companies."""

    found_companies: list[CompanyView]
    """The companies of this page, in the order they were found."""
    next_cursor: str | None = None


class ListCompanies(Request[CompanyPage]):
    """The companies that a run found, a page at a time."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "list_companies")
    run_id: UUID
    limit: Annotated[int, Field(ge=1, le=200)] = 100
    cursor: Annotated[str, Field(max_length=200)] | None = None


class RunPage(Reply):
    """A page of runs."""

    runs: list[RunView]
    """The runs of this page."""
    next_cursor: str | None = None


class ListRuns(Request[RunPage]):
    """The runs of a tenant, newest first, a page at a time."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "list_runs")
    status: EnrichmentStatus | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class CancelRun(Request[RunView]):
    """Stop a run: no call is made any more. Of one that has come to its end nothing changes."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "cancel_run")
    run_id: UUID
    actor: Actor
    """Who cancels it: a user, key or service id, never a name."""


class ResumeRun(Request[RunView]):
    """Let a run that failed, was cancelled or used its budget up go on where it stood still; what is done stays done."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "resume_run")
    run_id: UUID
    actor: Actor
    """Who resumes it: a user, key or service id, never a name."""
    budget: Money | None = None
    """What it may cost from its first call on; as before, if empty."""
    skip_failed: bool = False
    """Whether the item at which it failed is passed over."""


class ContactSubmissionResult(Reply):
    """What became of the contacts that were submitted."""

    counts: dict[LeadVerdict, int]
    """By verdict; a verdict that none got is left out."""
    remaining: int
    """How many there are still: ask again while there are any."""
    rejected: Annotated[dict[str, int], Field(examples=[{"no_contact": 2}])] = {}
    """How many of the run's were rejected since it was last resumed, by the flaw's code: now, and by such requests before."""


class SubmitContacts(Request[ContactSubmissionResult]):
    """Submit the contacts of a run that is not under way as leads of the source system ``enrichment``, the first that were not yet.

    Those who share an e-mail address, profile, or name and company with one submitted before are the same lead. What is personal
    about who became a lead is the vault's from then on. Who is rejected stays in the run, and can be submitted again once it was
    resumed, which a run that succeeded cannot be; but for persons who were erased, who are forgotten.
    """

    topic: ClassVar = Topic("intake", Kind.REQUEST, "submit_contacts")
    run_id: UUID
    actor: Actor
    """Who submits them: a user, key or service id, never a name."""
    only_with_email: bool = False
    """Whether those without an e-mail address stay where they are."""
    limit: Annotated[int, Field(ge=1, le=500)] = 200
    """How many at once."""


class _RunEvent(Event):
    run_id: UUID
    occurred_at: datetime
    cost: Decimal
    """What the run's calls have cost so far, in `currency`."""
    currency: Currency


class EnrichmentStarted(_RunEvent):
    """A run was started, or resumed."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "enrichment_started")
    actor: Actor
    budget: Decimal
    """What the run may cost at most, in `currency`."""
    resumed: bool
    """Whether it had been begun before."""


class ProviderCalled(Event):
    """A provider was asked, or what it had answered before was remembered: what that cost."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "provider_called")
    run_id: UUID
    occurred_at: datetime
    step: EnrichmentStep
    item: int
    """Counts the step's items, from 1."""
    provider: Slug
    """What the tenant calls it."""
    kind: ProviderKind
    """How it is asked."""
    cost: Decimal
    """In `currency`. Where it is not known what came of the call, what it may have cost."""
    currency: Currency
    ok: bool
    """Whether it gave an answer that could be read."""
    failure: Slug | None = None
    """Why not."""
    cached: bool
    """Whether the answer was remembered, and nobody asked."""
    found: int
    """How many results the answer had."""
    duration_ms: int
    """How long it took, in milliseconds."""


class EnrichmentStepCompleted(_RunEvent):
    """All items of a step are done."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "enrichment_step_completed")
    step: EnrichmentStep
    total: int
    """How many items it had."""
    found: int
    """How much came of them: companies, contacts, e-mail addresses."""
    step_cost: Decimal
    """What the step's calls cost, in `currency`."""


class EnrichmentCompleted(_RunEvent):
    """A run came to its end."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "enrichment_completed")
    companies: int
    """How many were found."""
    contacts: int
    """How many people were found in them."""
    emails: int
    """How many of those have an e-mail address."""


class EnrichmentFailed(_RunEvent):
    """A run stands still: a provider failed, or the next call might have cost more than the budget. It can be resumed."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "enrichment_failed")
    step: EnrichmentStep
    status: EnrichmentStatus
    """`failed` or `budget_exhausted`."""
    failure: Slug
    """Why, as a word for programs."""


class EnrichmentCancelled(_RunEvent):
    """A run was cancelled; a call that was under way is told of later. It can be resumed."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "enrichment_cancelled")
    actor: Actor


class ContactsBecameLeads(Event):
    """Contacts of a run were submitted as leads."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "contacts_became_leads")
    run_id: UUID
    occurred_at: datetime
    actor: Actor
    counts: dict[LeadVerdict, int]
    """By verdict; a verdict that none got is left out."""
