"""Messages of intake: the agents of a tenant, who works on which lead, and how that goes."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from contracts.intake.routing import KeyPattern, RuleName, SubVertical
from contracts.intake.workspaces import OnAbsence
from contracts.message import Event, Kind, Reply, Request, Topic
from contracts.values import Actor, Moment, Slug


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("not an IANA time zone; write one like Europe/Berlin") from None
    return name


MOST_HELD = 10_000
"""The largest capacity an agent can have."""
TimeZone = Annotated[str, Field(max_length=64, examples=["America/New_York"]), AfterValidator(_time_zone)]
"""IANA name."""
Clock = Annotated[str, Field(pattern=r"^(?:[01]\d|2[0-3]):[0-5]\d$|^24:00$", examples=["09:00"])]
"""A time of the day on somebody's clock."""


class Weekday(StrEnum):
    """A day of the week."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


class Standing(StrEnum):
    """Whether an agent can be given work, and if not, why."""

    AVAILABLE = "available"
    FULL = "full"
    """Holds as many leads as they can take now."""
    OFF_HOURS = "off_hours"
    """Outside their working hours."""
    AWAY = "away"
    """On time off."""
    INACTIVE = "inactive"
    """Switched off or removed."""


class AssignedBy(StrEnum):
    """Who decided on an owner."""

    RULE = "rule"
    """The chain that the workspace is configured with."""
    SYSTEM = "system"
    """LeadLoop itself: the default of a workspace without a chain, or the reassignment of a lead that nobody contacted in time."""
    USER = "user"
    """A person: by assigning, claiming or reassigning."""


class EndReason(StrEnum):
    """Why somebody does not own a lead any more."""

    COMPLETED = "completed"
    """The agent closed the work."""
    CLOSED = "closed"
    """An outcome closed the lead."""
    REASSIGNED = "reassigned"
    """A person gave it to somebody else."""
    UNASSIGNED = "unassigned"
    """A person put it back into the queue."""
    SLA_MISSED = "sla_missed"
    """Nobody had contacted the lead in time."""
    ABSENT = "absent"
    """The agent went on time off, was switched off or removed."""
    WITHDRAWN = "withdrawn"
    """The lead itself is not worked on any more: merged into another or erased."""


class ShiftView(BaseModel):
    """A stretch of work on the agent's clock; one that ends at or before its start ends on the next day."""

    model_config = ConfigDict(frozen=True)

    start: Clock
    """When it begins, on the agent's clock."""
    end: Clock
    """When it ends; ``24:00`` is the end of the day."""


class Shift(ShiftView):
    """A shift as it is ordered: a misspelt field is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TimeOffView(BaseModel):
    """A stretch of absence."""

    time_off_id: UUID
    starts_at: datetime
    ends_at: datetime | None
    """The first moment at which the agent is back; empty while that is open."""


class Workload(BaseModel):
    """How much an agent has to do."""

    standing: Standing
    active_leads: int
    """Leads they own now."""
    effective_capacity: int
    """How many they can hold now; less than their capacity for a while after an absence."""
    capacity_score: float
    """How free they are: 0 (full) to 1 (hold nothing)."""
    completed_today: int
    """Leads closed since their own midnight."""
    average_completion_seconds: float | None = None
    """From assignment to close, over the last 30 days; empty where nothing was closed."""


class AgentView(Reply):
    """An agent: who takes leads, how many, when, and how much they have to do."""

    user_id: str
    workspaces: list[str]
    capacity: int
    weight: int
    """Their share of the leads is in proportion to capacity times weight."""
    roles: list[str]
    """What they are good for."""
    regions: list[str]
    """The places whose leads they take in a step by region."""
    working_hours: dict[Weekday, list[ShiftView]] | None
    """Shifts by the weekday on which they begin; around the clock, if empty."""
    time_zone: str
    """Where the agent's clock is, as an IANA name."""
    active: bool
    version: int
    time_off: list[TimeOffView] = []
    """What is under way or to come, in its order."""
    workload: Workload
    """How much they have to do."""


