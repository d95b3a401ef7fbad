"""Messages of intake: which workspace each lead goes to, by rules that have versions, and how far the work on it is."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, model_validator
from pydantic.config import JsonDict

from contracts.intake.workspaces import NewWorkspaceConfiguration, WorkspaceConfiguration
from contracts.message import Event, Kind, Reply, Request, Topic
from contracts.personal import looks_like_pii
from contracts.taxonomy import KEY_LENGTH, Intent, Tier, Timeline, key
from contracts.values import Actor, Slug

MOST_DRY_RUN_LEADS: Final = 100_000

_CONFIGURATION: JsonDict = {
    "rules": [
        {
            "name": "ohio_buyers",
            "priority": 10,
            "when": {"geo": ["dublin_oh", "columbus_*"], "intent": ["buyer"], "metadata": {"utm_source": ["google"]}},
            "workspace": "ohio",
            "sub_vertical": "residential",
        },
        {"name": "everybody_else", "priority": 1000, "workspace": "front_desk"},
    ],
    "workspaces": {"ohio": {}, "front_desk": {}},
}


_SLUG: Final[TypeAdapter[str]] = TypeAdapter(Slug)


def _is_a_pattern_of_keys(pattern: str) -> str:
    fixed = pattern.removeprefix("*").removesuffix("*")
    if key(fixed) != fixed.strip("_"):
        raise ValueError("is no key: write it like dublin_oh, with a * for the rest at its end or at its beginning")
    return _harmless(pattern)


def _is_a_slug(name: str) -> str:
    return _SLUG.validate_python(name)


def _harmless(pattern: str) -> str:
    if "\0" in pattern:
        raise ValueError("holds a NUL, which no text of ours does")
    if looks_like_pii(pattern):
        raise ValueError("seems to hold a telephone number or an e-mail address, and rules are stored in clear")
    if "*" in pattern[1:-1]:
        raise ValueError("has a * in its middle: it stands for the rest, at the end or at the beginning")
    return pattern


Workspace = Annotated[Slug, Field(examples=["ohio"])]
"""A team inside a tenant that leads are routed to."""
SubVertical = Annotated[Slug, Field(examples=["residential"])]
RuleName = Annotated[Slug, Field(examples=["ohio_buyers"])]
KeyPattern = Annotated[
    str, Field(min_length=1, max_length=KEY_LENGTH, examples=["dublin_oh"]), AfterValidator(_is_a_pattern_of_keys)
]
"""A key; with a ``*`` at its end (or its beginning) every key that goes on so; ``unknown`` where none was given."""
TextPattern = Annotated[str, Field(min_length=1, max_length=KEY_LENGTH, examples=["google"]), AfterValidator(_harmless)]
"""A text, whatever its case; with a ``*`` at its end (or its beginning) every text that goes on so; ``unknown`` where
none was given. Numbers are written as in JSON, and so are ``true`` and ``false``."""
FieldName = Annotated[str, Field(min_length=1, max_length=100, examples=["utm_source"]), AfterValidator(_harmless)]
# A pattern would make what it is the key of invisible to those who compare schemas.
WorkspaceKey = Annotated[str, Field(min_length=1, max_length=64, examples=["ohio"]), AfterValidator(_is_a_slug)]
RuleTrace = dict[str, Annotated[str, Field(examples=["geo"])] | None]
"""Rule → the first field that did not match; null for the rule that matched, which is the last one looked at."""


class WorkStatus(StrEnum):
    """How far the work on a lead has come."""

    RECEIVED = "received"
    """No rules were published when it came, and none have been applied to it since."""
    UNROUTED = "unrouted"
    """No rule matched: somebody has to say where it belongs."""
    ROUTED = "routed"
    """It waits in a workspace for somebody to take it."""
    ASSIGNED = "assigned"
    """It has an owner."""
    WORKED = "worked"
    """Its owner has been in touch."""
    CLOSED = "closed"
    """There is nothing left to do."""


class DecisionKind(StrEnum):
    """What was decided about a lead."""

    ROUTED = "routed"
    """A rule sent it to a workspace."""
    UNROUTED = "unrouted"
    """No rule matched."""
    ROUTED_BY_HAND = "routed_by_hand"
    """Somebody sent it to a workspace."""
    ASSIGNED = "assigned"
    """It was given to an agent, by a chain or a person; where that was at once, this is the decision on its route too."""
    UNASSIGNED = "unassigned"
    """Its owner does not own it any more."""
    KEPT_BACK = "kept_back"
    """Nobody contacted it in time, and it is given to nobody by itself any more."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class RoutingConditions(_Document):
    """What a rule asks of a lead: for every field that is given, one of its values. Without any, every lead matches."""

    product: Annotated[list[KeyPattern], Field(min_length=1, max_length=500)] | None = None
    """Of `product_interest`."""
    source: Annotated[list[KeyPattern], Field(min_length=1, max_length=500)] | None = None
    """Of `source_key`."""
    geo: Annotated[list[KeyPattern], Field(min_length=1, max_length=500)] | None = None
    """Of `geo_key`."""
    intent: Annotated[list[Intent | Literal["unknown"]], Field(min_length=1)] | None = None
    tier: Annotated[list[Tier | Literal["unknown"]], Field(min_length=1)] | None = None
    timeline: Annotated[list[Timeline | Literal["unknown"]], Field(min_length=1)] | None = None
    metadata: Annotated[
        Mapping[FieldName, Annotated[list[TextPattern], Field(min_length=1, max_length=500)]], Field(max_length=20)
    ] = {}
    """By field; only fields that the tenant allows in events, for rules see no others."""


