"""Messages that every service has under its own name: its health, dead letters, jobs, and copy of a tenant."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, Field

from contracts.gateway import TenantView
from contracts.message import EACH_SERVICE, Event, Kind, Reply, Request, Topic


class MessageDeadLettered(Event):
    """A message could never be handled; it lies sealed with the service. No part of its content is told."""

    topic: ClassVar = Topic(EACH_SERVICE, Kind.EVENT, "message_dead_lettered")
    message_id: UUID
    message_type: str
    reason: str


class PersonalDataDropped(Event):
    """The service holds nothing personal of an erased lead any more; intake gathers it for the erasure's certificate."""

    topic: ClassVar = Topic(EACH_SERVICE, Kind.EVENT, "personal_data_dropped")
    erasure_id: UUID
    lead_id: UUID
    dropped: dict[str, int]
    """What was dropped, counted by kind."""


class ConsumerStatus(BaseModel):
    """How far a service has come with a stream."""

    stream: str
    """The stream, as the broker calls it."""
    lag: int
    """Messages that the service has not handled yet."""


class ServiceStatus(Reply):
    """How a service is doing."""

    outbox_unsent: int
    """Events written and not yet published."""
    outbox_oldest_at: datetime | None
    """When the oldest of them was written; empty when there are none."""
    outbox_last: int
    """The number of the last event written; events are published in the order of their numbers."""
    outbox_first_unsent: int | None
    """The number of the first event not yet published; empty when there are none."""
    dead_letters: int
    """Dead letters not yet redriven."""
    consumers: list[ConsumerStatus] = []
    """How far it has come with each stream that it reads."""


class GetStatus(Request[ServiceStatus]):
    """How the service is doing."""

    topic: ClassVar = Topic(EACH_SERVICE, Kind.REQUEST, "get_status")


class GetTenant(Request[TenantView]):
    """The service's own copy of the tenant in the subject; a service that has none asks the gateway for it first.

    `not_found` means that there is no such tenant, `unavailable` that the gateway did not answer.
    """

    topic: ClassVar = Topic(EACH_SERVICE, Kind.REQUEST, "get_tenant")


class DeadLetterView(BaseModel):
    """A dead letter, without what it held."""

    dead_letter_id: int
    """Its number within the service."""
    tenant: str
    message_id: UUID
    message_type: str
    reason: str
    size: int
    """Bytes of its body."""
    buried_at: datetime
    """When the service gave it up."""
    redriven_at: datetime | None
    """When it was handled again."""


class DeadLetterList(Reply):
    """Dead letters of a service."""

    dead_letters: list[DeadLetterView]
    """Newest first."""
    counts: dict[str, int]
    """How many there are per reason."""
    next_cursor: str | None = None


class ListDeadLetters(Request[DeadLetterList]):
    """Dead letters of the tenant in the subject, or of all asked as the platform, and how many there are per reason, a page at a time; what
    they held stays sealed."""

    topic: ClassVar = Topic(EACH_SERVICE, Kind.REQUEST, "list_dead_letters")
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: Annotated[str, Field(max_length=20)] | None = None


class RedriveResult(Reply):
    """The dead letters were handled again."""

    redriven: int
    """How many."""


class RedriveDeadLetters(Request[RedriveResult]):
    """Open dead letters of the tenant in the subject, or of all asked as the platform, and handle them again."""

    topic: ClassVar = Topic(EACH_SERVICE, Kind.REQUEST, "redrive_dead_letters")
    dead_letter_ids: Annotated[list[int], Field(max_length=1000)] = []
    """Which; all that were not yet redriven, if empty. Another tenant's are none."""


class RepublishResult(Reply):
    """The events wait in the outbox again."""

    republished: int
    """How many."""


class Republish(Request[RepublishResult]):
    """Publish events again under the same ids: for a broker that lost its disk."""

    topic: ClassVar = Topic(EACH_SERVICE, Kind.REQUEST, "republish")
    since: datetime
    """Every event written from this moment on."""


class JobState(StrEnum):
    """How a job's run stands."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class JobRunView(Reply):
    """One run of a job."""

    job: str
    slot: datetime
    """The moment the run was due; one run per job and slot."""
    state: JobState
    """How it stands; one that failed may be tried again."""
    attempts: int = 1
    """How often it was begun."""
    started_at: datetime
    """When a replica claimed it."""
    ended_at: datetime | None
    """When it ended; empty while it runs."""
    counts: dict[str, Any]
    """What it did, counted."""
    error: str | None
    """Why it failed."""
    retry_at: datetime | None = None
    """When, at the earliest, it is begun again; empty unless it failed and the job's next slot is not due yet."""


class JobList(Reply):
    """The service's jobs and their latest runs."""

    jobs: dict[str, str]
    """Each job's schedule."""
    runs: list[JobRunView]
    """Their latest runs."""


class ListJobs(Request[JobList]):
    """The jobs of the service and how they went."""

    topic: ClassVar = Topic(EACH_SERVICE, Kind.REQUEST, "list_jobs")


class RunJob(Request[JobRunView]):
    """Run a job now, by hand, and wait until it has ended."""

    topic: ClassVar = Topic(EACH_SERVICE, Kind.REQUEST, "run_job")
    job: str


class KeyRotationResult(Reply):
    """The tenant's keys as they are with the service after a rotation."""

    sealing_keys: int = 0
    """How many open what is sealed; the newest seals. None where the service holds no key of the tenant: nothing was
    to be rotated."""
    generation: int | None = None
    """The newest generation of the key that tokens are made with, from 1."""
    active_from: datetime | None = None
    """When tokens begin to be made with that generation: once every replica must have heard of it."""


class RotateKeys(Request[KeyRotationResult]):
    """Give the tenant in the subject a new key, with this service.

    What was sealed before opens as before, and the job `reseal` seals it anew; then the old keys are dropped.
    """

    topic: ClassVar = Topic(EACH_SERVICE, Kind.REQUEST, "rotate_keys")
    tokens: bool = False
    """The key that tokens are made with, rather than the one that seals. The old ones stay: what was given a token keeps
    it."""


MESSAGES: tuple[type[Event] | type[Request[Any]], ...] = (
    MessageDeadLettered,
    PersonalDataDropped,
    GetStatus,
    GetTenant,
    ListDeadLetters,
    RedriveDeadLetters,
    Republish,
    ListJobs,
    RunJob,
    RotateKeys,
)
