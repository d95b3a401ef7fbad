"""Scheduled jobs: APScheduler is the clock, a row per (job, slot) decides which replica runs it.

The claim commits first, with a lease, so that a running job is seen. Every replica also looks at start, and every half
lease from then on, whether the latest slot of each job was missed, or claimed by a replica that has died since, or ended in
an error, and claims it then; after an error not before a pause has passed that grows with each try. A slot is tried until it
succeeds or the next one is due. Every job must be idempotent, and each can be run by hand; that run is not tried again.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from apscheduler.util import undefined
from uuid_utils.compat import uuid7

from chassis import tenants
from chassis.failures import describe, is_transient
from chassis.logs import get_logger
from chassis.unit_of_work import Database, UnitOfWork
from contracts.message import ProblemCode, ProblemError
from contracts.operations import JobList, JobRunView

log = get_logger("jobs")

LEASE = timedelta(minutes=2)
PAUSES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))
"""How long a slot rests, at least, after its first try failed, its second, and so on; after the last, each time as long."""
_HORIZONS = (timedelta(minutes=2), timedelta(hours=1), timedelta(days=1), timedelta(days=8))
"""How far back a job's latest slot is looked for: near first, so that a frequent job's history is not walked."""

Counts = dict[str, int]

_reporting: ContextVar[Callable[[Counts], Awaitable[None]]] = ContextVar("reporting")


async def report(counts: Counts) -> None:
    """Called by a job's work between its batches: what it has done so far, which `list_jobs` shows meanwhile."""
    if (tell := _reporting.get(None)) is not None:
        await tell(counts)


class SomeTenantsFailedError(Exception):
    """A job could not do its work for every tenant; the log names each with its error."""


async def every_tenant(database: Database, work: Callable[[str], Awaitable[Counts]]) -> Counts:
    """`each_tenant` of those that the service knows."""
    async with database.begin() as uow:
        names = await tenants.all_tenants(uow)
    return await each_tenant(names, work)


