"""A source that knows its leads by e-mail or telephone is served like any other, and its ids are nowhere but sealed."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from chassis.keys import TenantKeys, key_service
from chassis.unit_of_work import Database
from contracts.intake.leads import (
    GetLead,
    LeadVerdict,
    LeadView,
    ListLeads,
    SourceRef,
    SubmitLead,
    SubmitLeadNow,
    TokeniseSourceIds,
)
from contracts.taxonomy import MergePolicy
from intake.vault import sealing
from tests.intake.people.desk import Desk, lead
from tests.intake.privacy.scene import Vault
from tests.intake.submissions.test_submitting import give, told, verdicts
from tests.platform import Platform
from tests.waiting import until

EMAIL, PHONE, DIGITS = "Jane.Roe@example.com", "(614) 555-0134", "6145550134"


@pytest.fixture
async def running(intake: Platform, tenant: str) -> Platform:
    await intake.introduce(tenant, "intake")
    return intake


async def send(running: Platform, tenant: str, source_id: str, **fields: Any) -> tuple[LeadVerdict, UUID]:
    fields = {"full_name": "Jane Roe", **fields}
    done = await running.caller.ask(tenant, SubmitLeadNow(source_system="web", source_id=source_id, **fields))
    return done.verdict, done.lead_id


async def shown(running: Platform, tenant: str, lead_id: UUID) -> str:
    view: LeadView = await running.caller.ask(tenant, GetLead(lead_id=lead_id))
    return view.source_id


async def tokenised(running: Platform, tenant: str, *source_ids: str) -> list[str]:
    refs = [SourceRef(source_system="web", source_id=source_id) for source_id in source_ids]
    return list((await running.caller.ask(tenant, TokeniseSourceIds(leads=refs))).source_ids)


@pytest.mark.parametrize("source_id", [EMAIL, "614-555-0134", DIGITS])
async def test_such_an_id_is_a_token_wherever_it_is_told_and_identifies_the_lead_as_before(
    running: Platform, tenant: str, source_id: str
) -> None:
    verdict, lead_id = await send(running, tenant, source_id, phone=PHONE)
    assert verdict is LeadVerdict.ACCEPTED
    assert await send(running, tenant, source_id, phone=PHONE) == (LeadVerdict.DUPLICATE, lead_id)
    assert await send(running, tenant, source_id, phone=PHONE, geo="Dublin") == (LeadVerdict.UPDATED, lead_id)
    token = await shown(running, tenant, lead_id)
    assert token.startswith("~")
    assert len(token) == 65
    assert await tokenised(running, tenant, source_id, "L-1", "7145550134") == [token, "L-1", "7145550134"]
    assert await send(running, tenant, token, phone=PHONE, geo="Columbus") == (LeadVerdict.UPDATED, lead_id)
    bodies = [body for _, body in await told(running, tenant, 4)]
    assert {body["source_id"] for body in bodies} == {token}
    async with running.sql() as sql:
        for table in ("lead", "vault", "submission", "outbox", "inbox"):
            rows = await sql.fetch(f"select t::text from intake.{table} t")
            assert not [row for row in rows if source_id in row[0]]


async def test_the_vault_keeps_the_id_as_the_source_wrote_it(running: Platform, tenant: str) -> None:
    _, lead_id = await send(running, tenant, EMAIL)
    database = Database("intake", running.settings("intake").database_url)
    async with database.begin(tenant) as uow:
        key = await TenantKeys(key_service(running.settings("intake").kms_uri)).of(uow, tenant)
        (row,) = await uow.execute("select key_id, sealed from vault where lead_id = :lead", lead=lead_id)
        person_keys = await sealing.person_keys(uow, key, [row.key_id])
        opened = sealing.open_sealed(row.sealed, lead_id, tenant, person_keys[row.key_id])
    await database.close()
    assert opened == {"name": "Jane Roe", "source_id": EMAIL}


async def test_a_number_that_was_once_seen_to_be_the_lead_s_own_stays_hidden(running: Platform, tenant: str) -> None:
    _, lead_id = await send(running, tenant, DIGITS, phone=PHONE)
    assert await send(running, tenant, DIGITS, geo="Dublin") == (LeadVerdict.UPDATED, lead_id)
    assert (await shown(running, tenant, lead_id)).startswith("~")


async def test_a_lead_whose_id_is_seen_to_be_its_number_later_stays_one_lead_and_is_told_by_a_token_from_then_on(
    running: Platform, tenant: str
) -> None:
    _, lead_id = await send(running, tenant, DIGITS)
    assert await shown(running, tenant, lead_id) == DIGITS, "a record's number, as far as anybody knows"
    assert await send(running, tenant, DIGITS, phone=PHONE) == (LeadVerdict.UPDATED, lead_id)
    assert (await shown(running, tenant, lead_id)).startswith("~")
    assert await send(running, tenant, DIGITS, phone=PHONE) == (LeadVerdict.DUPLICATE, lead_id)


async def test_in_one_batch_a_number_is_hidden_in_every_submission_if_one_shows_what_it_is(
    running: Platform, tenant: str
) -> None:
    ids = [UUID(int=number) for number in range(3)]
    leads = [
        SubmitLead(source_system="web", source_id=DIGITS, full_name="Jane", phone=phone)
        for phone in (None, PHONE, None)
    ]
    await give(running, tenant, *zip(ids, leads, strict=True))
    assert await verdicts(running, tenant, *ids) == ["accepted", "updated", "updated"]
    (view,) = (await running.caller.ask(tenant, ListLeads())).leads
    assert view.source_id.startswith("~")


async def test_a_rejected_submission_s_id_is_told_by_a_token_too(running: Platform, tenant: str) -> None:
    id_ = await running.publish("operator", tenant, SubmitLead(source_system="web", source_id=EMAIL))
    assert await verdicts(running, tenant, id_) == ["rejected"]
    ((_, body),) = await told(running, tenant, 1)
    assert [body["source_id"]] == await tokenised(running, tenant, EMAIL)


async def test_of_two_units_that_take_a_number_at_once_only_one_makes_a_lead_of_it(
    platform: Platform, tenant: str
) -> None:
    desk = Desk(platform, tenant)
    await desk.open(MergePolicy.KEEP_BOTH)
    async with desk.unit() as adding:
        await desk.submit_in(adding, lead(DIGITS, full_name="Jane"))
        showing = asyncio.create_task(desk.submit(lead(DIGITS, phone=PHONE)))
        await until(desk.somebody_waits, what="the one that shows what the id is waits for the one that does not")
    await showing
    (row,) = (await desk.rows()).values()
    assert row["source_id"].startswith("~")
    await desk.close()


async def test_whoever_may_see_what_is_personal_is_shown_the_hidden_id(running: Platform, tenant: str) -> None:
    _, lead_id = await send(running, tenant, EMAIL)
    (shown_,) = (await Vault(running, tenant).reveal(lead_id)).leads
    assert (shown_.source_id, shown_.name) == (EMAIL, "Jane Roe")
