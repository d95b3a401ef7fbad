"""Who is this caller? The leads of a person, found by what the person is reached by."""

import json
import re
from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter
from typing import Any
from uuid import UUID, uuid4

import pytest

from bench import lookup
from chassis.caller import ERROR
from chassis.keys import tenant_keys
from contracts.intake.erasure import EraseLead, LiftSuppression
from contracts.intake.leads import LeadPage, SubmitLeadNow
from contracts.intake.people import FindLeads, GetPerson, MergeLeads
from contracts.intake.privacy import ListReveals
from contracts.message import Problem, ProblemCode, ProblemError, Request
from contracts.operations import RotateKeys
from contracts.taxonomy import MergePolicy
from intake.people import store
from tests.intake.people.desk import ACTOR, Desk
from tests.platform import Platform

PHONE, EMAIL, PROFILE = "(614) 555-0134", "jane@example.com", "https://www.linkedin.com/in/jane-roe/"
NOBODYS = "(614) 555-0199"
LEADS = 20_000


@dataclass
class Office:
    """One tenant: leads come in, and somebody asks whose they are."""

    platform: Platform
    tenant: str

    async def ask(self, request: Request[Any]) -> Any:
        return await self.platform.caller.ask(self.tenant, request, seconds=30)

    async def submit(self, source_id: str, **fields: Any) -> UUID:
        submitted = await self.ask(SubmitLeadNow(source_system="web", source_id=source_id, full_name="Jane", **fields))
        lead_id: UUID = submitted.lead_id
        return lead_id

    async def find(self, **contact: Any) -> list[UUID]:
        return [lead.lead_id for lead in (await self.page(**contact)).leads]

    async def page(self, **asked: Any) -> LeadPage:
        page: LeadPage = await self.ask(FindLeads(**asked))
        return page

    async def refused(self, **asked: Any) -> Problem:
        with pytest.raises(ProblemError) as refused:
            await self.page(**asked)
        return refused.value.problem


@pytest.fixture
async def office(intake: Platform, tenant: str) -> Office:
    await intake.introduce(tenant, "intake")
    return Office(intake, tenant)


async def test_a_phone_an_email_or_a_profile_finds_its_persons_lead_and_nobody_elses(office: Office) -> None:
    jane = await office.submit("1", phone=PHONE, email=EMAIL, linkedin_url=PROFILE)
    await office.submit("2", phone="(614) 555-0135", email="john@example.com")
    for contact in ({"phone": PHONE}, {"email": EMAIL}, {"linkedin_url": PROFILE}):
        assert await office.find(**contact) == [jane]
    (found,) = (await office.page(phone=PHONE)).leads
    assert (found.source_id, found.has_phone, found.has_email) == ("1", True, True)
    assert await office.find(phone=NOBODYS) == []


async def test_any_of_the_contacts_given_is_enough(office: Office) -> None:
    jane = await office.submit("1", phone=PHONE)
    john = await office.submit("2", email="john@example.com")
    assert await office.find(phone=PHONE, email="nobody@example.com") == [jane]
    assert await office.find(phone=PHONE, email="john@example.com") == [john, jane]


@pytest.mark.parametrize(
    ("submitted", "asked"),
    [
        ({"phone": "+16145550134"}, {"phone": " 614.555.0134 ext. 7 "}),
        ({"phone": "+442079460958"}, {"phone": "020 7946 0958", "country": "United Kingdom"}),
        ({"phone": "020 7946 0958", "country": "GB"}, {"phone": "00 44 20 7946 0958"}),
        ({"email": "jane@example.com"}, {"email": " Jane@Example.COM "}),
        ({"linkedin_url": PROFILE, "phone": PHONE}, {"linkedin_url": "de.linkedin.com/in/Jane-Roe?trk=x"}),
        ({"phone": PHONE}, {"phone": PHONE, "email": "   "}),
    ],
)
async def test_a_contact_is_read_as_a_submissions_is(
    office: Office, submitted: dict[str, str], asked: dict[str, str]
) -> None:
    lead = await office.submit("1", **submitted)
    assert await office.find(**asked) == [lead]


