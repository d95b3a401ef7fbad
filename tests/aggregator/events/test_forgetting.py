"""What is made of persons goes out of all events of theirs, and of nobody else's, in as many statements for one as for hundreds."""

from collections import Counter
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event

from aggregator.events import store
from chassis.unit_of_work import Database
from contracts.intake.leads import LeadAccepted

TOLD = datetime(2026, 3, 4, tzinfo=UTC)
LEADS = [uuid4() for _ in range(300)]


def told(tenant: str, lead: UUID, version: int) -> store.Row:
    body = f'{{"version": {version}, "email_token": "tok_{version}", "tier": "A"}}'
    return store.Row(tenant, uuid4(), TOLD, LeadAccepted.topic.type, TOLD, lead, None, None, body)


@pytest.mark.usefixtures("platform")
async def test_hundreds_are_forgotten_together_each_up_to_its_own_version(database: Database, tenant: str) -> None:
    other = f"{tenant}-other"
    gone = [store.Gone(tenant, lead, 1 + number % 2) for number, lead in enumerate(LEADS)]
    asked: list[str] = []
    event.listen(database.engine.sync_engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    async with database.begin() as uow:
        await uow.act_for([tenant, other])
        await store.make_months(uow, [TOLD.date()])
        rows = [told(whose, lead, version) for whose in (tenant, other) for lead in LEADS for version in (1, 2)]
        await store.store_events(uow, rows)
        asked.clear()
        await store.keep_erased(uow, [*gone, store.Gone(tenant, LEADS[0], 0)])
        scrubbed = await store.forget(uow, gone)
        assert len(asked) == 5
        assert scrubbed == Counter({(tenant, each.lead_id): each.version for each in gone})
        await store.store_events(
            uow, [told(tenant, LEADS[0], 1), told(tenant, LEADS[0], 2)]
        )  # late, and another person's
        left = await uow.execute("select tenant_id, lead_id, body ->> 'version' from event where body ? 'email_token'")
    expected = [(other, lead, version) for lead in LEADS for version in ("1", "2")]
    expected += [(tenant, lead, "2") for lead in LEADS[::2]] + [(tenant, LEADS[0], "2")]
    assert Counter(tuple(each) for each in left) == Counter(expected)