class RoutingRule(_Document):
    """Where leads of one kind go."""

    name: RuleName
    """What traces and events call it."""
    priority: Annotated[int, Field(ge=0, le=1_000_000)] = 100
    """The lowest is looked at first; of equal ones, the one that stands first."""
    when: RoutingConditions = RoutingConditions()
    """Which leads; all of them, if empty."""
    workspace: Workspace
    """The team they go to; one of the configuration's workspaces."""
    sub_vertical: SubVertical | None = None
    """The part of that team's business, if it is divided."""


class RoutingConfiguration(_Document):
    """A tenant's rules and the workspaces they send leads to. The first rule that matches decides."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CONFIGURATION]})

    rules: Annotated[tuple[RoutingRule, ...], Field(max_length=500)] = ()
    """Looked at by their priority."""
    workspaces: Annotated[Mapping[WorkspaceKey, WorkspaceConfiguration], Field(max_length=500)] = {}
    """By name."""

    @model_validator(mode="after")
    def _is_consistent(self) -> "RoutingConfiguration":
        if twice := _twice(rule.name for rule in self.rules):
            raise ValueError(f"two rules are called {twice}: a rule is known by its name, in traces and events")
        for rule in self.rules:
            if rule.workspace not in self.workspaces:
                raise ValueError(
                    f"rule {rule.name} sends leads to {rule.workspace}, which is not among the workspaces: declare it"
                )
        return self


class NewRoutingConditions(RoutingConditions):
    """Conditions as they are ordered: a misspelt one is refused, or the rule would match what it should not."""

    model_config = ConfigDict(extra="forbid")


class NewRoutingRule(RoutingRule):
    """A rule as it is ordered: a misspelt field is refused."""

    model_config = ConfigDict(extra="forbid")
    when: NewRoutingConditions = NewRoutingConditions()
    """Which leads; all of them, if empty."""


class NewRoutingConfiguration(RoutingConfiguration):
    """Rules and workspaces as they are ordered: a misspelt field is refused, at any depth."""

    model_config = ConfigDict(extra="forbid")
    rules: Annotated[tuple[NewRoutingRule, ...], Field(max_length=500)] = ()
    """Looked at by their priority."""
    workspaces: Annotated[Mapping[WorkspaceKey, NewWorkspaceConfiguration], Field(max_length=500)] = {}
    """By name."""


def _twice(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    return next((name for name in names if name in seen or seen.add(name)), None)  # type: ignore[func-returns-value]


class RoutingVersionStatus(StrEnum):
    """What a version of the routing configuration is."""

    DRAFT = "draft"
    PUBLISHED = "published"
    """The one that leads are routed by; a tenant has one at most."""
    SUPERSEDED = "superseded"
    """It was published once."""
    DISCARDED = "discarded"
    """A draft that was deleted; its number is not used again."""


class RoutingVersionSummary(BaseModel):
    """A version of the routing configuration without its content, which never changes."""

    version: int
    status: RoutingVersionStatus
    """What it is now."""
    restores: int | None = None
    """The version whose content this one brought back."""
    created_by: Actor
    created_at: datetime
    published_by: Actor | None = None
    published_at: datetime | None = None
    catching_up: bool = False
    """Whether leads that wait have still to be looked at under this version."""
    caught_up: int = 0
    """How many leads have been looked at since it was published, beside those that came."""


class RoutingVersionView(RoutingVersionSummary, Reply):
    """A version of the routing configuration."""

    configuration: RoutingConfiguration


class SaveRoutingDraft(Request[RoutingVersionView]):
    """Keep a configuration as a new version, to be tried and published. A draft is never changed: save another."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "save_routing_draft")
    configuration: NewRoutingConfiguration
    actor: Actor


