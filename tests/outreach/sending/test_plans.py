"""What a worker's steps read follows from how much they do, and not from how much a tenant has: the planner knows nothing of it yet."""

from random import Random

import pytest

from chassis.unit_of_work import Database, UnitOfWork
from contracts.outreach.sending import SendState
from outreach.sending.claiming import claim
from outreach.sending.leaving import begin
from outreach.sending.recording import Result, record
from tests.outreach.scene import Gate, account, arrive, campaign, lead, outreach
from tests.outreach.sending.test_races import by_hand, queued
from tests.platform import Platform
from tests.waiting import until

__all__ = ["by_hand"]

WAITING, MOST_ROWS_A_MESSAGE = 1_500, 60


async def rows_read(uow: UnitOfWork) -> int:
    """How many rows this unit of work has read so far, by whatever way."""
    read = await uow.execute(
        "select sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) from pg_stat_xact_user_tables"
    )
    return int(read.scalar_one())


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
            claimed = await claim(uow, [tenant], 100, Random(1))
            read = {"claim": await rows_read(uow)}
        messages = [row["message_id"] for row in claimed.messages]
        async with database.begin(tenant) as uow:
            begun = await begin(uow, dict.fromkeys(messages, (tenant, claimed.token)))
            read["begin"] = await rows_read(uow)
        async with database.begin(tenant) as uow:
            await record(uow, [Result(tenant, message, claimed.token, SendState.SENT) for message in messages])
            read["record"] = await rows_read(uow)
    assert len(messages) == len(begun) > 90
    assert {step: rows for step, rows in read.items() if rows > MOST_ROWS_A_MESSAGE * len(messages)} == {}, read
