"""A scheduled job runs once per slot, in one replica; what was missed or left behind is caught up."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from chassis import jobs
from chassis.jobs import Counts, Job, Jobs
from chassis.unit_of_work import Database
from contracts.message import ProblemCode, ProblemError
from contracts.operations import JobRunView, ListJobs, RunJob
from tests.chassis import ledger
from tests.chassis.scene import Scene
from tests.waiting import until

HOURLY = "0 * * * *"
DAILY = "0 0 * * *"


class Work:
    """What a job does here: it notes the slots it was run for, and waits while its gate is shut."""

    def __init__(self) -> None:
        self.slots: list[datetime] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, slot: datetime) -> Counts:
        self.slots.append(slot)
        await self.gate.wait()
        return {"done": len(self.slots)}


@asynccontextmanager
async def ticking(scene: Scene, *job: Job) -> AsyncIterator[Jobs]:
    """A replica's clock."""
    database = Database(ledger.NAME, scene.platform.settings(ledger.NAME).database_url)
    clock = Jobs(database, job)
    clock.start()
    try:
        yield clock
    finally:
        clock.stop()
        await database.close()


async def runs(scene: Scene, job: str) -> list[Any]:
    return await scene.select("select * from job_run where job = $1 order by slot", job)


def ended(scene: Scene, job: str, count: int = 1) -> Callable[[], Awaitable[list[Any]]]:
    async def probe() -> list[Any]:
        found = await runs(scene, job)
        return found if sum(run["ended_at"] is not None for run in found) >= count else []

    return probe


async def test_a_slot_missed_while_nobody_ran_is_caught_up_at_start_by_one_replica(scene: Scene) -> None:
    work = Work()
    job = Job(scene.tenant, HOURLY, work)
    before = datetime.now(UTC)
    async with ticking(scene, job), ticking(scene, job), ticking(scene, job):
        (run,) = await until(ended(scene, job.name))
    assert len(work.slots) == 1
    assert run["slot"] == work.slots[0] == before.replace(minute=0, second=0, microsecond=0)
    assert (run["state"], run["counts"], run["error"]) == ("succeeded", '{"done": 1}', None)
    # The slot is done: it is not caught up again.
    async with ticking(scene, job):
        other = Job(f"{scene.tenant}-2", HOURLY, Work())
        async with ticking(scene, other):
            await until(ended(scene, other.name))
    assert len(work.slots) == 1


async def test_a_running_job_is_seen_before_it_ends(scene: Scene) -> None:
    work = Work()
    work.gate.clear()
    job = Job(scene.tenant, HOURLY, work)

    async def begun() -> list[Any]:
        return await runs(scene, job.name)

    async with ticking(scene, job):
        (run,) = await until(begun)
        assert run["state"] == "running"
        assert run["lease_until"] > datetime.now(UTC)
        work.gate.set()
        await until(ended(scene, job.name))


async def test_what_a_job_reports_between_its_batches_is_seen_while_it_runs_and_kept_if_it_fails(scene: Scene) -> None:
    gate = asyncio.Event()

    async def work(_: datetime) -> Counts:
        await jobs.report({"done": 3, "left": 4})
        await gate.wait()
        await jobs.report({"done": 5, "left": 2})
        raise RuntimeError

    job = Job(scene.tenant, HOURLY, work)

    async def reported() -> list[Any]:
        return [run for run in await runs(scene, job.name) if run["counts"] != "{}"]

    async with ticking(scene, job):
        (run,) = await until(reported)
        assert (run["state"], run["counts"]) == ("running", '{"done": 3, "left": 4}')
        gate.set()
        (run,) = await until(ended(scene, job.name))
    assert (run["state"], run["counts"]) == ("failed", '{"done": 5, "left": 2}')


