"""Metadata that a tenant does not allow in clear is neither told nor shown, whenever it came."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from contracts.intake.leads import GetLead, ListLeads
from contracts.intake.people import FindLeads, GetPerson
from contracts.message import Message
from intake.leads import handlers as leads
from intake.leads import narrowing
from intake.leads.store import find_leads
from intake.listing import handlers as listing
from intake.people import handlers as people
from intake.vault import sealing
from intake.vault import store as vault
from tests.intake.people.desk import Desk, lead
from tests.platform import Platform

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PHONE = "+16145550134"
NICKNAME = {"nickname": "Jimbo", "utm_source": "letter"}
CLEAR = {"utm_source": "letter"}


@pytest.fixture
async def desk(platform: Platform, tenant: str) -> AsyncIterator[Desk]:
    opened = Desk(platform, tenant)
    yield opened
    await opened.close()


async def answer(desk: Desk, request: Message, *first: Any) -> str:
    handle = {
        GetLead: leads.get_lead, ListLeads: listing.list_leads, GetPerson: people.get_person, FindLeads: people.find_leads,
    }[type(request)]  # fmt: skip
    async with desk.unit() as uow:
        return (await handle(*first, uow, desk.received(request))).model_dump_json()


async def sealed_metadata(desk: Desk, lead_id: UUID) -> Any:
    async with desk.unit() as uow:
        (row,) = await vault.sealed(uow, desk.tenant, [lead_id])
        return sealing.open_wrapped(row, desk.key).get("metadata")


async def told_since(desk: Desk, count: int) -> list[dict[str, Any]]:
    return [body for _, body in (await desk.told())[count:]]


async def test_what_is_allowed_no_more_is_neither_told_nor_shown(desk: Desk) -> None:
    await desk.change(metadata_allowed=["utm_source", "nickname"])
    _, first = await desk.submit(lead("2", email="c@example.com"), lead("1", phone=PHONE, metadata=NICKNAME))
    assert "Jimbo" in await answer(desk, GetLead(lead_id=first.lead_id))
    await desk.change()
    before = len(await desk.told())
    await desk.submit(lead("3", phone=PHONE, email="c@example.com"))
    linked = await told_since(desk, before)
    assert [body["metadata"] for body in linked if body["lead_id"] == str(first.lead_id)] == [CLEAR], "told as linked"
    assert "Jimbo" not in json.dumps(linked)
    shown = [
        await answer(desk, GetLead(lead_id=first.lead_id)), await answer(desk, ListLeads()),
        await answer(desk, GetPerson(lead_id=first.lead_id)), await answer(desk, FindLeads(phone=PHONE), desk.keys),
    ]  # fmt: skip
    assert all("letter" in each and "Jimbo" not in each for each in shown)


async def test_a_merged_lead_lends_nothing_that_is_allowed_no_more(desk: Desk) -> None:
    await desk.change(metadata_allowed=["utm_source", "nickname"])
    (stands,), (other,) = (
        await desk.submit(lead("1", full_name="A")),
        await desk.submit(lead("2", phone=PHONE, metadata=NICKNAME)),
    )
    await desk.merge(stands.lead_id, other.lead_id)
    assert (await desk.told())[-1][1]["metadata"] == NICKNAME
    await desk.change()
    before = len(await desk.told())
    await desk.submit(lead("1", full_name="B"))
    (now,) = await told_since(desk, before)
    assert (now["metadata"], now["provenance"].keys() & {"metadata.nickname", "metadata.utm_source"}) == (
        CLEAR, {"metadata.utm_source"}
    )  # fmt: skip
    assert "Jimbo" not in await answer(desk, GetLead(lead_id=stands.lead_id))
    await desk.unmerge(other.lead_id)
    await desk.merge(other.lead_id, stands.lead_id)
    assert "Jimbo" not in json.dumps(await told_since(desk, before))


async def test_what_is_allowed_no_more_goes_into_the_vault(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(narrowing, "_BATCH", 2)
    # By twos, other tests' tenants would take minutes.
    monkeypatch.setattr(narrowing, "every_tenant", lambda _, work: work(desk.tenant))
    await desk.change(metadata_allowed=["utm_source", "nickname"])
    first, *_, stands = await desk.submit(
        lead("1", phone=PHONE, metadata={**NICKNAME, "shoe_size": 40}), lead("2", full_name="A", metadata=CLEAR),
        lead("3", full_name="B"), lead("4", full_name="C"),
    )  # fmt: skip
    assert first.lead_id and stands.lead_id
    await desk.merge(stands.lead_id, first.lead_id)
    job = narrowing.Narrowing(desk.database, desk.keys)
    await job.run(NOW)
    assert await sealed_metadata(desk, first.lead_id) == {"shoe_size": 40}, "what is allowed stays"
    await desk.change()
    told = len(await desk.told())
    assert (await job.run(NOW))["leads"] >= 2
    rows = await desk.rows()
    assert [rows[id_]["metadata"] for id_ in sorted(rows)] == [CLEAR, CLEAR, {}, {}]
    lent = {field for field in rows[stands.lead_id]["combined"]["fields"] if field.startswith("metadata.")}
    assert lent == {"metadata.utm_source"}
    assert await sealed_metadata(desk, first.lead_id) == {"shoe_size": 40, "nickname": "Jimbo"}
    await job.run(NOW)
    assert (await desk.rows(), len(await desk.told())) == (rows, told)


async def test_a_lead_that_is_locked_has_its_metadata_sealed_the_next_time(desk: Desk) -> None:
    await desk.change(metadata_allowed=["utm_source", "nickname"])
    (first,) = await desk.submit(lead("1", phone=PHONE, metadata=NICKNAME))
    await desk.change()
    job = narrowing.Narrowing(desk.database, desk.keys)
    async with desk.unit() as uow:
        await find_leads(uow, desk.tenant, [("crm", "1")])
        await job.run(NOW)
    assert first.lead_id
    assert await sealed_metadata(desk, first.lead_id) is None
    await job.run(NOW)
    assert await sealed_metadata(desk, first.lead_id) == {"nickname": "Jimbo"}


async def test_leads_are_not_looked_through_when_nothing_can_be_there_to_seal(desk: Desk) -> None:
    await desk.change(metadata_allowed=["utm_source", "nickname"])
    job = narrowing.Narrowing(desk.database, desk.keys)
    for _ in range(2):
        await job.run(NOW)
    await desk.submit(lead("1", phone=PHONE, metadata=NICKNAME))
    async with desk.unit() as uow:
        await uow.execute("""update lead set metadata = '{"other": 1}' where tenant_id = :tenant""", tenant=desk.tenant)
    await job.run(NOW)
    assert [row["metadata"] for row in (await desk.rows()).values()] == [{"other": 1}], "nobody can have written that"
    await desk.change()
    await job.run(NOW)
    assert [row["metadata"] for row in (await desk.rows()).values()] == [{}]