async def test_a_national_number_is_one_of_the_tenants_region(intake: Platform, tenant: str) -> None:
    await intake.introduce(tenant, "intake", region="GB")
    office = Office(intake, tenant)
    lead = await office.submit("1", phone="+442079460958")
    assert await office.find(phone="020 7946 0958") == [lead]


async def test_the_caller_is_a_person_all_of_whose_leads_are_found_also_by_a_former_number(office: Office) -> None:
    first = await office.submit("1", phone=PHONE, email=EMAIL)
    second = await office.submit("2", email=EMAIL)
    await office.submit("1", phone="(614) 555-0135", email=EMAIL)
    assert await office.find(phone=PHONE) == await office.find(phone="(614) 555-0135") == [second, first]


async def test_leads_are_paged_newest_first(office: Office) -> None:
    leads = [await office.submit(str(n), phone=PHONE) for n in range(5)]
    pages = [await office.page(phone=PHONE, limit=2)]
    while cursor := pages[-1].next_cursor:
        pages.append(await office.page(phone=PHONE, limit=2, cursor=cursor))
    assert [[lead.lead_id for lead in page.leads] for page in pages] == [leads[4:2:-1], leads[2:0:-1], leads[:1]]
    assert PHONE not in str(pages[0].next_cursor)


async def test_merged_leads_are_shown_by_the_one_that_stands_also_where_it_was_another_persons(office: Office) -> None:
    leads = [await office.submit("1", phone=PHONE), await office.submit("2", phone=PHONE, email=EMAIL)]
    other = await office.submit("3", email="john@example.com")
    for merged in leads:
        await office.ask(MergeLeads(survivor_id=other, merged_id=merged, actor=ACTOR))
    assert await office.find(phone=PHONE) == await office.find(email="john@example.com") == [other]
    person = await office.ask(GetPerson(lead_id=other))
    assert [lead.lead_id for lead in person.leads] == [other, *reversed(leads)]


async def test_another_tenants_person_is_never_found(office: Office, tenant: str) -> None:
    other = Office(office.platform, f"{tenant}-2")
    await office.platform.introduce(other.tenant, "intake")
    lead = await office.submit("1", phone=PHONE, email=EMAIL)
    assert await other.page(phone=PHONE, email=EMAIL) == await other.page(phone=NOBODYS) == LeadPage(leads=[])
    theirs = await other.submit("1", phone=PHONE)
    assert (await office.find(phone=PHONE), await other.find(phone=PHONE)) == ([lead], [theirs])


async def test_an_erased_persons_contact_is_answered_as_nobodys_is(office: Office) -> None:
    lead = await office.submit("1", phone=PHONE, email=EMAIL)
    erased = await office.ask(EraseLead(lead_id=lead))
    nobodys = await office.page(phone=NOBODYS)
    assert await office.page(phone=PHONE) == await office.page(email=EMAIL) == nobodys == LeadPage(leads=[])
    await office.ask(LiftSuppression(erasure_id=erased.erasure_id, reason="came_back"))
    assert await office.find(phone=PHONE) == []
    again = await office.submit("3", phone=PHONE)
    assert await office.find(phone=PHONE) == [again]


async def test_a_contact_is_found_whatever_token_key_its_lead_came_under(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await office.submit("1", phone=PHONE)
    monkeypatch.setattr(tenant_keys, "HEARD_OF_SECONDS", 0.0)
    await office.platform.caller.ask(office.tenant, RotateKeys(tokens=True), of="intake")
    new = await office.submit("2", email=EMAIL)
    assert (await office.find(phone=PHONE), await office.find(email=EMAIL)) == ([old], [new])
    assert await office.find(phone=PHONE, email=EMAIL) == [new, old]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("phone", "614 555 01"),
        ("email", "jane.canary(at)example"),
        ("linkedin_url", "https://www.linkedin.com/company/janes-canary"),
        ("country", "Janesland"),
    ],
)
async def test_a_value_that_cannot_be_read_is_refused_by_its_field_and_never_quoted(
    office: Office, field: str, value: str
) -> None:
    problem = await office.refused(**{"phone": PHONE, field: value})
    assert (problem.code, problem.field) == (ProblemCode.INVALID, field)
    assert problem.message.startswith(field)
    assert value.lower() not in problem.model_dump_json().lower()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"phone": " ", "country": "US"}, "body"),
        ({"phone": [PHONE]}, "phone"),
        ({"email": f"{EMAIL}{'m' * 500}"}, "email"),
        ({"phone": PHONE, EMAIL: PHONE}, "?"),
    ],
)
async def test_a_request_that_gives_no_contact_or_something_else_is_refused_without_quoting_it(
    office: Office, body: dict[str, Any], field: str
) -> None:
    answer = await office.platform.operator.request(
        FindLeads.topic.subject(office.tenant), json.dumps(body).encode(), timeout=30
    )
    assert answer.headers[ERROR] == ProblemCode.INVALID
    assert Problem.model_validate_json(answer.data).field == field
    assert EMAIL.encode() not in answer.data
    assert PHONE.encode() not in answer.data


