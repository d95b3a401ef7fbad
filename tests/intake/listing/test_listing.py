"""A list of leads has exactly those that match, newest first, whatever is asked for, and a page looks through so many and no more."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import event

from contracts.intake.leads import LeadPage, ListLeads
from contracts.intake.routing import WorkStatus
from intake.leads.shown import first_id_at, received_at
from intake.listing import handlers, store
from intake.listing.store import VALUES
from tests.intake.people.desk import Desk
from tests.platform import Platform

BEGAN = datetime(2026, 3, 2, tzinfo=UTC)
MANY = 240
WORDS: Mapping[str, tuple[str | None, ...]] = {
    "source_key": ("google", "zillow", None), "geo_key": ("dublin_oh", "columbus_oh"), "intent": ("buyer", "seller", None),
    "tier": ("A", "B", "C", "D"), "product_interest": ("condo", "house", None),
}  # fmt: skip
OWNERS = ("user:1", "user:2")
WORKSPACES = ("ohio", "texas")


@dataclass(frozen=True)
class Lead:
    """What is stored of a lead, and what a list is asked for."""

    lead_id: UUID
    values: Mapping[str, str | None]
    lent: Mapping[str, str]
    status: str | None
    workspace: str | None
    owner: str | None
    merged_into: UUID | None = None
    erased: bool = False

    def matches(self, ask: ListLeads) -> bool:
        shown = dict(self.lent) | {name: value for name, value in self.values.items() if value}
        status = "closed" if self.erased else self.status or "received"
        at = received_at(self.lead_id)
        return (
            all(getattr(ask, name) in (None, shown.get(name)) for name in VALUES)
            and ask.status in (None, status)
            and ask.workspace in (None, self.workspace)
            and ask.owner in (None, self.owner)
            and (not ask.lead_ids or self.lead_id in ask.lead_ids)
            and (ask.received_since is None or at >= ask.received_since)
            and (ask.received_until is None or at < ask.received_until)
            and (not self.merged_into or (ask.include_merged and not (ask.status or ask.workspace or ask.owner)))
        )


def drawn(random: Random) -> list[Lead]:
    """Leads of every kind, a second apart."""
    leads = []
    for number in range(MANY):
        id_ = UUID(int=first_id_at(BEGAN + timedelta(seconds=number)).int | 7 << 76 | 2 << 62 | random.getrandbits(60))
        values = {name: random.choice(words) for name, words in WORDS.items()}
        status = random.choice((None, "unrouted", "routed", "assigned", "worked", "closed"))
        workspace = random.choice(WORKSPACES) if status not in (None, "unrouted") else None
        owner = random.choice(OWNERS) if status in ("assigned", "worked") else None
        lead = Lead(id_, values, {}, status, workspace, owner)
        if number % 17 == 0:
            lead = replace(lead, lent={"source_key": "google", "tier": "A"}, values=values | {"source_key": None})
        elif number % 13 == 1:
            lead = replace(lead, merged_into=random.choice(leads).lead_id, status=None, workspace=None, owner=None)
        elif number % 11 == 0:
            lead = replace(lead, erased=True)
        leads.append(lead)
    return leads


async def fill(platform: Platform, tenant: str, leads: list[Lead]) -> None:
    """Store leads and the work on them as they are."""
    async with platform.sql() as sql:
        await sql.execute("set search_path to intake")
        await sql.executemany(
            """insert into lead (tenant_id, lead_id, source_system, source_id, version, person_id, submission_id, digest,
                   field_digests, created_at, warnings, metadata, source_key, geo_key, intent, tier, product_interest,
                   merged_into, combined, erased_at)
               values ($1, $2::uuid, 'crm', $2::uuid::text, 1, $2::uuid, gen_random_uuid(), '', '{}', now(), '[]', '{}', $3, $4, $5, $6, $7, $8, $9, $10)""",
            [
                (
                    tenant, each.lead_id, *(each.values[name] for name in VALUES), each.merged_into,
                    json.dumps({"leads": [], "fields": {k: [v, str(uuid4())] for k, v in each.lent.items()}}) if each.lent else None,
                    BEGAN if each.erased else None,
                )
                for each in leads
            ],
        )  # fmt: skip
        await sql.executemany(
            "insert into work (tenant_id, lead_id, status, workspace, waiting_since) values ($1, $2, $3, $4, now())",
            [(tenant, each.lead_id, each.status, each.workspace) for each in leads if each.status],
        )
        await sql.executemany(
            """insert into assignment (tenant_id, assignment_id, lead_id, user_id, workspace, version, assigned_at, assigned_by)
               values ($1, gen_random_uuid(), $2, $3, $4, 0, now(), 'user')""",
            [(tenant, each.lead_id, each.owner, each.workspace) for each in leads if each.owner],
        )  # fmt: skip


@pytest.fixture
async def desk(platform: Platform, tenant: str) -> AsyncIterator[Desk]:
    opened = Desk(platform, tenant)
    await opened.change()
    yield opened
    await opened.close()


async def answer(desk: Desk, ask: ListLeads) -> LeadPage:
    async with desk.unit() as uow:
        return await handlers.list_leads(uow, desk.received(ask))


def asked(random: Random, leads: list[Lead]) -> ListLeads:
    """Some of the things that can be asked for."""
    may: dict[str, Any] = {name: random.choice([word for word in words if word]) for name, words in WORDS.items()}
    may |= {
        "status": random.choice(list(WorkStatus)), "workspace": random.choice(WORKSPACES), "owner": random.choice(OWNERS),
        "received_since": BEGAN + timedelta(seconds=random.randrange(MANY)),
        "received_until": BEGAN + timedelta(seconds=random.randrange(MANY)),
        "lead_ids": [lead.lead_id for lead in random.sample(leads, 50)], "include_merged": True,
    }  # fmt: skip
    chosen = random.sample(sorted(may), random.choice((0, 1, 1, 2, 2, 3)))
    return ListLeads(**{name: may[name] for name in chosen}, limit=random.choice((7, 200)), with_work=True)


async def test_the_pages_of_a_list_have_each_lead_that_matches_once_and_newest_first(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(7)
    leads = drawn(random)
    await fill(desk.platform, desk.tenant, leads)
    monkeypatch.setattr(store, "MOST_LOOKED_THROUGH", 60)
    by_id = {lead.lead_id: lead for lead in leads}
    for _ in range(50):
        ask = asked(random, leads)
        found, pages, cursor = [], 0, None
        while True:
            page = await answer(desk, ask.model_copy(update={"cursor": cursor}))
            assert len(page.leads) <= ask.limit
            for lead, work in zip(page.leads, page.work, strict=True):
                stored = by_id[lead.lead_id]
                assert lead.received_at == received_at(lead.lead_id)
                if not stored.merged_into:
                    assert (work.lead_id, work.owner) == (lead.lead_id, stored.owner)
                    assert work.status == ("closed" if stored.erased else stored.status or "received")
            found += [lead.lead_id for lead in page.leads]
            pages, cursor = pages + 1, page.next_cursor
            if cursor is None:
                break
        assert found == [lead.lead_id for lead in reversed(leads) if lead.matches(ask)], ask
        assert all(newer > older for newer, older in pairwise(found))


async def test_a_page_looks_through_so_many_leads_and_no_more(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    leads = [replace(lead, lent={}, merged_into=None, erased=False) for lead in drawn(Random(7))]
    rare = replace(leads[3], values=dict(leads[3].values) | {"product_interest": "boat"})
    leads[3] = rare
    await fill(desk.platform, desk.tenant, leads)
    monkeypatch.setattr(store, "MOST_LOOKED_THROUGH", 100)
    first = await answer(desk, ListLeads(product_interest="boat"))
    assert not first.leads and first.next_cursor == str(leads[-100].lead_id)
    seen, cursor = 1, first.next_cursor
    while cursor:
        page = await answer(desk, ListLeads(product_interest="boat", cursor=cursor))
        seen, cursor = seen + 1, page.next_cursor
    assert [lead.lead_id for lead in page.leads] == [rare.lead_id] and seen == 3


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        ({}, "lead_pkey"),
        ({"tier": "A", "intent": "buyer"}, "lead_pkey"),
        ({"source_key": "source_3", "tier": "A"}, "lead_source"),
        ({"geo_key": "place_7"}, "lead_geo"),
        ({"owner": "user:1"}, "assignment_owned"),
        ({"status": "routed"}, "work_open"),
        ({"status": "closed"}, "lead_pkey"),
    ],
)
async def test_a_page_is_read_out_of_an_index_in_its_order(
    platform: Platform, crowded: str, ask: dict[str, str], index: str
) -> None:
    """However many leads there are: nothing is sorted, and nothing is read that lies behind the page's reach."""
    wanted = store.Wanted(
        values={name: value for name, value in ask.items() if name in VALUES},
        status=WorkStatus(ask["status"]) if "status" in ask else None, owner=ask.get("owner"), workspace=None, lead_ids=(),
        since=None, before=None, include_merged=False,
    )  # fmt: skip
    desk = Desk(platform, crowded)
    try:
        async with desk.unit() as uow:
            connection = uow.connection.sync_connection
            assert connection is not None
            event.listen(connection, "before_cursor_execute", _explained, retval=True)
            plan = "\n".join(row["QUERY PLAN"] for row in await store.page(uow, crowded, wanted, None, 51))
    finally:
        await desk.close()
    assert index in plan and "Sort  (" not in plan and "Seq Scan" not in plan, plan