class GetRouting(Request[RoutingVersionView]):
    """A version of the routing configuration; the published one if none is named."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "get_routing")
    version: int | None = None


class RoutingVersionPage(Reply):
    """A page of versions."""

    versions: list[RoutingVersionSummary]
    """The versions of this page."""
    next_cursor: str | None = None


class ListRoutingVersions(Request[RoutingVersionPage]):
    """The versions of the routing configuration, newest first, a page at a time; deleted drafts are left out."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "list_routing_versions")
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class RoutingDraftDeletionResult(Reply):
    """The draft is gone."""

    version: int


class DeleteRoutingDraft(Request[RoutingDraftDeletionResult]):
    """Delete a draft; what was published once stays."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "delete_routing_draft")
    version: int


class PublishRouting(Request[RoutingVersionView]):
    """Route by a draft from now on. Leads that wait are looked at again, oldest first, in the background."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "publish_routing")
    version: int
    expected: int | None
    """The version that is published now as far as the caller knows, null for none: if it is another, nothing happens."""
    actor: Actor


class RollBackRouting(Request[RoutingVersionView]):
    """Publish the content of a version that was published before once more, as a new version."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "roll_back_routing")
    version: int
    actor: Actor


class RoutingPublished(Event):
    """A tenant's leads are routed by this version from now on."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "routing_published")
    version: int
    previous: int | None = None
    """The version that was published before."""
    restores: int | None = None
    """The version whose content was brought back."""
    published_by: Actor
    occurred_at: datetime


class Move(BaseModel):
    """How many leads go from one place to another."""

    source: Workspace | None = None
    """The workspace by the published rules; null where none matches, or none are published."""
    target: Workspace | None = None
    """The workspace by the rules tried; null where none matches."""
    leads: int
    """How many."""


class MovingLead(BaseModel):
    """A lead that goes elsewhere, and why."""

    lead_id: UUID
    source: Workspace | None = None
    """The workspace by the published rules, if one matches."""
    source_sub_vertical: SubVertical | None = None
    """The part of it."""
    target: Workspace | None = None
    """The workspace by the rules tried, if one matches."""
    target_sub_vertical: SubVertical | None = None
    """The part of it."""
    rule: RuleName | None = None
    """The rule that sends it there."""
    trace: RuleTrace
    """Each rule tried with the first field that did not match; null for the rule that matched, which is the last."""


class DryRun(Reply):
    """What rules would do with leads that came already, beside what the published ones do with them."""

    leads: int
    """How many leads were tried."""
    matched: int
    """How many of them some rule matches."""
    unrouted: int
    """How many no rule matches."""
    moving: int
    """How many come to another workspace or sub-vertical than by the published rules."""
    moving_now: int
    """How many of these wait now, and would move as soon as the rules are published; the others stay with their owners."""
    moves: list[Move]
    """From where to where, those that stay included; the largest first."""
    sample: list[MovingLead]
    """Some that move, the newest first."""


class DryRunRouting(Request[DryRun]):
    """Try rules on the last leads that came; nothing is changed. 100,000 leads take seconds: wait for the reply as long."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"version": 4, "last": 100_000, "sample": 20}]})
    topic: ClassVar = Topic("intake", Kind.REQUEST, "dry_run_routing")
    version: int | None = None
    """A version to try."""
    configuration: NewRoutingConfiguration | None = None
    """A configuration to try that was not saved; instead of `version`."""
    last: Annotated[int, Field(ge=1, le=MOST_DRY_RUN_LEADS)] = 10_000
    """How many leads, the newest first."""
    sample: Annotated[int, Field(ge=0, le=200)] = 20
    """How many leads to show that move."""

    @model_validator(mode="after")
    def _tries_one(self) -> "DryRunRouting":
        if (self.version is None) == (self.configuration is None):
            raise ValueError("give either version or configuration")
        return self


class LeadRouted(Event):
    """A lead belongs to a workspace now, and waits there for an owner.

    Of a lead that is given to somebody in the same breath, `lead_assigned` alone tells both.
    """

    topic: ClassVar = Topic("intake", Kind.EVENT, "lead_routed")
    lead_id: UUID
    workspace: Workspace
    sub_vertical: SubVertical | None = None
    rule: RuleName | None = None
    """The rule that sent it there; null where a person did."""
    routing_version: int
    routed_by: Actor | None = None
    """Who sent it there, if a person did."""
    occurred_at: datetime


class LeadUnrouted(Event):
    """No rule matches a lead: it waits for somebody to say where it belongs."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "lead_unrouted")
    lead_id: UUID
    routing_version: int
    reasons: RuleTrace
    """Rule → the first field of it that the lead did not match."""
    occurred_at: datetime


