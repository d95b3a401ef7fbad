"""Metadata that a tenant does not allow in clear is neither told nor shown, whenever it came."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from contracts.intake.leads import GetLead, ListLeads
from contracts.intake.people import FindLeads, GetPerson
from contracts.message import Message
from intake.leads import handlers as leads
from intake.people import handlers as people
from tests.intake.people.desk import Desk, lead
from tests.platform import Platform

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
        GetLead: leads.get_lead, ListLeads: leads.list_leads, GetPerson: people.get_person, FindLeads: people.find_leads,
    }[type(request)]  # fmt: skip
    async with desk.unit() as uow:
        return (await handle(*first, uow, desk.received(request))).model_dump_json()


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
