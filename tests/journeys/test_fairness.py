"""One tenant's burst beyond its limit holds up no other tenant; measured on the processes that an operator runs."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

import asyncpg
import httpx
from nats.aio.client import Client

from chassis.received import encode
from contracts.intake.leads import SubmitLead
from contracts.intake.limits import ListParked
from tests.journeys.operating import Operator
from tests.waiting import until

BURST = 5000
PER_SECOND = 20
SECONDS = 8


@dataclass
class Times:
    """Milliseconds from the submission of a lead to its event at the aggregator."""

    api: list[float] = field(default_factory=list)
    bus: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        ways = (("POST", self.api), ("bus", self.bus))
        return ", ".join(f"{way} p50 {at(took, 0.5):.0f} ms p99 {at(took, 0.99):.0f} ms" for way, took in ways)


@dataclass
class Calm:
    """A tenant whose leads come steadily, every other over HTTP and every other over the bus."""

    name: str
    api: httpx.AsyncClient
    upstream: Client
    sql: asyncpg.Connection

    async def times(self, run: str) -> Times:
        sent: dict[str, tuple[float, list[float]]] = {}
        times = Times()

        async def submit(number: int) -> None:
            over_http = number % 2 == 0
            lead = SubmitLead(source_system="web", source_id=f"{run}-{number}", full_name="Ada Example")
            sent[lead.source_id] = monotonic(), times.api if over_http else times.bus
            if over_http:
                answer = await self.api.post(f"/api/t/{self.name}/leads", json=lead.model_dump(exclude_unset=True))
                assert answer.status_code == 201, answer.text
            else:
                await self.upstream.jetstream().publish(SubmitLead.topic.subject(self.name), encode(lead), timeout=30)

        async def watch() -> None:
            seen = 0
            while len(times.api) + len(times.bus) < PER_SECOND * SECONDS:
                rows = await self.sql.fetch(
                    """select seq, body ->> 'source_id' as source_id from aggregator.event
                       where tenant_id = $1 and seq > $2 and body ->> 'source_id' like $3 order by seq""",
                    self.name, seen, f"{run}-%",
                )  # fmt: skip
                for row in rows:
                    seen = row["seq"]
                    began, took = sent[row["source_id"]]
                    took.append(1000 * (monotonic() - began))
                await asyncio.sleep(0.005)

        async with asyncio.timeout(90), asyncio.TaskGroup() as group:
            group.create_task(watch())
            for number in range(PER_SECOND * SECONDS):
                group.create_task(submit(number))
                await asyncio.sleep(1 / PER_SECOND)
        return times


async def test_nobody_waits_until_another_tenants_burst_of_five_thousand_is_handled(
    operator: Operator, tenant: str
) -> None:
    calm, noisy = f"{tenant}-b", f"{tenant}-a"
    await operator.introduce(calm, leads_per_minute=10_000)
    await operator.introduce(noisy)
    async with operator.upstream(noisy) as bursting, steady(operator, calm) as submitting:
        alone = await submitting.times("alone")
        burst = asyncio.create_task(send(bursting, noisy))
        beside = await submitting.times("beside")
        await burst
    async with operator.caller() as caller:

        async def burst_is_handled() -> bool:
            parked = [source.parked for source in (await caller.ask(noisy, ListParked())).sources]
            return bool(parked) and BURST - 250 < parked[0] < BURST

        await until(burst_is_handled, seconds=120)
    print(f"alone: {alone}; beside the burst: {beside}")
    for before, after in ((alone.api, beside.api), (alone.bus, beside.bus)):
        # This machine may run other tests besides, and 5,000 commands wait for its disk, in the same stream.
        assert at(after, 0.5) < 2 * at(before, 0.5) + 1000
        assert at(after, 0.99) < 2 * at(before, 0.99) + 1500


@asynccontextmanager
async def steady(operator: Operator, tenant: str) -> AsyncIterator[Calm]:
    async with operator.http(tenant) as api, operator.upstream(tenant) as upstream, operator.sql() as sql:
        yield Calm(tenant, api, upstream, sql)


async def send(upstream: Client, tenant: str) -> None:
    """Publish 5,000 leads at once."""
    js, subject, stored = upstream.jetstream(), SubmitLead.topic.subject(tenant), []
    for number in range(BURST):
        lead = SubmitLead(source_system="web", source_id=str(number), full_name="Ada Example")
        stored.append(await js.publish_async(subject, encode(lead)))
    await asyncio.gather(*stored)


def at(took: Sequence[float], share: float) -> float:
    """The time that this share of all took at most."""
    return sorted(took)[int(len(took) * share)]
