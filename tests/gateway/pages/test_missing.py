"""Leads that miss an outcome: how stale they are, and what became of them with one click."""

from uuid import UUID

import pytest

from contracts.outcomes import LeadState, MissingOutcomes
from contracts.taxonomy import Role
from gateway.pages import missing
from tests.gateway.conftest import Gateway, Tenancy
from tests.gateway.pages.working import new_lead, read, signed_in, text_of
from tests.waiting import until

LONG_AGO = "2026-01-05T12:00:00Z"


@pytest.fixture
async def leads(gateway: Gateway, acme: Tenancy) -> list[UUID]:
    """Three promising leads of whom nothing has been heard for long."""
    made = [await new_lead(acme, tier=tier, timeline="0-30", created_at=LONG_AGO, source="Web") for tier in "ABA"]

    async def missed() -> bool:
        return (await gateway.platform.caller.ask(acme.name, MissingOutcomes())).count == 3

    await until(missed, what="the leads' arrival at outcomes")
    return made


async def outcome_of(gateway: Gateway, acme: Tenancy, lead: UUID) -> str | None:
    return (await gateway.platform.caller.ask(acme.name, LeadState(lead_id=lead))).last_outcome


async def test_a_lead_leaves_the_list_with_one_click_and_those_that_were_ticked_with_another(
    gateway: Gateway, acme: Tenancy, leads: list[UUID]
) -> None:
    path = f"/t/{acme.name}/outcomes/missing"
    async with signed_in(gateway, acme.name, Role.AGENT) as browser:
        page = await read(browser, path)
        said = text_of(page)
        assert "3 leads need outcomes" in said
        for lead in (await gateway.platform.caller.ask(acme.name, MissingOutcomes())).leads:
            assert f'value="{lead.lead_id}:invalid"' in page
            assert f'<td class="number">{lead.days_stale}</td>' in page
        for text in ("Web".lower(), "0-30", "Timeline, days", "Days stale", "5 Jan"):
            assert text in said, text

        done = await browser.post(f"{path}/record", data={"one": f"{leads[0]}:invalid"})
        assert (done.status_code, done.headers["location"]) == (303, f"{path}?recorded=1")
        after = await read(browser, done.headers["location"])
        assert "1 outcome was recorded." in text_of(after)
        assert f"{leads[0]}" not in after
        assert await outcome_of(gateway, acme, leads[0]) == "invalid"

        both = {"lead_ids": [str(lead) for lead in leads[1:]], "ticked": "contacted"}
        assert (await browser.post(f"{path}/record", data=both)).headers["location"] == f"{path}?recorded=2"
        assert "No outcome is missing" in await read(browser, path)
        assert [await outcome_of(gateway, acme, lead) for lead in leads[1:]] == ["contacted"] * 2


async def test_no_more_are_shown_than_a_page_may_weigh_and_the_others_follow(
    gateway: Gateway, acme: Tenancy, leads: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missing, "ROWS_SHOWN", 2)
    path = f"/t/{acme.name}/outcomes/missing"
    stalest = [lead.lead_id for lead in (await gateway.platform.caller.ask(acme.name, MissingOutcomes())).leads]
    async with signed_in(gateway, acme.name, Role.AGENT) as browser:
        page = await read(browser, path)
        assert [str(lead) in page for lead in stalest] == [True, True, False]
        assert "3 leads need outcomes" in text_of(page) and "The 2 stalest are shown." in text_of(page)
        await browser.post(f"{path}/record", data={"one": f"{stalest[0]}:invalid"})
        assert [str(lead) in await read(browser, path) for lead in stalest] == [False, True, True]


async def test_what_could_not_be_recorded_is_said_on_the_page(
    gateway: Gateway, acme: Tenancy, leads: list[UUID]
) -> None:
    path = f"/t/{acme.name}/outcomes/missing"
    async with signed_in(gateway, acme.name, Role.AGENT) as browser:
        odd = await browser.post(f"{path}/record", data={"one": f"{leads[0]}:appointment_set"})
        assert odd.status_code == 200
        assert "an appointment, although nobody had contacted the lead" in text_of(odd.text)
        for nothing in ({"ticked": "invalid"}, {"one": f"{leads[0]}:sold"}, {"lead_ids": str(leads[1])}):
            refused = await browser.post(f"{path}/record", data=nothing)
            assert refused.status_code == 400, refused.text
        nobody = await browser.post(f"{path}/record", data={"one": f"{acme.key_id}:invalid"})
        assert "no such lead has come" in text_of(nobody.text)
    async with signed_in(gateway, acme.name, Role.VIEWER) as browser:
        page = await read(browser, path)
        assert "2 leads need outcomes" in text_of(page)
        assert '<button class="button button-quiet" type="submit" name="one"' not in page
        assert (await browser.post(f"{path}/record", data={"one": f"{leads[1]}:invalid"})).status_code == 403
