"""Leads that share a token are one person, whoever submits what at the same moment."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from contracts.taxonomy import MergePolicy
from tests.intake.people.desk import Desk, lead
from tests.platform import Platform
from tests.waiting import until

PROFILES = "https://www.linkedin.com/in/"


@pytest.fixture
async def desk(platform: Platform, tenant: str) -> AsyncIterator[Desk]:
    opened = Desk(platform, tenant)
    await opened.open(MergePolicy.KEEP_BOTH)
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    "meanwhile",
    [
        {"source_id": "new", "email": "roe@example.com", "linkedin_url": f"{PROFILES}roe-two/"},
        {"source_id": "roe", "full_name": "Roe", "linkedin_url": f"{PROFILES}roe-two/"},
    ],
    ids=["a new lead", "an update"],
)
async def test_what_is_added_to_a_person_while_it_is_found_to_be_another_is_not_left_behind(
    desk: Desk, meanwhile: dict[str, Any]
) -> None:
    await desk.submit(lead("jane", linkedin_url=f"{PROFILES}jane/", full_name="Jane"))
    await desk.submit(lead("roe", phone="+16145550134", email="roe@example.com"))
    async with desk.unit() as adding:
        await desk.submit_in(adding, lead(**meanwhile))
        both = lead("both", phone="+16145550134", linkedin_url=f"{PROFILES}jane/", full_name="Jane Roe")
        linking = asyncio.create_task(desk.submit(both))
        await until(desk.somebody_waits, what="the one who links waits for the one who adds")
    await linking
    assert len({row["person_id"] for row in (await desk.rows()).values()}) == 1
    async with desk.platform.sql() as sql:
        persons = "select count(distinct person_id) from intake.person_token where tenant_id = $1"
        assert await sql.fetchval(persons, desk.tenant) == 1
