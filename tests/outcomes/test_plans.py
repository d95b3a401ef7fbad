"""What outcomes looks up is found by its whole key, as its own role, under row-level security."""

import re
from uuid import uuid4

from chassis.schema import role_of
from chassis.unit_of_work import Database
from outcomes import store, store_outcomes
from tests.platform import Platform

LEADS = 2000
KEYS = {
    "lead_version_pkey": "lead_id = .*version = ",
    "submission_pkey": "submission_id = ",
    "recording_pkey": "command_id = ",
}


async def test_the_lead_of_an_order_is_found_by_the_whole_key_at_every_step(platform: Platform, tenant: str) -> None:
    """A condition that may leak, as one with COALESCE does for the planner, is not looked up but filtered under a policy."""
    async with platform.sql() as sql:
        await sql.execute(
            """insert into outcomes.lead (tenant_id, lead_id, source_system, source_id, version, last_activity_at)
               select $1, gen_random_uuid(), 'web', n::text, 1, now() from generate_series(1, $2::int) as n""",
            tenant, LEADS,
        )  # fmt: skip
        await sql.execute(
            """insert into outcomes.lead_version (tenant_id, lead_id, version, attribution, created_at)
               select tenant_id, lead_id, 1, '{}', now() from outcomes.lead where tenant_id = $1""",
            tenant,
        )
    named = {
        "tenant_id": [tenant], "lead_id": [uuid4()], "source_system": ["web"], "source_id": ["1"],
        "submission_id": [uuid4()], "command_id": [uuid4()],
    }  # fmt: skip
    database = Database("outcomes", platform.database_url(role_of("outcomes")))
    try:
        async with database.begin(tenant) as uow:
            plan = "\n".join((await uow.execute(f"explain {store._LOCATE}", **named)).scalars())
    finally:
        await database.close()
    for index, key in KEYS.items():
        assert re.search(rf"(?:using|on) {index} .*\n\s+Index Cond: .*{key}", plan), plan


async def test_the_voids_of_a_lead_are_looked_up_by_tenant_and_lead(platform: Platform, tenant: str) -> None:
    async with platform.sql() as sql:
        await sql.execute(
            """insert into outcomes.outcome_void (tenant_id, lead_id, sequence, outcome_id, voided_at, voided_by)
               select $1, gen_random_uuid(), 1, gen_random_uuid(), now(), 'test' from generate_series(1, $2::int) as n""",
            tenant, LEADS,
        )  # fmt: skip
    named = {"tenants": [tenant], "leads": [uuid4()]}
    database = Database("outcomes", platform.database_url(role_of("outcomes")))
    try:
        async with database.begin(tenant) as uow:
            plan = "\n".join((await uow.execute(f"explain {store_outcomes._HISTORIES}", **named)).scalars())
    finally:
        await database.close()
    assert re.search(r"(?:using|on) outcome_void_pkey .*\n\s+Index Cond: .*lead_id = ", plan), plan
