"""A home from before there was a board: every lead stands on it where its outcomes put it."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from uuid_utils.compat import uuid7

from chassis import schema
from chassis.unit_of_work import Database
from contracts.taxonomy import Stage
from outcomes import store_board, store_outcomes
from tests.platform import Platform

upgrade = command.upgrade


@pytest.fixture
async def old(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A database whose outcomes keep no stages; its name."""
    name = f"old_{uuid7().hex}"
    async with platform.sql() as sql:
        await sql.execute(f"create database {name}")
    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", _before_the_board)
        await schema.prepare(_url(platform, "postgres", name), "outcomes")
    yield name
    async with platform.sql() as sql:
        await sql.execute(f"drop database {name} with (force)")


def _before_the_board(config: Config, _: str) -> None:
    upgrade(config, "0007")


def _url(platform: Platform, role: str, database: str) -> str:
    return platform.postgres.dsn(role, database).replace("postgresql://", "postgresql+asyncpg://", 1)


async def test_leads_from_before_the_board_stand_where_their_outcomes_put_them(platform: Platform, old: str) -> None:
    connection = await asyncpg.connect(platform.postgres.dsn("postgres", old))
    await connection.execute("set search_path to outcomes")
    lead_ids = [uuid7() for _ in range(3)]
    for number, types in enumerate((("closed_won", "contacted"), ("buyer_agreement",), ())):
        await connection.execute(
            """insert into lead (tenant_id, lead_id, source_system, source_id, version, last_activity_at, told_activity_at, beyond_contacted)
               values ('acme', $1, 'crm', $2, 1, '2026-03-09', '2026-03-09', $3)""",
            lead_ids[number], str(number), bool(types),
        )  # fmt: skip
        for day, type_ in enumerate(types):
            await connection.execute(
                """insert into outcome (tenant_id, lead_id, sequence, outcome_id, type, occurred_at, idempotency_key, recorded_at,
                       recorded_by, attribution, warnings, overridden)
                   values ('acme', $1, $2::integer, gen_random_uuid(), $3, timestamptz '2026-03-02' + $2::integer * interval '1 day', '', now(), 'x', '{}', '{}', false)""",
                lead_ids[number], day + 1, type_,
            )  # fmt: skip
    await connection.execute(
        """insert into outcome_void (tenant_id, lead_id, sequence, outcome_id, voided_at, voided_by)
           select tenant_id, lead_id, sequence, outcome_id, now(), 'x' from outcome where type = 'contacted'"""
    )
    await connection.close()

    await schema.prepare(_url(platform, "postgres", old), "outcomes")
    database = Database("outcomes", _url(platform, "leadloop_outcomes", old))
    try:
        async with database.begin("acme") as uow:
            stages = (Stage.WON, Stage.MID_FUNNEL, None)
            found = [
                [row["lead_id"] for row in await store_board.column(uow, "acme", each, None, 9)] for each in stages
            ]
            assert found == [[lead_id] for lead_id in lead_ids]
            assert await store_outcomes.wrongly_kept(uow, "acme") == []
        async with database.begin("other") as uow:
            assert await store_board.count(uow, "acme", Stage.WON, 9) == 0, "no other tenant sees them since"
    finally:
        await database.close()