class UpsertAgent(Request[AgentView]):
    """Make somebody an agent, or give an agent another profile; what is left out takes its default."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "upsert_agent")
    user_id: Actor
    workspaces: Annotated[list[Slug], Field(min_length=1, max_length=100)]
    """Whose leads they take."""
    capacity: Annotated[int, Field(ge=0, le=MOST_HELD)]
    """How many leads they can hold at once, in all workspaces."""
    weight: Annotated[int, Field(ge=1, le=100)] = 1
    """Their share of the leads is in proportion to capacity times weight."""
    roles: Annotated[list[Slug], Field(max_length=50)] = []
    """What they are good for, as words that the steps of a chain name."""
    regions: Annotated[list[KeyPattern], Field(max_length=200)] = []
    """The places whose leads they take in a step by region."""
    working_hours: (
        Annotated[dict[Weekday, Annotated[list[Shift], Field(max_length=10)]], Field(max_length=7)] | None
    ) = None
    """Shifts by the weekday on which they begin; around the clock, if empty."""
    time_zone: TimeZone | None = None
    """Where the agent's clock is; the tenant's, if empty."""
    active: bool = True
    """Whether they are given work. Of the leads of one who is switched off becomes what the workspace's `on_absence` says."""


class GetAgent(Request[AgentView]):
    """One agent."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "get_agent")
    user_id: Actor


class AgentPage(Reply):
    """A page of agents."""

    agents: list[AgentView]
    """The agents of this page."""
    next_cursor: str | None = None


class ListAgents(Request[AgentPage]):
    """The agents of a tenant or a workspace by their user ids, with their workload, a page at a time."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "list_agents")
    workspace: Slug | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class AgentRemovalResult(Reply):
    """The agent is given no more work."""

    returned: int
    """How many of their leads went back into the queue."""


class RemoveAgent(Request[AgentRemovalResult]):
    """Somebody is no agent any more."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "remove_agent")
    user_id: Actor
    held: OnAbsence | None = None
    """What becomes of their leads; what the workspace's `on_absence` says, if empty."""


class SetTimeOff(Request[AgentView]):
    """Give an agent time off. While it lasts they are given no work; of what they hold becomes what the workspace's `on_absence` says."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"user_id": "user:7", "starts_at": "2026-12-21T00:00:00Z", "ends_at": "2027-01-04T00:00:00Z"}]
        }
    )
    topic: ClassVar = Topic("intake", Kind.REQUEST, "set_time_off")
    user_id: Actor
    time_off_id: UUID | None = None
    """Which, to change one; a new one, if empty."""
    starts_at: Moment
    ends_at: Moment | None = None
    """The first moment at which the agent is back; open, if empty."""

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> "SetTimeOff":
        if self.ends_at and self.ends_at <= self.starts_at:
            raise ValueError("ends_at must be after starts_at")
        return self


class CancelTimeOff(Request[AgentView]):
    """Take time off back; what is under way ends now."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "cancel_time_off")
    user_id: Actor
    time_off_id: UUID


class AssignmentView(Reply):
    """Somebody's ownership of a lead."""

    assignment_id: UUID
    lead_id: UUID
    user_id: str
    workspace: str
    assigned_at: datetime
    assigned_by: AssignedBy
    actor: str | None = None
    """The person who assigned it, where one did."""
    due_at: datetime | None = None
    """By when the lead has to be contacted first; empty where nothing is promised."""
    contacted_at: datetime | None = None
    """When it was."""
    ended_at: datetime | None = None
    """Since when the agent does not own it any more; empty while they do."""
    end_reason: EndReason | None = None
    """Why they do not; empty while they do."""


class AssignLead(Request[AssignmentView]):
    """Give a lead that waits to an agent, past the rules. Assigning it to its owner again changes nothing."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "assign_lead")
    lead_id: UUID
    user_id: Actor
    """The agent."""
    actor: Actor
    """Who assigns it."""
    workspace: Slug | None = None
    """Where an unrouted lead is to be worked on; the agent's, if empty and they have only one."""
    override: bool = False
    """Whether to assign it although the agent is full, away or of another workspace; otherwise that is a conflict."""


class ClaimLead(Request[AssignmentView]):
    """An agent takes a lead that waits; of several who try at once one gets it, and the others a conflict."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "claim_lead")
    lead_id: UUID
    user_id: Actor
    workspace: Slug | None = None
    """Where an unrouted lead is to be worked on; the agent's, if empty and they have only one."""


class ReassignLead(Request[AssignmentView]):
    """Give a lead that somebody owns to another agent."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "reassign_lead")
    lead_id: UUID
    user_id: Actor
    """The agent who is to own it."""
    actor: Actor
    """Who reassigns it."""
    override: bool = False
    """Whether to do so although the agent is full, away or of another workspace; otherwise that is a conflict."""


class UnassignLead(Request[AssignmentView]):
    """Put a lead that somebody owns back into its workspace's queue, at its old place; the rules do not give it to them again."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "unassign_lead")
    lead_id: UUID
    actor: Actor
    """Who puts it back."""


