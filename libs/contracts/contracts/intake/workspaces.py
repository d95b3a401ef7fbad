"""How a workspace, a team that leads are routed to, gives out its leads; part of the routing configuration."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.values import Slug


class StepKind(StrEnum):
    """Whom a step of a chain considers."""

    ROUND_ROBIN = "round_robin"
    """Every agent, in turns."""
    LOAD_BALANCED = "load_balanced"
    """Every agent, the least loaded first."""
    REGION = "region"
    """Agents one of whose regions matches the lead's place."""
    ROLE = "role"
    """Agents with the step's role."""
    MANUAL = "manual"
    """Nobody: the lead waits for a person."""


class Pick(StrEnum):
    """How a step by region or role chooses among those it considers."""

    ROUND_ROBIN = "round_robin"
    """In turns, in proportion to capacity times weight."""
    LOAD_BALANCED = "load_balanced"
    """Who would hold the least in proportion to capacity times weight."""


class OnAbsence(StrEnum):
    """What becomes of the leads of an agent who is not there."""

    KEEP = "keep"
    RETURN_TO_QUEUE = "return_to_queue"


class KeptBack(StrEnum):
    """Why a lead that waits in a workspace is given to nobody by itself any more: a person has to see to it."""

    NOT_CONTACTED_IN_TIME = "not_contacted_in_time"
    """As many owners as the workspace allows did not contact it in time."""
    NOBODY_LEFT = "nobody_left"
    """Every agent of the workspace had it once."""


class ChainStep(BaseModel):
    """A step of a chain: it decides where somebody whom it considers can be given work; otherwise the next step does."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: StepKind
    """Whom it considers."""
    role: Slug | None = None
    """Of a step by role: which."""
    pick: Pick = Pick.LOAD_BALANCED
    """Of a step by region or role: how it chooses."""

    @model_validator(mode="after")
    def _names_a_role_or_none(self) -> "ChainStep":
        if (self.kind is StepKind.ROLE) != (self.role is not None):
            raise ValueError("a step by role names its role, and no other step does")
        return self


class WorkspaceConfiguration(BaseModel):
    """How one workspace gives out its leads."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    chain: Annotated[tuple[ChainStep, ...], Field(max_length=20)] = ()
    """The first step with somebody who can be given work decides; load balanced, if empty. Where none decides, the lead waits."""
    sla_minutes: Annotated[int, Field(ge=1, le=525_600)] | None = None
    """How long an owner has to contact a lead; without a limit, if empty."""
    max_reassignments: Annotated[int, Field(ge=0, le=100)] = 3
    """How often a lead that is not contacted in time goes to somebody else, before it waits for a person."""
    on_absence: OnAbsence = OnAbsence.KEEP
    """What becomes of the leads of an agent who goes on time off, is switched off or removed."""
    ramp_hours: Annotated[float, Field(ge=0, le=1000)] = 8
    """Over how many hours an agent who returns from time off can take more, from what they held to their capacity."""

    @model_validator(mode="after")
    def _ends_with_manual(self) -> "WorkspaceConfiguration":
        if any(step.kind is StepKind.MANUAL for step in self.chain[:-1]):
            raise ValueError("no step after manual is ever reached: make it the last of the chain")
        return self


class NewChainStep(ChainStep):
    """A step as it is ordered: a misspelt field is refused."""

    model_config = ConfigDict(extra="forbid")


class NewWorkspaceConfiguration(WorkspaceConfiguration):
    """A workspace as it is ordered: a misspelt field is refused."""

    model_config = ConfigDict(extra="forbid")
    chain: Annotated[tuple[NewChainStep, ...], Field(max_length=20)] = ()
    """The first step with somebody who can be given work decides; load balanced, if empty. Where none decides, the lead waits."""
