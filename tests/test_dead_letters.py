"""A tenant's dead letters are found among everybody's, in every service."""

import re

import pytest

from chassis import dead_letters
from chassis.schema import role_of
from chassis.unit_of_work import Database
from contracts.catalogue import SERVICES
from tests.platform import Platform


@pytest.mark.parametrize("service", SERVICES)
async def test_a_tenants_dead_letters_are_found_by_its_name(platform: Platform, tenant: str, service: str) -> None:
    async with platform.sql() as sql:
        await sql.execute(
            f"""insert into {service}.dead_letter (message_id, message_type, tenant, reason, size, digest, sealed, received_at)
                select gen_random_uuid(), 'x', $1, 'made for a plan', 0, '', '', now() from generate_series(1, 1000)""",
            tenant,
        )
    database = Database(service, platform.database_url(role_of(service)))
    try:
        async with database.begin(tenant) as uow:
            listed = await uow.execute(f"explain {dead_letters._LISTED}", only=tenant, before=None, limit=51)
            plan = "\n".join(listed.scalars())
    finally:
        await database.close()
        async with platform.sql() as sql:
            await sql.execute(f"delete from {service}.dead_letter where tenant = $1", tenant)
    assert re.search(r"(?:using|on) dead_letter_tenant .*\n\s+Index Cond: \(\(?tenant = ", plan), plan
