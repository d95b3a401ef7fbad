"""By what persons are known wherever nothing personal is: as the leads of theirs are, or would be if one came now."""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.keys import tenant_keys
from contracts.intake.erasure import EraseLead
from contracts.intake.leads import SubmitLeadNow
from contracts.intake.people import IdentifiedPerson, IdentifyPersons, Identity, MergeLeads, PersonRef
from contracts.operations import RotateKeys
from tests.platform import Platform

PHONE, EMAIL, PROFILE = "(614) 555-0134", "jane@example.com", "https://www.linkedin.com/in/jane-roe/"


@dataclass
class Office:
    """One tenant of intake."""

    platform: Platform
    tenant: str

    async def submit(self, source_id: str, **fields: Any) -> UUID:
        order = SubmitLeadNow(source_system="web", source_id=source_id, full_name="Jane", **fields)
        lead_id = (await self.platform.caller.ask(self.tenant, order)).lead_id
        assert lead_id
        return lead_id

    async def identify(self, **known: Any) -> IdentifiedPerson:
        (person,) = (await self.platform.caller.ask(self.tenant, IdentifyPersons(persons=[PersonRef(**known)]))).persons
        return person

    async def tokens(self, lead_id: UUID) -> dict[str, str]:
        """As the lead's events tell them."""
        async with self.platform.sql() as sql:
            row = await sql.fetchrow(
                "select phone_token, email_token, linkedin_token from intake.lead where tenant_id = $1 and lead_id = $2",
                self.tenant, lead_id,
            )  # fmt: skip
        return {name: token for name, token in dict(row).items() if token}


@pytest.fixture
async def office(intake: Platform, tenant: str) -> Office:
    await intake.introduce(tenant, "intake")
    return Office(intake, tenant)


async def test_a_person_is_known_by_a_lead_its_sources_id_and_each_contact(office: Office) -> None:
    jane = await office.submit("1", phone=PHONE, email=EMAIL, linkedin_url=PROFILE)
    by_mail = await office.submit("jane@work.example.com", phone="(614) 555-0135")
    for known in (
        {"lead_id": jane}, {"source_system": "web", "source_id": "1"}, {"phone": "+1 614-555-0134"},
        {"email": "Jane@Example.com"}, {"linkedin_url": PROFILE},
    ):  # fmt: skip
        found = await office.identify(**known)
        assert (found.identity, found.lead_ids) == (Identity.KNOWN, [jane])
        assert len(found.person_ids) == 1
    hidden = await office.identify(source_system="web", source_id="jane@work.example.com")
    assert hidden.lead_ids == [by_mail]
    both = await office.identify(email=EMAIL, phone="(614) 555-0135")
    assert (set(both.lead_ids), len(both.person_ids)) == ({jane, by_mail}, 2)


async def test_the_tokens_of_who_is_no_lead_are_those_that_a_lead_of_theirs_gets(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await office.identify(phone=PHONE, email=EMAIL, linkedin_url=PROFILE)
    assert (before.identity, before.lead_ids, before.person_ids) == (Identity.UNKNOWN, [], [])
    jane = await office.submit("1", phone=PHONE, email=EMAIL, linkedin_url=PROFILE)
    tokens = await office.tokens(jane)
    assert {name: getattr(before, name) for name in tokens} == tokens
    assert all(re.fullmatch("[0-9a-f]{64}", token) for token in tokens.values())
    monkeypatch.setattr(tenant_keys, "HEARD_OF_SECONDS", 0.0)
    await office.platform.caller.ask(office.tenant, RotateKeys(tokens=True), of="intake")
    after = await office.identify(email=EMAIL)
    assert after.email_token == tokens["email_token"], "a value keeps its token whatever keys come after"


async def test_of_merged_leads_the_one_that_stands_is_told(office: Office) -> None:
    one, other = [await office.submit(str(n), email=f"jane{n}@example.com") for n in range(2)]
    order = MergeLeads(survivor_id=one, merged_id=other, actor="user:7")
    await office.platform.caller.ask(office.tenant, order)
    for known in ({"lead_id": other}, {"email": "jane1@example.com"}):
        assert (await office.identify(**known)).lead_ids == [one]


async def test_nobody_unreadable_and_erased_are_told_apart(office: Office) -> None:
    assert (await office.identify(lead_id=uuid4())).identity is Identity.UNKNOWN
    assert (await office.identify(source_system="web", source_id="9")).identity is Identity.UNKNOWN
    unreadable = await office.identify(email="no address", phone="12")
    assert (unreadable.identity, [flaw.field for flaw in unreadable.flaws]) == (Identity.UNREADABLE, ["phone", "email"])
    partly = await office.identify(email=EMAIL, phone="12")
    assert (partly.identity, [flaw.field for flaw in partly.flaws]) == (Identity.UNKNOWN, ["phone"])
    jane = await office.submit("1", email=EMAIL)
    await office.platform.caller.ask(office.tenant, EraseLead(lead_id=jane))
    for known in ({"lead_id": jane}, {"email": EMAIL}):
        assert await office.identify(**known) == IdentifiedPerson(identity=Identity.ERASED)


async def test_nothing_of_what_is_asked_is_kept(office: Office) -> None:
    await office.identify(email=EMAIL)
    async with office.platform.sql() as sql:
        for table in ("lead", "person_token", "submission", "vault"):
            assert await sql.fetchval(f"select count(*) from intake.{table} where tenant_id = $1", office.tenant) == 0