def _explained(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> tuple[str, Any]:
    return f"explain {statement}", parameters


@pytest.fixture(scope="module")
async def crowded(platform: Platform) -> str:
    """A tenant with so many leads that it matters how they are found."""
    tenant = f"crowded-{uuid4().hex[:8]}"
    async with platform.sql() as sql:
        await crowd(sql, tenant, 20_000)
    return tenant


async def crowd(sql: asyncpg.Connection, tenant: str, count: int) -> None:
    """Leads a second apart, of twenty sources and sixty places, one in five of which is open and somebody's."""
    await sql.execute("set search_path to intake")
    await sql.execute(
        """insert into lead (tenant_id, lead_id, source_system, source_id, version, person_id, submission_id, digest,
               field_digests, created_at, warnings, metadata, source_key, geo_key, intent, tier, product_interest)
           select $1, id, 'crm', n::text, 1, id, id, '', '{}', now(), '[]', '{}', 'source_' || n % 20, 'place_' || n % 60,
                  (array['buyer', 'seller'])[1 + n % 2], (array['A', 'B', 'C', 'D', 'D', 'D'])[1 + n % 6], 'product_' || n % 7
           from (select n, cast(lpad(to_hex(1767225600000 + n * 1000), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0') as uuid) as id
                 from generate_series(1, $2::bigint) as n) as given""",
        tenant, count,
    )  # fmt: skip
    await sql.execute(
        """insert into work (tenant_id, lead_id, status, workspace, waiting_since)
           select tenant_id, lead_id, case when n % 5 > 0 then 'closed' when n % 50 = 0 then 'routed' else 'assigned' end,
                  'team_' || n % 9, now()
           from (select tenant_id, lead_id, cast(source_id as bigint) as n from lead where tenant_id = $1) as given""",
        tenant,
    )
    await sql.execute(
        """insert into assignment (tenant_id, assignment_id, lead_id, user_id, workspace, version, assigned_at, assigned_by)
           select tenant_id, gen_random_uuid(), lead_id, 'user:' || right(cast(lead_id as text), 1), workspace, 0, now(), 'user'
           from work where tenant_id = $1 and status = 'assigned'""",
        tenant,
    )
    for table in ("lead", "work", "assignment"):
        await sql.execute(f"vacuum analyze {table}")
