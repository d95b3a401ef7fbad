"""``leadloop job, dead, republish, bench``: for those who run it. `leadloop.main` says what each command does."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from cyclopts import Parameter
from cyclopts.types import PositiveInt
from cyclopts.validators import Number

from chassis.caller import Caller
from contracts.catalogue import SERVICES
from contracts.message import PLATFORM
from contracts.operations import (
    JobRunView,
    ListDeadLetters,
    ListJobs,
    RedriveDeadLetters,
    Republish,
    RunJob,
)
from leadloop import bench
from leadloop.app import Common
from leadloop.installation import Installation
from leadloop.output import Answer, CommandError, table

_JOB_SECONDS = 3600.0

Limit = Annotated[int, Parameter(validator=Number(gte=1, lte=1000))]


async def list_jobs(*, common: Common = Common()) -> Answer:
    """``leadloop job list``."""
    shown = table("Jobs", "service", "job", "schedule (UTC)", "last run", "state", "counts")
    data = []
    async with Installation(common.open()).asking() as caller:
        for service in SERVICES:
            found = await caller.ask(PLATFORM, ListJobs(), of=service)
            for name, schedule in found.jobs.items():
                last = next((run for run in found.runs if run.job == name), None)
                data.append({"service": service, "job": name, "schedule": schedule, "last_run": last})
                counts = " ".join(f"{key}={value}" for key, value in last.counts.items()) if last else ""
                ran = (f"{last.started_at:%Y-%m-%d %H:%M}", _state(last)) if last else ("never", "")
                shown.add_row(service, name, schedule, *ran, counts)
    return Answer(data, [shown])


async def run_job(service: str, job: str, /, *, common: Common = Common()) -> Answer:
    """``leadloop job run``."""
    _check_service(service)
    async with Installation(common.open()).asking() as caller:
        ran = await caller.ask(PLATFORM, RunJob(job=job), of=service, seconds=_JOB_SECONDS)
    counts = " ".join(f"{key}={value}" for key, value in ran.counts.items())
    return Answer(ran.model_dump(), [f"{job} {ran.error or ran.state} {counts}".rstrip()], ok=ran.state == "succeeded")


async def list_dead(*, limit: Limit = 100, common: Common = Common()) -> Answer:
    """``leadloop dead list``."""
    shown = table("Dead letters", "service", "id", "type", "tenant", "received", "redriven", "reason", right=("id",))
    data = []
    async with Installation(common.open()).asking() as caller:
        for service in SERVICES:
            found = await caller.ask(PLATFORM, ListDeadLetters(limit=limit), of=service)
            for letter in found.dead_letters:
                data.append({"service": service, **letter.model_dump()})
                redriven = f"{letter.redriven_at:%Y-%m-%d %H:%M}" if letter.redriven_at else ""
                shown.add_row(service, str(letter.dead_letter_id), letter.message_type, letter.tenant,
                              f"{letter.buried_at:%Y-%m-%d %H:%M}", redriven, letter.reason)  # fmt: skip
    return Answer(data, [shown] if data else ["no dead letters"])


async def show_dead(service: str, id: int, /, *, common: Common = Common()) -> Answer:
    """``leadloop dead show``."""
    _check_service(service)
    async with Installation(common.open()).asking() as caller:
        found = await caller.ask(PLATFORM, ListDeadLetters(limit=1000), of=service)
    letter = next((letter for letter in found.dead_letters if letter.dead_letter_id == id), None)
    if letter is None:
        raise CommandError(f"{service} has no dead letter {id} among its last 1000: see `leadloop dead list`")
    return Answer(letter.model_dump(), [f"{name}: {value}" for name, value in letter.model_dump().items()])


async def redrive(service: str, ids: tuple[int, ...] = (), /, *, common: Common = Common()) -> Answer:
    """``leadloop dead redrive``."""
    _check_service(service)
    async with Installation(common.open()).asking() as caller:
        before = await _open_dead_letters(caller, service)
        if absent := sorted(set(ids) - before.keys()):
            raise CommandError(f"{service} has no open dead letter {absent[0]}: see `leadloop dead list`")
        done = await caller.ask(PLATFORM, RedriveDeadLetters(dead_letter_ids=list(ids)), of=service, seconds=600)
        after = await _open_dead_letters(caller, service)
    again = {before[id_] for id_ in ids or before} & {after[id_] for id_ in after.keys() - before.keys()}
    failed = f"{len(again)} of them failed again: see `leadloop dead list`"
    return Answer(
        {"redriven": done.redriven, "failed_again": len(again)},
        [f"{done.redriven} handled again", *([failed] if again else [])],
        ok=not again,
    )


async def _open_dead_letters(caller: Caller, service: str) -> dict[int, UUID]:
    """The ids of their messages, by number."""
    found = await caller.ask(PLATFORM, ListDeadLetters(limit=1000), of=service)
    return {letter.dead_letter_id: letter.message_id for letter in found.dead_letters if letter.redriven_at is None}


async def republish(service: str | None = None, /, *, since: str, common: Common = Common()) -> Answer:
    """``leadloop republish``.

    Args:
        service: whose events; every service's by default.
        since: a time (ISO 8601, UTC where it names no zone), or how long ago: 30m, 12h, 3d.
    """
    services = SERVICES if service is None else (service,)
    for name in services:
        _check_service(name)
    moment, counts = _moment(since), {}
    async with Installation(common.open()).asking() as caller:
        for name in services:
            done = await caller.ask(PLATFORM, Republish(since=moment), of=name, seconds=600)
            counts[name] = done.republished
    return Answer(
        {"republished": counts}, [f"{count} events of {name} are published again" for name, count in counts.items()]
    )


async def bench_pipeline(*, leads: PositiveInt = 30_000, only: str = "", common: Common = Common()) -> Answer:
    """``leadloop bench pipeline``.

    Args:
        leads: how many commands are preloaded before the clock starts.
        only: the services that take part, e.g. intake,aggregator; all by default.
    """
    services = tuple(only.split(",")) if only else SERVICES
    for service in services:
        _check_service(service)
    measured = await bench.pipeline(Installation(common.open()), leads, services)
    return Answer(
        measured,
        [f"{measured['leads_per_s']:.0f} leads/s: {leads} leads in {measured['seconds']:.1f} s, {', '.join(services)}"],
    )


def _state(run: JobRunView) -> str:
    """How a run went; of one that failed, how often and when it is tried again."""
    again = f"; again from {run.retry_at:%H:%M}" if run.retry_at else ""
    tries = f" (try {run.attempts}{again})" if run.attempts > 1 or again else ""
    return f"{run.error or run.state}{tries}"


def _check_service(name: str) -> None:
    if name not in SERVICES:
        raise CommandError(f"there is no service {name}: choose one of {', '.join(SERVICES)}")


def _moment(text: str) -> datetime:
    units = {"m": "minutes", "h": "hours", "d": "days"}
    try:
        if text[:-1].isdecimal() and text[-1:] in units:
            return datetime.now(UTC) - timedelta(**{units[text[-1]]: int(text[:-1])})
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise CommandError(f"--since {text}: write a time like 2026-11-21T12:00Z, or 30m, 12h, 3d") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