class DecisionView(BaseModel):
    """A decision about a lead and what it was made by; never changed or deleted."""

    decision_id: UUID
    """Decisions made later have higher ids."""
    kind: DecisionKind
    """What was decided."""
    decided_at: datetime
    """When."""
    trace: Annotated[
        dict[str, Any],
        Field(
            examples=[{
                "routing_version": 3, "workspace": "ohio", "sub_vertical": "residential", "rule": "ohio_buyers",
                "rules": {"texas": "geo", "ohio_buyers": None},
            }]
        ),
    ]  # fmt: skip
    """Of routing: `routing_version`, `workspace`, `sub_vertical`, `rule`, and in `rules` each rule that was looked at with the
    first field that did not match, null for the one that matched; `by`, where a person decided; in `nobody_took_it`, where a lead
    came to wait, or went back to waiting, because nobody could be given it, the `steps` and `verdicts` on the agents. Of an assignment: who got the
    lead, each step of the chain that was looked at, in `verdicts` who could not be given it by why, in `eligible` what each of the others
    held of how much; and in `route` what the routing was made by, where the lead never waited."""


class WaitingLead(BaseModel):
    """A lead in the manual queue."""

    lead_id: UUID
    waiting_since: datetime
    """When it began to wait."""
    waiting_seconds: int
    """How long it has waited."""
    workspace: Workspace | None = None
    sub_vertical: SubVertical | None = None
    reason: Literal["no_rule_matched", "nobody_took_it", "not_contacted_in_time", "nobody_left"]
    """Why it waits; for the last two, it is given to nobody by itself any more."""
    decision: DecisionView | None = None
    """The last decision about it, with its reasons."""


class WorkQueuePage(Reply):
    """A page of the manual queue."""

    leads: list[WaitingLead]
    """The leads of this page."""
    next_cursor: str | None = None


class ListWorkQueue(Request[WorkQueuePage]):
    """The manual queue, who has waited longest first, a page at a time."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "list_work_queue")
    workspace: Workspace | None = None
    """Whose queue; the leads that no rule matched, if empty."""
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class LeadStatus(Reply):
    """How far the work on a lead has come."""

    lead_id: UUID
    """The lead; for one that is merged, the one that stands for it."""
    status: WorkStatus
    """`unrouted` and `routed` wait in the manual queue."""
    since: datetime
    """When that status began."""
    waiting_since: datetime | None = None
    """Since when it waits in the manual queue; empty where it does not."""
    workspace: Workspace | None = None
    sub_vertical: SubVertical | None = None
    rule: RuleName | None = None
    """The rule that sent it to the workspace; empty where a person did, or nobody."""
    routing_version: int | None = None
    owner: Actor | None = None
    """Whose lead it is; empty where it has no owner."""


class RouteLead(Request[LeadStatus]):
    """Send a lead that has no owner to a workspace by hand: rules leave it there while the workspace exists."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "route_lead")
    lead_id: UUID
    workspace: Workspace
    """One of the published configuration's."""
    sub_vertical: SubVertical | None = None
    actor: Actor


class GetLeadStatus(Request[LeadStatus]):
    """How far the work on a lead has come, and whose it is; for one that is merged, on the one that stands for it."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "get_lead_status")
    lead_id: UUID


class DecisionPage(Reply):
    """A page of decisions."""

    decisions: list[DecisionView]
    """The decisions of this page."""
    next_cursor: str | None = None


class GetLeadDecisions(Request[DecisionPage]):
    """Every decision about a lead with its reasons, newest first, a page at a time."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "get_lead_decisions")
    lead_id: UUID
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None
