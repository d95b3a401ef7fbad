"""While many events are checked, whoever asks the aggregator for something else is answered."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest

from chassis.unit_of_work import Database
from contracts.aggregator.replay import Validate
from tests.aggregator.history import checking
from tests.platform import Platform

EVENTS = 50_000
MOST_SECONDS = 0.1
"""What the loop may do at a stretch: nobody notices that somebody else was served first."""
_OUTCOMES_AND_LEADS = """
    insert into aggregator.event (tenant_id, event_id, told_at, type, occurred_at, lead_id, body)
    select $1, gen_random_uuid(), at, type, at, lead_id, jsonb_build_object(
               'lead_id', lead_id, 'version', 1, 'created_at', at, 'occurred_at', at, 'outcome_id', gen_random_uuid(),
               'type', case n % 2 when 0 then 'closed_won' else 'closed_lost' end, 'stage', case n % 2 when 0 then 'won' else 'lost' end,
               'attribution', jsonb_build_object('source_key', 'source_' || n % 97, 'geo_key', 'geo_' || n % 89, 'intent', 'buyer'))
    from (
        select n, type, md5('lead' || n)::uuid as lead_id, now() - interval '1 minute' * (n % 10000) as at
        from generate_series(1, $2 / 2) as n
        cross join (values ('outcomes.event.outcome_recorded.v1'), ('intake.event.lead_accepted.v1')) as types (type)
    ) as told
"""


@pytest.fixture(autouse=True)
async def running(platform: Platform) -> AsyncIterator[None]:
    async with platform.running("aggregator"):
        yield


@contextmanager
def stretches() -> Iterator[list[float]]:
    """For how many seconds of the processor's time the loop does one thing, each time.

    Time that other processes have is not counted, and what the garbage collector looks at is not what other tests left behind.
    """
    found: list[float] = []

    async def pulse() -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.001)
            found.append(time.thread_time() - before)

    gc.collect()
    gc.freeze()
    beating = asyncio.create_task(pulse())
    try:
        yield found
    finally:
        beating.cancel()


async def test_a_check_of_many_events_leaves_the_loop_to_others(
    platform: Platform, database: Database, tenant: str
) -> None:
    async with platform.sql() as sql:
        # They reach seven days back, which may be into a month that nobody has told anything in.
        await sql.execute("select aggregator.make_event_months(array[current_date - 8, current_date])")
        await sql.execute(_OUTCOMES_AND_LEADS, tenant, EVENTS)
    with stretches() as found:
        counts = await checking(database).check(tenant)
        validated = await platform.caller.ask(tenant, Validate(), seconds=60)
    assert (counts["drift"], validated.drift, validated.events) == (0, 0, EVENTS)
    assert len(found) > 100
    assert max(found) < MOST_SECONDS