async def test_a_job_whose_replica_died_is_run_by_one_that_lives_on(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only by one that starts: the lease may end at any time."""
    monkeypatch.setattr(jobs, "LEASE", timedelta(seconds=1))
    work = Work()
    job = Job(scene.tenant, HOURLY, work)
    slot = job.latest_slot(datetime.now(UTC))
    await scene.select(
        """insert into job_run (job, slot, run_id, state, lease_until, started_at)
           values ($1, $2, gen_random_uuid(), 'running', now() + interval '1 second', now())""",
        job.name, slot,
    )  # fmt: skip
    async with ticking(scene, job):
        (run,) = await until(ended(scene, job.name))
    assert work.slots == [slot]
    assert run["state"] == "succeeded"


async def test_a_job_that_takes_longer_than_its_lease_stays_its_replicas(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LEASE", timedelta(seconds=0.8))
    work = Work()
    work.gate.clear()
    job = Job(scene.tenant, HOURLY, work)
    async with ticking(scene, job), ticking(scene, job):

        async def renewed() -> bool:
            found = await runs(scene, job.name)
            return bool(found) and found[0]["lease_until"] > found[0]["started_at"] + timedelta(seconds=2)

        await until(renewed, what="a renewed lease")
        work.gate.set()
        await until(ended(scene, job.name))
    assert len(work.slots) == 1


async def test_a_job_outlives_the_database_it_cannot_renew_its_lease_in(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LEASE", timedelta(seconds=0.8))
    work = Work()
    work.gate.clear()
    job = Job(scene.tenant, HOURLY, work)
    async with ticking(scene, job):

        async def begun() -> list[Any]:
            return await runs(scene, job.name)

        await until(begun)
        with capture_logs() as logs:

            async def missed() -> bool:
                return any(line["event"] == "a lease was not renewed" for line in logs)

            await scene.platform.postgres.kill()
            await until(missed, what="a renewal that fails")
            await scene.platform.postgres.start()
        work.gate.set()
        (run,) = await until(ended(scene, job.name))
    assert run["state"] == "succeeded"


async def test_a_job_that_fails_is_recorded_without_what_it_failed_on(scene: Scene) -> None:
    async def fail(_: datetime) -> Counts:
        raise ValueError(ledger.PHONE)

    job = Job(scene.tenant, HOURLY, fail)
    async with ticking(scene, job):
        (run,) = await until(ended(scene, job.name))
    assert (run["state"], run["error"], run["counts"]) == ("failed", "ValueError", "{}")


class Failing:
    """A job that fails so often, and then succeeds."""

    def __init__(self, times: int) -> None:
        self._left = times

    async def __call__(self, _: datetime) -> Counts:
        if self._left:
            self._left -= 1
            raise ValueError(ledger.PHONE)
        return {"done": 1}


async def time_passes(scene: Scene, job: str, span: timedelta) -> None:
    """So much time, for the job's runs."""
    await scene.select("update job_run set lease_until = lease_until - $2::interval where job = $1", job, span)


async def test_a_job_that_failed_is_tried_again_later_and_later_until_it_succeeds(
    scene: Scene,
) -> None:
    pauses = [*jobs.PAUSES, jobs.PAUSES[-1]]
    job = Job(scene.tenant, DAILY, Failing(len(pauses)))
    for attempt, pause in enumerate(pauses, 1):

        async def failed(attempt: int = attempt) -> list[Any]:
            return [r for r in await runs(scene, job.name) if r["state"] == "failed" and r["attempts"] == attempt]

        async with ticking(scene, job), ticking(scene, job):  # each looks when it starts
            (run,) = await until(failed, what=f"failure {attempt}")
        assert run["lease_until"] - run["ended_at"] == pause
        assert run["error"] == "ValueError"
        await time_passes(scene, job.name, pause)

    async def succeeded() -> list[Any]:
        return [run for run in await runs(scene, job.name) if run["state"] == "succeeded"]

    async with ticking(scene, job), ticking(scene, job):
        (run,) = await until(succeeded, what="success")
    assert (run["attempts"], run["error"], run["counts"]) == (len(pauses) + 1, None, '{"done": 1}')


async def test_a_job_that_failed_rests_until_its_time_and_is_given_up_for_the_next_slot(scene: Scene) -> None:
    job = Job(scene.tenant, DAILY, Failing(1))
    async with ticking(scene, job):
        (resting,) = await until(ended(scene, job.name))
    # A replica that starts now looks at once; what it did not begin by the time another job has ended rests.
    async with ticking(scene, job, Job(f"{scene.tenant}-2", DAILY, Work())):
        await until(ended(scene, f"{scene.tenant}-2"))
    assert await runs(scene, job.name) == [resting]
    # Were it an earlier slot's, it would stay as it is: the latest one is run.
    await scene.select("update job_run set slot = slot - interval '31 days' where job = $1", job.name)
    await time_passes(scene, job.name, timedelta(days=31))
    async with ticking(scene, job):
        old, new = await until(ended(scene, job.name, 2))
    assert (old["state"], old["attempts"]) == ("failed", 1)
    assert (new["state"], new["slot"]) == ("succeeded", resting["slot"])


async def test_the_listing_says_how_often_a_job_was_tried_and_when_it_is_again(scene: Scene) -> None:
    async with scene.service(jobs=[Job(scene.tenant, DAILY, Failing(2))]).running():
        (run,) = await until(ended(scene, scene.tenant))
        (listed,) = [run for run in (await scene.ask(ListJobs(), of=ledger.NAME)).runs if run.job == scene.tenant]
        assert (listed.state, listed.attempts, listed.retry_at) == ("failed", 1, run["lease_until"])
        by_hand: JobRunView = await scene.ask(RunJob(job=scene.tenant), of=ledger.NAME)
        assert (by_hand.state, by_hand.retry_at) == ("failed", None)
        await scene.select("update job_run set slot = slot - interval '31 days' where job = $1", scene.tenant)
        outdated = [run for run in (await scene.ask(ListJobs(), of=ledger.NAME)).runs if run.job == scene.tenant]
        assert [run.retry_at for run in outdated] == [None, None]


async def test_a_job_is_run_by_hand_whatever_the_clock_says(scene: Scene) -> None:
    work = Work()
    async with scene.service(jobs=[Job(scene.tenant, HOURLY, work)]).running():
        await until(ended(scene, scene.tenant))
        for done in (2, 3):
            run: JobRunView = await scene.ask(RunJob(job=scene.tenant), of=ledger.NAME)
            assert (run.state, run.counts) == ("succeeded", {"done": done})
        listed = await scene.ask(ListJobs(), of=ledger.NAME)
        assert listed.jobs[scene.tenant] == HOURLY
        assert len([run for run in listed.runs if run.job == scene.tenant]) == 3
        with pytest.raises(ProblemError) as refused:
            await scene.ask(RunJob(job="nothing"), of=ledger.NAME)
    assert refused.value.problem.code is ProblemCode.NOT_FOUND
    assert scene.tenant in refused.value.problem.message


WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
minutes = st.one_of(st.just("*"), st.integers(0, 59).map(str), st.sampled_from(["*/5", "*/15", "0,30"]))
hours = st.one_of(st.just("*"), st.integers(0, 23).map(str), st.just("*/6"))
days = st.one_of(st.just("*"), st.integers(1, 31).map(str))
weekdays = st.one_of(st.just("*"), st.sampled_from(WEEKDAYS))
moments = st.builds(
    lambda minute, microsecond: datetime(2026, 2, 20, tzinfo=UTC) + timedelta(minutes=minute, microseconds=microsecond),
    st.one_of(st.integers(0, 60_000), st.integers(0, 600).map(lambda hour: hour * 60)),
    st.one_of(st.sampled_from([-1, 0, 1]), st.integers(0, 59_999_999)),
)
"""Any time within six weeks, and the very moment of a slot, a microsecond before and after it."""


def values(field: str, possible: range) -> set[int]:
    """Cron's rule for one field: everything, every so many, or any of a list."""
    if field == "*":
        return set(possible)
    return {v for v in possible if v % int(field[2:]) == 0} if "/" in field else {int(v) for v in field.split(",")}


async def nothing(_: datetime) -> Counts:
    return {}


@settings(max_examples=100)
@given(minute=minutes, hour=hours, day=days, weekday=weekdays, now=moments)
def test_the_latest_slot_is_the_last_minute_that_matches(
    minute: str, hour: str, day: str, weekday: str, now: datetime
) -> None:
    in_minutes, in_hours, in_days = values(minute, range(60)), values(hour, range(24)), values(day, range(1, 32))
    in_weekdays = range(7) if weekday == "*" else [WEEKDAYS.index(weekday)]
    at, horizon = now.replace(second=0, microsecond=0), now - timedelta(days=8)
    while at >= horizon and not (
        at.hour in in_hours and at.minute in in_minutes and at.day in in_days and at.weekday() in in_weekdays
    ):
        at -= timedelta(minutes=1)
    expected = at if at >= horizon else None
    assert Job("any", f"{minute} {hour} {day} * {weekday}", nothing).latest_slot(now) == expected