class CompleteWork(Request[AssignmentView]):
    """The agent is done with a lead: its work is closed."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "complete_work")
    lead_id: UUID
    actor: Actor
    """Who says so."""


class AssignmentPage(Reply):
    """A page of assignments."""

    assignments: list[AssignmentView]
    """The assignments of this page."""
    next_cursor: str | None = None


class ListAssignments(Request[AssignmentPage]):
    """Assignments that match everything given, newest first, a page at a time."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "list_assignments")
    user_id: Actor | None = None
    workspace: Slug | None = None
    lead_id: UUID | None = None
    active: bool | None = None
    """Those that last, or those that have ended; both, if empty."""
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class AgentWorkload(Workload):
    """How much one agent of a workspace has to do."""

    user_id: str
    load: float | None = None
    """What they hold in proportion to what they can take there (capacity times weight), as `fairness` counts it; empty for whom it
    does not count: who is away, or can take nothing."""


class _Spread(Reply):
    workspace: str
    fairness: float
    """Jain's index over what each agent who is not away holds in proportion to what they can take: 1 is even, 1/n the least."""
    waiting: int
    """Leads that wait for an owner."""
    kept_back: int
    """Those of them that are given to nobody by themselves any more: they wait for a person, see `KeptBack`."""
    oldest_waiting_since: datetime | None = None
    """Since when the first of them has waited."""
    active_leads: int
    """Leads of this workspace that somebody owns."""


class WorkspaceWorkload(_Spread):
    """How the work of a workspace is spread, as it is now."""

    agents: list[AgentWorkload]
    """By user id, everything they hold in whichever workspace counted."""


class GetWorkload(Request[WorkspaceWorkload]):
    """How much the agents of a workspace have to do, and how fairly that is spread."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "get_workload")
    workspace: Slug


class WorkspaceSummary(_Spread):
    """The same of a workspace, without each of its agents."""

    agent_count: int
    """How many work there, whoever is away among them."""


class WorkspacePage(Reply):
    """A page of workspaces."""

    workspaces: list[WorkspaceSummary]
    """The workspaces of this page."""
    next_cursor: str | None = None


class ListWorkspaces(Request[WorkspacePage]):
    """How the work of each published workspace is spread, as it is now: by name, a page at a time."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "list_workspaces")
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class _Ownership(Event):
    """Who owns a lead. Consumers keep the highest version of a lead that they have seen."""

    lead_id: UUID
    version: int
    """One higher with every beginning and end of an ownership of the lead."""
    assignment_id: UUID
    user_id: str
    workspace: str
    occurred_at: datetime


class LeadAssigned(_Ownership):
    """A lead has an owner: one that waited, or one that rules sent to a workspace and somebody there could be given at once.

    Of the latter this tells the route too, and no `lead_routed` is published: who wants to know routes reads both.
    """

    topic: ClassVar = Topic("intake", Kind.EVENT, "lead_assigned")
    assigned_by: AssignedBy
    actor: str | None = None
    """The person who assigned it, where one did."""
    due_at: datetime | None = None
    """By when the owner has to contact the lead; empty where nothing is promised."""
    sub_vertical: SubVertical | None = None
    """The part of the workspace that rules sent it to at once, if that is divided."""
    rule: RuleName | None = None
    """The rule that sent it there at once; empty where it waited, and `lead_routed` told the rule."""
    routing_version: int | None = None
    """The version of the rules that sent it there at once; empty where it waited."""


class LeadReassigned(_Ownership):
    """A lead changed hands."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "lead_reassigned")
    from_user_id: str
    """Who owned it before."""
    reason: EndReason
    """Why they do not any more."""
    assigned_by: AssignedBy
    actor: str | None = None
    """The person who reassigned it, where one did."""
    due_at: datetime | None = None
    """By when the new owner has to contact the lead; empty where nothing is promised."""


class LeadUnassigned(_Ownership):
    """Nobody owns the lead any more: it waits again, or the work on it is over. `user_id` is who owned it."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "lead_unassigned")
    reason: EndReason
    actor: str | None = None
    """The person who did it, where one did."""


class LeadSlaMissed(Event):
    """The owner did not contact a lead in time."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "lead_sla_missed")
    lead_id: UUID
    assignment_id: UUID
    user_id: str
    workspace: str
    due_at: datetime
    """By when they were to."""
    missed: int
    """How many owners of the lead have missed it, this one included."""
    occurred_at: datetime


class AgentChanged(Event):
    """An agent was made, changed or removed, or their time off was."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "agent_changed")
    user_id: str
    version: int
    workspaces: list[str]
    capacity: int
    active: bool
    removed: bool = False
    """Whether they are no agent any more."""
    occurred_at: datetime
