"""A large import stays linear: what is looked up is found by its whole key, whatever the planner knows of the tenant."""

from uuid import uuid4

import pytest

from chassis.unit_of_work import Database
from intake import store
from tests.platform import Platform

_STATEMENTS = {
    "known_tokens": (store._KNOWN_TOKENS, {"tokens": [f"a-tenant-{n}" for n in range(500)]}, "token"),
    "find_leads": (store._FIND_LEADS, {"systems": ["web"] * 500, "ids": [str(n) for n in range(500)]}, "source_id"),
}


@pytest.mark.parametrize("name", _STATEMENTS)
async def test_the_leads_of_a_tenant_newer_than_the_statistics_are_found_by_key(
    platform: Platform, tenant: str, name: str
) -> None:
    await fill(platform, [f"{tenant}-{n}" for n in range(50)], 20)
    async with platform.sql() as connection:
        await connection.execute("analyze intake.person_token")
        await connection.execute("analyze intake.lead")
    await fill(platform, [tenant], 4_000)
    statement, parameters, column = _STATEMENTS[name]
    database = Database("intake", platform.database_url("leadloop_intake"))
    try:
        async with database.begin(tenant) as uow:
            plan = "\n".join((await uow.execute(f"explain {statement}", tenant=tenant, **parameters)).scalars())
    finally:
        await database.close()
    assert any(column in line for line in plan.splitlines() if "Index Cond" in line or "Hash Cond" in line), plan
    assert "Join Filter" not in plan, plan


async def fill(platform: Platform, tenants: list[str], count: int) -> None:
    async with platform.sql() as connection:
        await connection.execute("set search_path to intake")
        await connection.execute(
            """insert into person_token (tenant_id, token, person_id)
               select tenant, tenant || '-' || n, $3 from unnest($1::text[]) as tenant, generate_series(1, $2::int) as n""",
            tenants, count, uuid4(),
        )  # fmt: skip
        await connection.execute(
            """insert into lead (tenant_id, lead_id, source_system, source_id, version, person_id, submission_id, digest,
                                 field_digests, created_at, warnings, metadata)
               select tenant, gen_random_uuid(), 'web', n, 1, $3, $3, '', '{}', now(), '[]', '{}'
               from unnest($1::text[]) as tenant, generate_series(1, $2::int) as n""",
            tenants, count, uuid4(),
        )  # fmt: skip
