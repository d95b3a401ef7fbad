"""Whoever is erased is in no run, and in no answer that is remembered, before, while and after a provider is asked about them."""

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from chassis.keys import TenantKeys, key_service
from chassis.unit_of_work import Database
from contracts.intake.erasure import EraseLead, GetErasureCertificate
from contracts.intake.leads import SubmitLeadNow
from contracts.intake.providers import PatternSettings
from intake.enrichment import contents
from tests.intake.enrichment.scene import LONDON, PEOPLE, PROVIDERS, Scene, answer, london
from tests.intake.enrichment.web import Answer, Asked
from tests.waiting import until

PHONE = "+16145550142"
ADA_BY_PHONE = {**PEOPLE, "acme.test": [{"name": "Ada Canary", "phone": PHONE}, {"name": "Bob Canary"}]}


@pytest.fixture
async def database(scene: Scene) -> AsyncIterator[Database]:
    opened = Database("intake", scene.platform.settings("intake").database_url)
    yield opened
    await opened.close()


async def erase(scene: Scene, **person: str) -> None:
    """A person becomes a lead, by another way, and is erased."""
    lead = await scene.ask(SubmitLeadNow(source_system="web", source_id=str(uuid4()), full_name="Ada", **person))
    await scene.ask(EraseLead(lead_id=lead.lead_id))


async def held(scene: Scene, database: Database) -> tuple[list[str], list[str]]:
    """What runs hold of contacts, by their names, and what is remembered of providers' answers, opened."""
    async with database.begin(scene.tenant) as uow:
        key = await TenantKeys(key_service(scene.platform.settings("intake").kms_uri)).of(uow, scene.tenant)
        rows = await uow.execute(
            "select sealed, run_id from enrichment_item where tenant_id = :t and sealed is not null", t=scene.tenant
        )
        contacts = [contents.open_(key, row.sealed, contents.contact(row.run_id)) for row in rows]
        remembered = await uow.execute("select key, value from memory where tenant_id = :t", t=scene.tenant)
        answers = [json.dumps(contents.open_(key, bytes.fromhex(row.value["sealed"]), row.key)) for row in remembered]
    return sorted(contact["full_name"] for contact in contacts), sorted(answers)


def about_ada(answers: list[str]) -> list[str]:
    return [each for each in answers if "ada" in each.lower()]


async def test_whoever_is_erased_is_forgotten_in_every_run_and_in_what_is_remembered(
    scene: Scene, database: Database
) -> None:
    await scene.three_providers()
    runs = [await scene.executed(), await scene.executed()]
    assert (await scene.submit(runs[0].run_id)).counts == {"accepted": 3}
    async with database.begin(scene.tenant) as uow:
        key = await TenantKeys(key_service(scene.platform.settings("intake").kms_uri)).of(uow, scene.tenant)
    token = key.token("email_token", "ada@acme.test")
    (lead,) = await scene.sql(
        "select lead_id from intake.lead where tenant_id = $1 and email_token = $2", scene.tenant, token
    )
    erased = await scene.ask(EraseLead(lead_id=lead["lead_id"]))
    certificate = await scene.ask(GetErasureCertificate(erasure_id=erased.erasure_id))
    assert certificate.erased["enrichment_contacts"] == 2
    names, answers = await held(scene, database)
    assert names == ["Bob Canary", "Eve Canary"]
    assert len(answers) == 3 and not about_ada(answers)
    hashed = await scene.sql("select count(identity) as n from intake.enrichment_item where tenant_id = $1 and "
                             "step = 'enrich_emails'", scene.tenant)  # fmt: skip
    assert hashed[0]["n"] == 4, "nothing is left that is made of the person"
    assert not await scene.sql(
        "select from intake.enrichment_token where tenant_id = $1 and token = $2", scene.tenant, token
    )
    assert (await scene.submit(runs[1].run_id)).counts == {"updated": 2}


async def test_whoever_is_erased_while_a_provider_is_asked_about_them_does_not_come_back(
    scene: Scene, database: Database
) -> None:
    await scene.people_with_phones()
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def wait_for_it(asked_for: Asked) -> Answer:
        if asked_for.path.endswith("acme.test/people"):
            return Answer({"people": ADA_BY_PHONE["acme.test"]})
        if asked_for.path == "/find" and "Ada" in asked_for.body["name"]:
            asked.set()
            await go_on.wait()
        return await answer(asked_for)

    scene.web.answering = wait_for_it
    run = await scene.start()
    await asked.wait()
    assert "Ada Canary" in (await held(scene, database))[0]
    await erase(scene, phone=PHONE)
    go_on.set()
    done = await scene.standing(run.run_id, "succeeded")
    assert (done.contacts, done.emails, done.steps[2].done) == (3, 2, 3)
    assert done.cost == sum([Decimal(call["cost"]) for call in await scene.told("provider_called")])
    names, answers = await held(scene, database)
    assert names == ["Bob Canary", "Eve Canary"]
    assert len(answers) == 3 and not about_ada(answers)
    left = await scene.sql("select item from intake.enrichment_token where tenant_id = $1", scene.tenant)
    assert sorted({row["item"] for row in left}) == [2, 3]


