"""Messages that every service has under its own name: its health, dead letters, jobs, and copy of a tenant."""

from datetime import datetime
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


class ServiceStatus(Reply):
    """`outbox_oldest_at` is when the oldest event that is not yet published was written; empty when all are."""

    outbox_unsent: int
    outbox_oldest_at: datetime | None
    dead_letters: int
    now: datetime


class GetStatus(Request[ServiceStatus]):
    topic: ClassVar = Topic(EACH_SERVICE, Kind.REQUEST, "get_status")


class GetTenant(Request[TenantView]):
    """The service's own copy of the tenant in the subject; `not_found` until it has one."""

    topic: ClassVar = Topic(EACH_SERVICE, Kind.REQUEST, "get_tenant")


class DeadLetterView(BaseModel):
    dead_letter_id: int
    tenant: str
    message_id: UUID
    message_type: str
    reason: str
    size: int
    received_at: datetime
    redriven_at: datetime | None


class DeadLetterList(Reply):
    dead_letters: list[DeadLetterView]
    counts: dict[str, int]


class ListDeadLetters(Request[DeadLetterList]):
    """Dead letters, newest first, and how many there are per reason; what they held stays sealed."""

    topic: ClassVar = Topic(EACH_SERVICE, Kind.REQUEST, "list_dead_letters")
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class Redriven(Reply):
    redriven: int


class RedriveDeadLetters(Request[Redriven]):
    """Open the given dead letters (all that were not yet redriven, if none are given) and handle them again."""

    topic: ClassVar = Topic(EACH_SERVICE, Kind.REQUEST, "redrive_dead_letters")
    dead_letter_ids: Annotated[list[int], Field(max_length=1000)] = []


class Republished(Reply):
    republished: int


class Republish(Request[Republished]):
    """Publish again, under the same ids, every event written since a moment: for a broker that lost its disk."""

    topic: ClassVar = Topic(EACH_SERVICE, Kind.REQUEST, "republish")
    since: datetime


class JobRunView(Reply):
    job: str
    slot: datetime
    state: str
    started_at: datetime
    ended_at: datetime | None
    counts: dict[str, Any]
    error: str | None


class JobList(Reply):
    """The service's jobs with their schedules, and their latest runs."""

    jobs: dict[str, str]
    runs: list[JobRunView]


class ListJobs(Request[JobList]):
    topic: ClassVar = Topic(EACH_SERVICE, Kind.REQUEST, "list_jobs")


class RunJob(Request[JobRunView]):
    """Run a job now, by hand, and wait until it has ended."""

    topic: ClassVar = Topic(EACH_SERVICE, Kind.REQUEST, "run_job")
    job: str


MESSAGES: tuple[type[Event] | type[Request[Any]], ...] = (
    MessageDeadLettered,
    GetStatus,
    GetTenant,
    ListDeadLetters,
    RedriveDeadLetters,
    Republish,
    ListJobs,
    RunJob,
)
