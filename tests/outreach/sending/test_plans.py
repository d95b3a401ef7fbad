"""What a worker's steps read follows from how much they do, and not from how much a tenant has."""

from random import Random
from uuid import uuid4

import pytest

from chassis.unit_of_work import Database
from contracts.outreach.sending import SendState
from outreach.replies.store import colleagues
from outreach.sending.claiming import claim
from outreach.sending.leaving import begin
from outreach.sending.recording import Result, record
from tests.outreach.scene import Gate, account, arrive, campaign, lead, outreach
from tests.outreach.sending.test_races import by_hand, queued
from tests.platform import Platform
from tests.reading import rows_read
from tests.waiting import until

__all__ = ["by_hand"]

WAITING, MOST_ROWS_A_MESSAGE = 1_500, 60


@pytest.mark.usefixtures("by_hand")
async def test_a_worker_reads_what_it_sends_and_not_what_its_tenant_has(
    platform: Platform, database: Database, tenant: str
) -> None:
    async with outreach(platform, tenant, Gate(tenant)):
        for _ in range(3):
            await account(platform, tenant)
        for _ in range(3):
            await arrive(platform, tenant, [lead() for _ in range(WAITING // 3)])
        async with database.begin(tenant) as uow:
            await uow.execute(
                """insert into suppression (tenant_id, suppression_id, reason, created_at)
                   select :tenant, uuidv7(), 'bounce', :now from generate_series(1, 2000)""",
                tenant=tenant, now=uow.now,
            )  # fmt: skip
        await campaign(platform, tenant)
        await until(lambda: queued(platform, tenant, WAITING), seconds=60)
        async with database.begin(tenant) as uow:
            before = await rows_read(uow)
            claimed = await claim(uow, [tenant], 100, Random(1))
            read = {"claim": await rows_read(uow) - before}
        messages = [row["message_id"] for row in claimed.messages]
        async with database.begin(tenant) as uow:
            before = await rows_read(uow)
            begun = await begin(uow, dict.fromkeys(messages, (tenant, claimed.token)))
            read["begin"] = await rows_read(uow) - before
        async with database.begin(tenant) as uow:
            before = await rows_read(uow)
            await record(uow, [Result(tenant, message, claimed.token, SendState.SENT) for message in messages])
            read["record"] = await rows_read(uow) - before
    assert len(messages) == len(begun) > 90
    assert {step: rows for step, rows in read.items() if rows > MOST_ROWS_A_MESSAGE * len(messages)} == {}, read


async def test_a_company_is_found_without_looking_at_all_who_are_in_its_campaign(
    platform: Platform, database: Database, tenant: str
) -> None:
    campaign_id = uuid4()
    async with database.begin(tenant) as uow:
        await uow.execute(
            """with arrived as (
                   insert into lead (tenant_id, lead_id, version, names, channels, attribution, metadata, erased)
                   select :tenant, uuidv7(), 1, array[cast(n as text)], array['email'], '{}',
                          jsonb_build_object('company', case when n <= 3 then ' Roe Ltd' else 'Company ' || n end), false
                   from generate_series(1, 2000) as n
                   returning lead_id
               )
               insert into enrollment (tenant_id, enrollment_id, campaign_id, lead_id, holds, started_at)
               select :tenant, uuidv7(), :campaign, lead_id, false, :now from arrived""",
            tenant=tenant, campaign=campaign_id, now=uow.now,
        )  # fmt: skip
    async with platform.sql() as sql:  # as autovacuum does
        await sql.execute("analyze outreach.lead, outreach.enrollment")
    async with database.begin(tenant) as uow:
        before = await rows_read(uow)
        assert len(await colleagues(uow, tenant, campaign_id, "roe ltd")) == 3
        assert await rows_read(uow) - before < 50
