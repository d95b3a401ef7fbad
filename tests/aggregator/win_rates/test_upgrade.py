"""A home from before withdrawn leads were in no cohort: they leave it, and those that came again are where they came again."""

import json
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest
from alembic import command
from alembic.config import Config

from chassis import schema
from contracts.intake.leads import LeadAccepted
from contracts.message import Event
from tests.aggregator.recorded import accepted, changed, withdrawn
from tests.platform import Platform

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
upgrade = command.upgrade


async def store(sql: asyncpg.Connection, lead: LeadAccepted, *events: Event) -> None:
    for event in events:
        await sql.execute(
            """insert into event (tenant_id, event_id, told_at, type, occurred_at, lead_id, body)
               values ('acme', gen_random_uuid(), $1, $2, $1, $3, cast($4 as jsonb))""",
            MONDAY, event.topic.type, lead.lead_id, json.dumps(event.model_dump(mode="json")),
        )  # fmt: skip
    await sql.execute(
        """insert into arrival (tenant_id, lead_id, week, source_key, geo_key, intent)
           values ('acme', $1, '2026-03-02', $2, 'unknown', 'unknown')""",
        lead.lead_id, lead.attribution.source_key,
    )  # fmt: skip


async def test_withdrawn_leads_leave_their_cohorts_with_the_upgrade(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"old_{uuid4().hex[:12]}"
    url = platform.postgres.dsn("postgres", name).replace("postgresql://", "postgresql+asyncpg://", 1)
    async with platform.sql() as sql:
        await sql.execute(f"create database {name}")
    try:
        with monkeypatch.context() as patch:
            patch.setattr(command, "upgrade", _before_withdrawals)
            await schema.prepare(url, "aggregator")
        sql = await asyncpg.connect(platform.postgres.dsn("postgres", name))
        await sql.execute("set search_path to aggregator")
        await sql.execute("select make_event_months(array['2026-03-01'::date])")
        stays, gone, back = (accepted(source_key=key, created_at=MONDAY) for key in ("stays", "gone", "back"))
        await store(sql, stays, stays, changed(stays, 2, source_key="other"))
        await store(sql, gone, gone, changed(gone, 2), withdrawn(gone.model_copy(update={"version": 2})))
        await store(sql, back, back, withdrawn(back), changed(back, 4), changed(back, 3, source_key="right"))
        await schema.prepare(url, "aggregator")
        found = await sql.fetch("select source_key from arrival order by 1")
        forced = await sql.fetchval(
            "select bool_and(relforcerowsecurity) from pg_class where relname in ('event', 'arrival')"
        )
        await sql.close()
        assert ([row["source_key"] for row in found], forced) == (["right", "stays"], True)
    finally:
        async with platform.sql() as sql:
            await sql.execute(f"drop database {name} with (force)")


def _before_withdrawals(config: Config, _: str) -> None:
    upgrade(config, "0007")
