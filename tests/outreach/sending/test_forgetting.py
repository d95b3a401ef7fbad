"""What nobody needs any more of messages that were over long ago is forgotten, and nothing sooner."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from chassis.unit_of_work import Database
from contracts.outreach.accounts import RemoveAccount
from contracts.outreach.activity import ListActivity
from contracts.outreach.campaigns import ArchiveCampaign
from outreach.upkeep import forget_old
from tests.outreach.scene import account, arrive, campaign, lead, outreach
from tests.platform import Platform
from tests.waiting import until

KEPT = timedelta(days=100)


async def test_how_messages_changed_and_what_was_heard_of_them_is_forgotten_after_the_tenant_s_time(
    platform: Platform, database: Database, tenant: str
) -> None:
    async with outreach(platform, tenant):
        async with platform.sql() as sql:
            days = (
                "update outreach.tenant set settings = settings || jsonb_build_object('message_history_days', $2::int)"
            )
            await sql.execute(f"{days} where tenant_id = $1", tenant, KEPT.days)
        async with database.begin(tenant) as uow:
            now = uow.now
        ages = {
            "old": KEPT + timedelta(hours=1),
            "recent": KEPT - timedelta(hours=1),
            "waiting": KEPT + timedelta(days=9),
        }
        made = {name: await _over(platform, tenant, now - age, ended=name != "waiting") for name, age in ages.items()}
        for _ in range(2):
            counts = await forget_old(database, now)
        assert counts["changes"] == 0, "it may run twice"
        known = {name: await _rows(platform, "message_event", id_) for name, id_ in made.items()}
        assert known == {"old": 0, "recent": 2, "waiting": 2}
        page = await platform.caller.ask(tenant, ListActivity(states=["sent"]))
        heard = {entry.message_id: len(entry.troubles) for entry in page.entries}
        assert heard == {made["old"]: 0, made["recent"]: 1}, "that they were sent stays"


async def test_the_database_lets_nobody_delete_how_a_message_changed_lately_or_change_it_ever(
    platform: Platform, database: Database, tenant: str
) -> None:
    async with outreach(platform, tenant):
        async with database.begin(tenant) as uow:
            now = uow.now
        made = await _over(platform, tenant, now - timedelta(days=89))
        old = await _over(platform, tenant, now - timedelta(days=900))
        async with platform.sql() as sql:
            for statement in (
                "delete from outreach.message_event where message_id = $1",
                "update outreach.message_event set at = now() where message_id = $1",
            ):
                with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
                    await sql.execute(statement, made)
            await sql.execute("delete from outreach.message_event where message_id = $1", old)


async def test_lanes_in_which_nothing_will_leave_again_are_forgotten_and_no_others(
    platform: Platform, database: Database, tenant: str
) -> None:
    async with outreach(platform, tenant):
        going, gone = [(await account(platform, tenant, rotation_set=name)).account_id for name in ("one", "two")]
        await arrive(platform, tenant, [lead(tier=tier) for tier in "ABC"])
        await campaign(platform, tenant, audience={"tier": "A"}, settings={"rotation_set": "one"})
        await campaign(platform, tenant, audience={"tier": "B"}, settings={"rotation_set": "two"})
        over = await campaign(platform, tenant, audience={"tier": "C"}, settings={"rotation_set": "one"})
        await until(lambda: _rest(platform, tenant, 3))
        await platform.caller.ask(tenant, RemoveAccount(account_id=gone))
        await platform.caller.ask(tenant, ArchiveCampaign(campaign_id=over.campaign_id))
        await until(lambda: _rest(platform, tenant, 3))  # what changed has them looked at once more
        async with database.begin(tenant) as uow:
            now = uow.now
        await forget_old(database, now)
        async with platform.sql() as sql:
            lanes = await sql.fetch("select account_id from outreach.lane where tenant_id = $1", tenant)
        assert [row["account_id"] for row in lanes] == [going]


async def _over(platform: Platform, tenant: str, at: datetime, *, ended: bool = True) -> UUID:
    """A message of then, with two changes and something that was heard of it."""
    message = UUID(int=(int(at.timestamp() * 1000) << 80) | uuid4().int % 2**76 | 7 << 76)
    async with platform.sql() as sql:
        await sql.execute(
            """insert into outreach.send_queue (tenant_id, message_id, enrollment_id, campaign_id, lead_id, step, kind, account_id,
                   state, queued_at, due_at, spent_at, ended_at)
               values ($1, $2, $3, $3, $3, 1, 'email', $3, $4, $5, $5, $6, $6)""",
            tenant, message, uuid4(), "sent" if ended else "queued", at, at if ended else None,
        )  # fmt: skip
        for state in ("queued", "sent"):
            await sql.execute(
                "insert into outreach.message_event values ($1, $2, $3, $4, $5)", tenant, message, uuid4(), state, at
            )
        await sql.execute(
            "insert into outreach.trouble values ($1, $2, $3, $4, 'complaint', $5)",
            tenant,
            uuid4(),
            uuid4(),
            message,
            at,
        )
    return message


async def _rows(platform: Platform, table: str, message: UUID) -> int:
    async with platform.sql() as sql:
        return int(await sql.fetchval(f"select count(*) from outreach.{table} where message_id = $1", message))


async def _rest(platform: Platform, tenant: str, number: int) -> bool:
    """So many lanes have nothing in them that has a date."""
    async with platform.sql() as sql:
        resting = "select count(*) from outreach.lane where tenant_id = $1 and ready_at = 'infinity'"
        return bool(await sql.fetchval(resting, tenant) == number)