def test_a_request_shows_nothing_of_its_contact_to_programmers() -> None:
    ask = FindLeads(phone=PHONE, email=EMAIL, linkedin_url=PROFILE, country="US")
    assert repr(ask) == "FindLeads(limit=50, cursor=None)"
    assert EMAIL not in str(ask)


async def test_a_lookup_leaves_no_trace_and_no_row_in_the_audit_of_reveals(office: Office) -> None:
    await office.submit("1", phone=PHONE)
    before = await _stored(office)
    assert await office.find(phone=PHONE)
    assert await office.find(email=EMAIL) == []
    assert await _stored(office) == before
    assert (await office.ask(ListReveals())).reveals == []


async def _stored(office: Office) -> dict[str, int]:
    """How many rows of the tenant each of intake's tables has."""
    async with office.platform.sql() as sql:
        columns = await sql.fetch(
            """select table_name, column_name from information_schema.columns
               where table_schema = 'intake' and column_name in ('tenant_id', 'tenant')"""
        )
        return {
            row["table_name"]: await sql.fetchval(
                f"select count(*) from intake.{row['table_name']} where {row['column_name']} = $1", office.tenant
            )
            for row in columns
        }


@pytest.mark.parametrize("analysed", [False, True])
async def test_a_lookup_goes_by_the_whole_key_of_an_index_at_every_step_and_is_quick(
    platform: Platform, tenant: str, analysed: bool
) -> None:
    desk = Desk(platform, tenant)
    await desk.open(MergePolicy.KEEP_BOTH)
    try:
        async with platform.sql() as sql:
            await lookup.fill(sql, desk.key, LEADS)
            if analysed:
                await sql.execute("analyze intake.lead")
                await sql.execute("analyze intake.person_token")
        plan = await lookup.plan(desk.database, desk.key)
        assert _probes(plan) == {"person_token_pkey": "token", "lead_person": "person_id", "lead_pkey": "lead_id"}, plan
        async with desk.unit() as uow:
            given = {"tenant": tenant, "person": uuid4(), "before": None, "limit": 51}
            plan = list((await uow.execute(f"explain (costs off) {store.LEADS_OF}", **given)).scalars())
        assert _probes(plan) == {"lead_person": "person_id", "lead_pkey": "lead_id", "lead_merged": "merged_into"}, plan
        took = []
        for asked, known in lookup.contacts(LEADS, 300):
            began = perf_counter()
            found, _ = await lookup.look_up(desk.database, desk.key, asked)
            took.append(perf_counter() - began)
            assert bool(found) is known
        assert sorted(took)[-4] < 0.2, "seconds, of the slowest in a hundred, on a machine that does other things"
    finally:
        await desk.close()


def _probes(plan: list[str]) -> dict[str, str]:
    """The indexes that a plan goes by, each with the column by which it narrows down; it scans nothing else."""
    probes = {}
    for line, below in pairwise(plan):
        if "Scan" in line and not any(kind in line for kind in ("CTE Scan", "Subquery Scan", "Bitmap Heap Scan")):
            index = re.search(r"(?: using |Bitmap Index Scan on )(\w+)", line)
            columns = re.findall(r"\((\w+) = ", below)
            assert index, f"no index scan: {line.strip()}"
            assert "Index Cond" in below, below
            probes[index[1]] = columns[-1]
    return probes
