"""A submission that says the same is a duplicate only where it is read as it was before."""

from collections.abc import AsyncIterator

import pytest

from contracts.intake.leads import LeadVerdict, SubmitLead
from tests.intake.people.desk import Desk, lead
from tests.platform import Platform

LONDON = "020 7946 0958"


@pytest.fixture
async def desk(platform: Platform, tenant: str) -> AsyncIterator[Desk]:
    opened = Desk(platform, tenant)
    await opened.change()
    yield opened
    await opened.close()


async def verdict(desk: Desk, row: SubmitLead) -> tuple[LeadVerdict, list[str]]:
    """The verdict on a submission, and the fields that changed by it."""
    (result,) = await desk.submit(row)
    _, told = (await desk.told())[-1]
    return result.verdict, told.get("changed", [])


async def test_a_number_that_can_be_read_by_another_region_updates_the_lead_once(desk: Desk) -> None:
    row = lead("1", full_name="A", phone=LONDON)
    await desk.submit(row)
    await desk.change(region="GB")
    assert await verdict(desk, row) == (LeadVerdict.UPDATED, ["phone"])
    assert [stored["phone_token"] for stored in (await desk.rows()).values()] == [
        desk.key.token("phone_token", "+442079460958")
    ]
    assert await verdict(desk, row) == (LeadVerdict.DUPLICATE, [])


async def test_metadata_of_which_something_else_is_allowed_updates_the_lead_once(desk: Desk) -> None:
    row = lead("1", full_name="A", metadata={"nickname": "Jimbo", "utm_source": "letter", "share": 0.1, "isNew": True})
    await desk.submit(row)
    for allowed, clear in (
        (["nickname", "utm_source", "share", "isNew"], row.metadata),
        (["utm_source"], {"utm_source": "letter"}),
    ):
        await desk.change(metadata_allowed=allowed)
        assert await verdict(desk, row) == (LeadVerdict.UPDATED, ["metadata"])
        assert [stored["metadata"] for stored in (await desk.rows()).values()] == [clear]
        assert await verdict(desk, row) == (LeadVerdict.DUPLICATE, [])


async def test_what_a_merged_lead_lends_makes_no_duplicate_an_update(desk: Desk) -> None:
    rows = [lead("1", full_name="A"), lead("2", phone="+16145550134", metadata={"utm_source": "letter"})]
    stands, merged = await desk.submit(*rows)
    assert stands.lead_id and merged.lead_id
    await desk.merge(stands.lead_id, merged.lead_id)
    for row in rows:
        assert await verdict(desk, row) == (LeadVerdict.DUPLICATE, [])


async def test_a_place_that_has_an_alias_now_makes_no_duplicate_an_update(desk: Desk) -> None:
    row = lead("1", full_name="A", geo="Columbus", source="Letter")
    await desk.submit(row)
    async with desk.unit() as uow:
        await uow.execute("update lead set geo_key = 'other' where tenant_id = :tenant", tenant=desk.tenant)
    assert await verdict(desk, row) == (LeadVerdict.DUPLICATE, [])