async def each_tenant(names: Iterable[str], work: Callable[[str], Awaitable[Counts]]) -> Counts:
    """Do a job's work for one tenant after the other, whatever becomes of those before; returns what was done in all.

    Raises:
        SomeTenantsFailedError: at the end, when all the others have had their turn.
    """
    counts: Counter[str] = Counter()
    failed = 0
    for tenant in names:
        try:
            counts.update(await work(tenant))
        except Exception as error:
            log.error("a job could not do its work for a tenant", tenant=tenant, error=describe(error), exc_info=error)
            failed += 1
    if failed:
        raise SomeTenantsFailedError(f"{failed} tenant{'s' * (failed > 1)} failed")
    return dict(counts)


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of scheduled work.

    Attributes:
        name: unique within the service.
        schedule: five cron fields, UTC.
        run: does the work for a slot, committing in batches of its own; returns counts for the record.
    """

    name: str
    schedule: str
    run: Callable[[datetime], Awaitable[Counts]]

    @property
    def trigger(self) -> CronTrigger:
        return CronTrigger.from_crontab(self.schedule, timezone=UTC)

    def latest_slot(self, now: datetime) -> datetime | None:
        """The last slot at or before `now`, if there was one within the catch-up horizon."""
        for horizon in _HORIZONS:
            slot: datetime | None = None
            following: datetime | None = self.trigger.get_next_fire_time(None, now - horizon)
            while following and following <= now:
                slot, following = following, self.trigger.get_next_fire_time(None, following + timedelta(seconds=1))
            if slot:
                return slot
        return None


class Jobs:
    """A service's jobs, ticking in every replica and run in one."""

    def __init__(self, database: Database, jobs: Sequence[Job]) -> None:
        self._database = database
        self._jobs = {job.name: job for job in jobs}
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._running: set[tuple[str, datetime]] = set()
        self._claiming = asyncio.Lock()

    def start(self) -> None:
        """Start the clock, and catch up what was missed."""
        catch_up = IntervalTrigger(seconds=LEASE.total_seconds() / 2, timezone=UTC)
        for job in self._jobs.values():
            for trigger, first in ((job.trigger, undefined), (catch_up, datetime.now(UTC))):
                self._scheduler.add_job(
                    self._tick, trigger, args=[job], next_run_time=first, misfire_grace_time=None, coalesce=True,
                    max_instances=2,  # one that runs the job, and one that finds it running
                )  # fmt: skip
        self._scheduler.start()

    def stop(self) -> None:
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    async def _tick(self, job: Job) -> None:
        slot = job.latest_slot(datetime.now(UTC))
        if slot is None or (job.name, slot) in self._running:
            return
        try:
            await self._run(job, slot)
        except Exception as error:
            log.warning("a job was not run", job=job.name, slot=slot.isoformat(), error=describe(error),
                        exc_info=None if is_transient(error) else error)  # fmt: skip

    async def run_now(self, name: str) -> JobRunView:
        """Run a job by hand, in a slot of its own, and wait for its end.

        Raises:
            ProblemError: the service has no such job.
        """
        job = self._jobs.get(name)
        if job is None:
            known = ", ".join(sorted(self._jobs)) or "none"
            raise ProblemError(ProblemCode.NOT_FOUND, f"no job is called {name}; this service has: {known}", "job")
        slot = datetime.now(UTC)
        await self._run(job, slot)
        async with self._database.begin() as uow:
            rows = await uow.execute(f"{_RUNS} where job = :job and slot = :slot", job=name, slot=slot)
            return JobRunView.model_validate(dict(rows.mappings().one()))

    async def listing(self, uow: UnitOfWork) -> JobList:
        """The jobs with their schedules, and the latest twenty runs of each, those begun last first."""
        rows = await uow.execute(_LATEST_RUNS, jobs=list(self._jobs))
        latest = {(job.name, job.latest_slot(uow.now)) for job in self._jobs.values()}
        runs = []
        for row in rows.mappings():
            waits = row["state"] == "failed" and (row["job"], row["slot"]) in latest
            runs.append(JobRunView.model_validate({**row, "retry_at": row["lease_until"] if waits else None}))
        return JobList(jobs={job.name: job.schedule for job in self._jobs.values()}, runs=runs)

    async def _run(self, job: Job, slot: datetime) -> None:
        claim = await self._claim(job, slot)
        if claim is None:
            return
        run_id, attempts = claim
        counts: Counts = {}
        error = None
        reporting = _reporting.set(partial(self._report, job, slot, run_id))
        try:
            async with self._kept(job, slot, run_id):
                counts = await job.run(slot)
        except Exception as raised:
            error = describe(raised)
            log.error("a job failed", job=job.name, slot=slot.isoformat(), exc_info=raised)
        finally:
            _reporting.reset(reporting)
        async with self._database.begin() as uow:
            await uow.execute(
                _END, job=job.name, slot=slot, run_id=run_id, counts=json.dumps(counts), error=error,
                pause=PAUSES[min(attempts, len(PAUSES)) - 1],
            )  # fmt: skip
        log.info("a job ended", job=job.name, slot=slot.isoformat(), state="failed" if error else "succeeded")

    async def _claim(self, job: Job, slot: datetime) -> tuple[UUID, int] | None:
        """The run's id and how often the slot was begun, this time included; none where it is not to be run now."""
        run_id = uuid7()
        # One at a time: at the start all look at once, and would take a connection each.
        async with self._claiming, self._database.begin() as uow:
            rows = await uow.execute(_CLAIM, job=job.name, slot=slot, run_id=run_id, lease=LEASE)
            claimed = rows.first()
            return (run_id, claimed.attempts) if claimed else None

    @asynccontextmanager
    async def _kept(self, job: Job, slot: datetime, run_id: UUID) -> AsyncIterator[None]:
        """Keep the lease while the job runs."""
        self._running.add((job.name, slot))
        renewing = asyncio.create_task(self._renew(job, slot, run_id))
        try:
            yield
        finally:
            renewing.cancel()
            self._running.discard((job.name, slot))

    async def _report(self, job: Job, slot: datetime, run_id: UUID, counts: Counts) -> None:
        async with self._database.begin() as uow:
            await uow.execute(_REPORT, job=job.name, slot=slot, run_id=run_id, counts=json.dumps(counts))

    async def _renew(self, job: Job, slot: datetime, run_id: UUID) -> None:
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 4)
            try:
                async with self._database.begin() as uow:
                    await uow.execute(_RENEW, job=job.name, slot=slot, run_id=run_id, lease=LEASE)
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("a lease was not renewed", job=job.name, slot=slot.isoformat(), error=describe(error))


async def sweep(uow: UnitOfWork, days: int) -> int:
    """Delete the runs that were begun longer ago than that; returns how many."""
    swept = await uow.execute("delete from job_run where started_at < now() - make_interval(days => :days)", days=days)
    return swept.rowcount


_CLAIM = """
    insert into job_run (job, slot, run_id, state, lease_until, started_at)
    values (:job, :slot, :run_id, 'running', now() + cast(:lease as interval), now())
    on conflict (job, slot) do update
        set run_id = excluded.run_id, state = excluded.state, lease_until = excluded.lease_until,
            started_at = excluded.started_at, ended_at = null, error = null, attempts = job_run.attempts + 1
        where job_run.state <> 'succeeded' and job_run.lease_until < now()
    returning attempts
"""
_RENEW = """
    update job_run set lease_until = now() + cast(:lease as interval)
    where job = :job and slot = :slot and run_id = :run_id
"""
_REPORT = """
    update job_run set counts = cast(:counts as jsonb) where job = :job and slot = :slot and run_id = :run_id
"""
_END = """
    update job_run set state = case when cast(:error as text) is null then 'succeeded' else 'failed' end,
                       ended_at = now(), counts = counts || cast(:counts as jsonb), error = :error,
                       lease_until = now() + cast(:pause as interval)
    where job = :job and slot = :slot and run_id = :run_id
"""
_RUNS = "select job, slot, state, attempts, lease_until, started_at, ended_at, counts, error from job_run"
_LATEST_RUNS = f"""
    select run.* from unnest(cast(:jobs as text[])) as listed (name)
    cross join lateral ({_RUNS} where job = listed.name order by slot desc limit 20) as run
    order by started_at desc
"""