async def test_whoever_was_erased_long_ago_is_neither_kept_nor_remembered_when_found_again(
    scene: Scene, database: Database
) -> None:
    await scene.people_with_phones()

    async def also_ada(asked: Asked) -> Answer:
        return Answer({"people": ADA_BY_PHONE["acme.test"]}) if "acme.test" in asked.path else await answer(asked)

    scene.web.answering = also_ada
    await scene.executed(providers={**PROVIDERS, "enrich_emails": []})
    assert "Ada Canary" in "".join((await held(scene, database))[1])
    await scene.sql("delete from intake.enrichment_token where tenant_id = $1", scene.tenant)  # so the answer stays
    await erase(scene, phone=PHONE)
    for remembered in (True, False):
        if not remembered:
            await scene.sql("delete from intake.memory where tenant_id = $1", scene.tenant)
        await scene.sql("delete from intake.enrichment_item where tenant_id = $1", scene.tenant)
        done = await scene.executed()
        assert (done.contacts, done.emails, done.steps[1].cached) == (2, 2, 2 * remembered)
        names, answers = await held(scene, database)
        assert names == ["Bob Canary", "Eve Canary"]
        assert not about_ada(answers)


async def test_a_contact_whose_address_proves_to_be_an_erased_persons_is_forgotten(
    scene: Scene, database: Database
) -> None:
    await scene.three_providers()
    await scene.set("guess", PatternSettings())
    await erase(scene, email="ada@acme.test")
    for times in (1, 2):
        done = await scene.executed(providers={**PROVIDERS, "enrich_emails": ["finder", "guess"]})
        assert (done.contacts, done.emails) == (3, 2), "nor is the next provider asked about them"
        names, answers = await held(scene, database)
        assert names == sorted(["Bob Canary", "Eve Canary"] * times)
        assert not about_ada(answers)


async def test_what_is_found_is_kept_after_an_erasure_under_way_and_no_sooner(scene: Scene) -> None:
    await scene.three_providers()
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def wait_for_it(asked_for: Asked) -> Answer:
        if asked_for.path == "/find":
            asked.set()
            await go_on.wait()
        return await answer(asked_for)

    scene.web.answering = wait_for_it
    run = await scene.start()
    await asked.wait()
    lock = f"hashtextextended('vault/erasure/{scene.tenant}', 0)"
    async with scene.platform.sql() as sql:
        await sql.execute(f"select pg_advisory_lock({lock})")
        go_on.set()

        async def waits() -> Any:
            return await sql.fetchval("select count(*) from pg_locks where locktype = 'advisory' and not granted")

        await until(waits, what="the worker waiting")
        await sql.execute(f"select pg_advisory_unlock({lock})")
    await scene.standing(run.run_id, "succeeded")


async def test_a_contact_that_is_rejected_because_its_person_was_erased_is_forgotten(
    scene: Scene, database: Database
) -> None:
    """As one without e-mail, telephone or profile, who is known by the mark on their lead only."""
    await scene.three_providers()
    providers = {**PROVIDERS, "enrich_emails": []}
    runs = [await scene.executed(providers=providers), await scene.executed(providers=providers)]
    assert (await scene.submit(runs[0].run_id)).counts == {"accepted": 3}
    for row in await scene.sql("select lead_id from intake.lead where tenant_id = $1", scene.tenant):
        await scene.ask(EraseLead(lead_id=row["lead_id"]))
    assert (await held(scene, database))[0] == ["Ada Canary", "Bob Canary"]
    answer_ = await scene.submit(runs[1].run_id)
    assert (answer_.counts, answer_.rejected) == ({"rejected": 2}, {"erased": 2})
    names, answers = await held(scene, database)
    assert names == []
    assert not about_ada(answers)
    assert (await scene.run(runs[1].run_id)).submitted == 0


async def test_who_was_erased_is_known_by_a_number_of_the_company_s_country(scene: Scene, database: Database) -> None:
    await erase(scene, phone=LONDON)
    await scene.people_with_phones()
    scene.web.answering = london
    await scene.executed()
    contacts, answers = await held(scene, database)
    assert (contacts, about_ada(answers)) == ([], [])
