"""What was sent is waited for until it has had all of its effect."""

import asyncio
from datetime import timedelta

import pytest

from contracts.catalogue import OPERATOR
from contracts.intake import SubmitLead
from leadloop.patience import settle
from tests.platform import Platform
from tests.waiting import until


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(hours=-1)])
async def test_what_a_service_has_written_is_waited_for_whatever_its_clock_says(
    platform: Platform, tenant: str, ahead: timedelta
) -> None:
    services = ("intake", "outcomes", "aggregator")
    async with platform.sql() as sql:
        await sql.execute("select pg_advisory_lock(hashtextextended('intake/relay', 0))")  # so that nothing is published
        async with platform.running(*services):
            await platform.introduce(tenant, *services)
            await platform.publish(OPERATOR, tenant, SubmitLead(source_system="web", source_id="1", full_name="Ann"))

            async def written() -> bool:
                moved = "update intake.outbox set time = time + $2 where tenant = $1 and sent_at is null returning 1"
                return bool(await sql.fetch(moved, tenant, ahead))

            await until(written, what="the event of the lead")
            settling = asyncio.create_task(settle(platform.operator, platform.caller))
            done, _ = await asyncio.wait([settling], timeout=0.5)
            assert not done
            await sql.execute("select pg_advisory_unlock_all()")
            await settling
            assert await sql.fetch("select from intake.outbox where tenant = $1 and sent_at is null", tenant) == []
