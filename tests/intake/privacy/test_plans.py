"""What the vault looks up is found by its whole key, however large the tenant and whatever the planner knows of it."""

from typing import Any
from uuid import uuid4

import pytest

from chassis.unit_of_work import Database
from intake.memory import store_actions
from intake.privacy import store_audit, store_erasure, store_texts
from intake.vault import store, store_suppression
from tests.platform import Platform

LEADS = [uuid4() for _ in range(100)]
LOOKUPS: dict[str, tuple[str, dict[str, Any]]] = {
    "suppression_pkey": (store_suppression._SUPPRESSED, {"entries": [f"{n}" for n in range(1000)]}),
    "vault_pkey": (store_audit._SEALED, {"leads": LEADS}),
    "lead_pkey": (store_audit._SEALED, {"leads": LEADS}),
    "person_key_pkey": (store_audit._SEALED, {"leads": LEADS}),
    "text_pkey": (store_texts._SEALED, {"texts": LEADS}),
    "action_entity": (store_actions._FORGET_ENTITIES, {"entities": LEADS}),
    "submission_lead": (store_erasure._SUBMISSIONS_OF, {"leads": LEADS}),
    "vault_key": (store._DROP_UNUSED_KEYS, {"keys": LEADS}),
}


@pytest.mark.parametrize("index", LOOKUPS)
async def test_a_lookup_goes_by_the_whole_key(platform: Platform, tenant: str, index: str) -> None:
    statement, given = LOOKUPS[index]
    async with platform.sql() as sql:
        await sql.execute(
            """insert into intake.suppression
               select $1, md5(n::text), gen_random_uuid() from generate_series(1, 20000) as n""",
            tenant,
        )  # fmt: skip
        await sql.execute(
            """insert into intake.lead (tenant_id, lead_id, source_system, source_id, version, person_id, submission_id, digest,
                                        field_digests, created_at, warnings, metadata)
               select $1, gen_random_uuid(), 'web', n::text, 1, gen_random_uuid(), gen_random_uuid(), '', '{}', now(), '[]', '{}'
               from generate_series(1, 5000) as n""",
            tenant,
        )  # fmt: skip
        await sql.execute(
            "insert into intake.vault select tenant_id, lead_id, person_id, 'x' from intake.lead where tenant_id = $1",
            tenant,
        )
        await sql.execute(
            "insert into intake.person_key select tenant_id, person_id, 'x' from intake.lead where tenant_id = $1",
            tenant,
        )
        await sql.execute(
            """insert into intake.text
               select tenant_id, lead_id, lead_id, 'x', created_at, person_id from intake.lead where tenant_id = $1""",
            tenant,
        )  # fmt: skip
        await sql.execute(
            """insert into intake.action
               select $1, gen_random_uuid(), 'outreach', 'individual', gen_random_uuid(), 'user:7', 'completed', false, null, 'x',
                      '{x}', now(), now(), now() from generate_series(1, 20000)""",
            tenant,
        )  # fmt: skip
        await sql.execute(
            """insert into intake.submission
               select tenant_id, gen_random_uuid(), 'updated', lead_id, 1, gen_random_uuid(), '[]'
               from intake.lead, generate_series(1, 4) where tenant_id = $1""",
            tenant,
        )  # fmt: skip
        # Of actions other tests know a few entities only: analysed then, the table would seem to hold no others.
        await sql.execute("analyze intake.action")
    database = Database("intake", platform.database_url("leadloop_intake"))
    try:
        async with database.begin(tenant) as uow:
            rows = await uow.execute(f"explain {statement}", tenant=tenant, **given)
            plan = "\n".join(rows.scalars())
    finally:
        await database.close()
    lines = plan.splitlines()
    (place,) = [number for number, line in enumerate(lines) if index in line]
    key = {
        "suppression_pkey": "entry =",
        "vault_pkey": "lead_id =",
        "lead_pkey": "lead_id =",
        "person_key_pkey": "key_id =",
        "text_pkey": "text_id =",
        "action_entity": "entity_id =",
        "submission_lead": "lead_id =",
        "vault_key": "key_id =",
    }
    assert "Index Cond" in lines[place + 1], plan
    assert key[index] in lines[place + 1], plan
