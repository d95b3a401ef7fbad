"""What every service answers about itself, and what it clears away each night."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from chassis import dead_letters, inbox, jobs, outbox, paging, tenants
from chassis.dead_letters import DeadLetters
from chassis.jobs import Counts, Jobs
from chassis.keys import TenantKeys
from chassis.logs import get_logger
from chassis.metrics import DEAD_LETTERS, OUTBOX_AGE, OUTBOX_UNSENT
from chassis.processing import Processor
from chassis.received import Answer, Received, read
from chassis.unit_of_work import Database, UnitOfWork
from contracts import operations as messages
from contracts.message import Message

log = get_logger("operations")

Lags = Awaitable[list[tuple[str, int]]]
"""Each stream that the service reads, with how many of its messages it has not handled."""

_INBOX_DAYS = 30
"""Longer than the streams keep a message (7 days) and operators publish again (14 days)."""
_OUTBOX_DAYS = 14
_JOB_RUN_DAYS = 90
_DEAD_LETTER_DAYS = 90
"""A dead letter may be about anybody, erased persons included, and nobody can be looked for in what is sealed."""


class Operations:
    """The answers to `contracts.operations`."""

    def __init__(
        self, jobs: Jobs, letters: DeadLetters, processor: Processor, keys: TenantKeys, lags: Callable[[], Lags]
    ) -> None:
        self._jobs = jobs
        self._letters = letters
        self._processor = processor
        self._keys = keys
        self._lags = lags

    def answers(self) -> dict[type[Message], Answer]:
        """All that are given within a unit of work; see `run_job` for the one that is not."""
        return {
            messages.GetStatus: self._status,
            messages.GetTenant: tenants.get_tenant,
            messages.ListDeadLetters: self._list_dead_letters,
            messages.RedriveDeadLetters: self._redrive,
            messages.Republish: self._republish,
            messages.ListJobs: self._list_jobs,
            messages.RotateKeys: self._rotate_keys,
        }

    async def run_job(self, request: Received[messages.RunJob]) -> messages.JobRunView:
        """Answers when the job has ended; a unit of work would lie idle all the while."""
        return await self._jobs.run_now(request.body.job)

    async def _status(self, uow: UnitOfWork, _: Received[messages.GetStatus]) -> messages.ServiceStatus:
        backlog = await measure(uow.connection, uow.service)
        last, first_unsent = await outbox.span(uow.connection)
        return messages.ServiceStatus(
            outbox_unsent=backlog.unsent,
            outbox_oldest_at=backlog.oldest,
            outbox_last=last,
            outbox_first_unsent=first_unsent,
            dead_letters=backlog.dead_letters,
            consumers=[messages.ConsumerStatus(stream=stream, lag=lag) for stream, lag in await self._lags()],
        )

    async def _list_dead_letters(
        self, uow: UnitOfWork, request: Received[messages.ListDeadLetters]
    ) -> messages.DeadLetterList:
        before = paging.after(request.body.cursor, int)
        return await dead_letters.listing(uow, request.tenant, before, request.body.limit)

    async def _redrive(self, uow: UnitOfWork, request: Received[messages.RedriveDeadLetters]) -> messages.RedriveResult:
        opened = await self._letters.open(uow, request.body.dead_letter_ids, request.tenant)
        for letter in opened:
            await dead_letters.mark_redriven(uow, letter.dead_letter_id)
            await inbox.forget(uow, letter.message_id, letter.wire)
            await self._processor.handle(uow, [read(letter.wire)])
        return messages.RedriveResult(redriven=len(opened))

    async def _republish(self, uow: UnitOfWork, request: Received[messages.Republish]) -> messages.RepublishResult:
        return messages.RepublishResult(republished=await outbox.again(uow.connection, request.body.since))

    async def _list_jobs(self, uow: UnitOfWork, _: Received[messages.ListJobs]) -> messages.JobList:
        return await self._jobs.listing(uow)

    async def _rotate_keys(self, uow: UnitOfWork, request: Received[messages.RotateKeys]) -> messages.KeyRotationResult:
        rotation = await self._keys.rotate(uow, request.tenant, tokens=request.body.tokens)
        if rotation is None:
            return messages.KeyRotationResult()
        log.info("a tenant's keys were rotated", tenant=request.tenant)
        return messages.KeyRotationResult(
            sealing_keys=rotation.sealing_keys, generation=rotation.generation, active_from=rotation.active_from
        )


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits: events to be published, the oldest of them since `oldest`, and dead letters to be looked at."""

    unsent: int
    oldest: datetime | None
    dead_letters: int


async def measure(connection: AsyncConnection, service: str) -> Backlog:
    """What waits in the service's tables; the metrics are told as well."""
    unsent, oldest = await outbox.waiting(connection)
    letters = await dead_letters.open_count(connection)
    OUTBOX_UNSENT.labels(service).set(unsent)
    OUTBOX_AGE.labels(service).set((datetime.now(UTC) - oldest).total_seconds() if oldest else 0.0)
    DEAD_LETTERS.labels(service).set(letters)
    return Backlog(unsent, oldest, letters)


async def sweep(database: Database, _: datetime) -> Counts:
    """The job that deletes what is no longer needed from the chassis' tables."""
    async with database.begin() as uow:
        return {
            "inbox": await inbox.sweep(uow, _INBOX_DAYS),
            "outbox": await outbox.sweep(uow.connection, _OUTBOX_DAYS),
            "job_runs": await jobs.sweep(uow, _JOB_RUN_DAYS),
            "dead_letters": await dead_letters.sweep(uow, _DEAD_LETTER_DAYS),
        }
