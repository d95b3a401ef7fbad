"""Outcomes of many leads at once, on the page and over the API: each row its own verdict, and all of it taken back."""

import csv
import io
import re
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from contracts.gateway.keys import CreateApiKey
from contracts.outcomes import ChooseLeads, LeadFilter, LeadState, ListBulks
from contracts.taxonomy import Role
from tests.gateway.conftest import Gateway, Tenancy
from tests.gateway.pages.working import forms, new_lead, read, signed_in, text_of
from tests.waiting import until


@pytest.fixture
async def leads(gateway: Gateway, acme: Tenancy) -> AsyncIterator[list[UUID]]:
    """Five leads of the organic search, of tier A and B in turns, and one of another source."""
    made = [await new_lead(acme, source="Organic Search", tier="AB"[number % 2]) for number in range(5)]
    await new_lead(acme, source="Open house", tier="A")

    async def known() -> bool:
        found = await gateway.platform.caller.ask(
            acme.name, ChooseLeads(leads=LeadFilter(source_key="organic_search"), count=True)
        )
        other = await gateway.platform.caller.ask(
            acme.name, ChooseLeads(leads=LeadFilter(source_key="open_house"), count=True)
        )
        return (found.count, other.count) == (5, 1)

    await until(known, what="the leads' arrival at outcomes")
    yield made


async def outcome_of(gateway: Gateway, acme: Tenancy, lead: UUID) -> str | None:
    return (await gateway.platform.caller.ask(acme.name, LeadState(lead_id=lead))).last_outcome


async def test_the_ticked_of_the_leads_that_were_found_are_recorded_and_the_bulk_is_taken_back(
    gateway: Gateway, acme: Tenancy, leads: list[UUID]
) -> None:
    path = f"/t/{acme.name}/outcomes/bulk"
    async with signed_in(gateway, acme.name, Role.AGENT) as browser:
        first = await read(browser, path)
        assert "Choose leads first" in first
        for option in ("organic_search", "open_house"):
            assert f'<option value="{option}">' in first
        found = await read(browser, path, source_key="Organic Search")
        assert set(re.findall(r'name="lead_ids" value="([^"]+)"', found)) == set(map(str, leads))
        assert "Zebedee" not in found
        by_name = await browser.post(path, params={"source_key": "organic_search"})
        assert by_name.text.count(">Zebedee Quark</a>") == 5
        of_tier = await read(browser, path, source_key="organic_search", tiers=["A"])
        assert len(re.findall(r'name="lead_ids"', of_tier)) == 3
        assert len(re.findall(r'name="lead_ids"', await read(browser, path, tiers=["A", "B"]))) == 6
        nothing = await browser.post(f"{path}/record", data={"source_key": "organic_search", "type": "contacted"})
        assert nothing.status_code == 400
        assert "No lead was ticked" in nothing.text

        form = {"lead_ids": [str(lead) for lead in leads[:3]], "type": "contacted", "occurred_at": "2026-06-01T12:00"}
        done = await browser.post(f"{path}/record", data={"source_key": "organic_search", **form})
        assert done.status_code == 200, done.text
        assert "3 recorded Every row was recorded." in text_of(done.text)
        assert [await outcome_of(gateway, acme, lead) for lead in leads] == ["contacted"] * 3 + [None] * 2
        again = text_of((await browser.post(f"{path}/record", data={"source_key": "organic_search", **form})).text)
        assert "Recorded before 3 rows" in again

        (bulk,) = (await gateway.platform.caller.ask(acme.name, ListBulks())).bulks
        (void,) = forms(await read(browser, path), f"{path}/{bulk.bulk_id}/void")
        assert "Void 3 outcomes" in text_of(void)
        voided = await browser.post(f"{path}/{bulk.bulk_id}/void", data={"why": "the wrong list"})
        assert "3 outcomes were voided, and count no more." in text_of(voided.text)
        assert [await outcome_of(gateway, acme, lead) for lead in leads] == [None] * 5
        assert not forms(await read(browser, path), f"{path}/{bulk.bulk_id}/void")


async def test_all_that_match_are_recorded_and_what_the_rules_block_needs_an_admin(
    gateway: Gateway, acme: Tenancy, leads: list[UUID]
) -> None:
    path = f"/t/{acme.name}/outcomes/bulk"
    lost = {"lead": {"lead_id": str(leads[0])}, "outcomes": [{"type": "closed_lost"}]}
    assert (await acme.client.post(acme.path("/outcomes"), json=lost)).status_code == 201
    won = {
        "source_key": "organic_search",
        "type": "closed_won",
        "occurred_at": "2026-06-01T12:00",
        "everything": "true",
    }
    async with signed_in(gateway, acme.name, Role.OPERATOR) as browser:
        assert "if the rules block it" not in await read(browser, path, source_key="organic_search")
        refused = await browser.post(f"{path}/record", data=won | {"override_reason": "says who"})
        assert refused.status_code == 403
        assert "Only an admin records what the sequence rules block" in refused.text
        assert await outcome_of(gateway, acme, leads[1]) is None
        asked = await browser.post(f"{path}/record", data=won | {"as_file": "true"})
        assert "Record closed won of 5 leads" in text_of(asked.text)
        assert await outcome_of(gateway, acme, leads[1]) is None, "nobody has confirmed it"
        confirmed = dict(
            re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', forms(asked.text, f"{path}/record")[0])
        )
        file = await browser.post(f"{path}/record", data=confirmed)
        assert file.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(file.text)))
        assert {UUID(row["lead"]) for row in rows} == set(leads)
        assert {row["verdict"] for row in rows if row["lead"] == str(leads[0])} == {"Blocked"}
        assert [row["verdict"] for row in rows].count("Recorded") == 4
    async with signed_in(gateway, acme.name) as browser:
        assert "if the rules block it" in await read(browser, path, source_key="organic_search")
        done = await browser.post(
            f"{path}/record", data=won | {"override_reason": "it was sold after all", "confirmed": "true"}
        )
        assert "1 recorded" in text_of(done.text)
        assert "Recorded before 4 rows" in text_of(done.text)


async def test_each_row_of_a_table_has_its_own_verdict_also_where_it_cannot_be_read(
    gateway: Gateway, acme: Tenancy, leads: list[UUID]
) -> None:
    path = f"/t/{acme.name}/outcomes/bulk"
    lines = [
        f"{leads[0]},contacted,2026-06-01", f"{leads[1]},sold", f"{uuid4()},contacted", "=1+1,contacted",
        f"{leads[2]},appointment_set,2026-06-02", str(leads[3]), f"{leads[0]},contacted,2026-06-01",
    ]  # fmt: skip
    given = {"type": "invalid", "occurred_at": "2026-06-03T12:00"}
    async with signed_in(gateway, acme.name, Role.AGENT) as browser:
        done = await browser.post(f"{path}/table", data=given | {"rows": "\n".join(lines)})
        assert done.status_code == 200, done.text
        said = text_of(done.text)
        for what in (
            "2 recorded", "Cannot be read 1 row: Its outcome is none of", "row 2", "Not recorded 1 row: no such lead has come row 3",
            "Recorded, with a warning 1 row: an appointment, although nobody had contacted the lead: record that too row 5", "Recorded before 1 row row 7",
        ):  # fmt: skip
            assert what in said, (what, said)
        assert [await outcome_of(gateway, acme, lead) for lead in leads[:4]] == [
            "contacted", None, "appointment_set", "invalid",
        ]  # fmt: skip

        files = {
            "file": ("outcomes.csv", "\ufeff" + "\n".join(["lead_id,outcome", *lines[3:4], f"{leads[4]},contacted"]))
        }
        file = await browser.post(f"{path}/table", data=given | {"as_file": "true"}, files=files)
        rows = list(csv.DictReader(io.StringIO(file.text)))
        assert [(row["row"], row["lead"], row["verdict"]) for row in rows] == [
            ("1", "'=1+1", "Cannot be read"), ("2", str(leads[4]), "Recorded"),
        ]  # fmt: skip
        for wrong, files in (
            ({"rows": ""}, {}),
            ({}, {"file": ("a.csv", b"\xff\xfe\x00")}),
            ({"rows": "lead_id,x\n1,2"}, {}),
        ):
            refused = await browser.post(f"{path}/table", data=given | wrong, files=files)
            assert refused.status_code == 400, refused.text


async def test_who_may_not_record_does_not_see_the_page(gateway: Gateway, anyone: Tenancy) -> None:
    async with signed_in(gateway, anyone.name, Role.VIEWER) as browser:
        assert (await browser.get(f"/t/{anyone.name}/outcomes/bulk")).status_code == 403
        assert "Record outcomes" not in await read(browser, f"/t/{anyone.name}")


async def test_over_the_api_leads_are_chosen_and_a_bulk_is_voided(
    gateway: Gateway, acme: Tenancy, leads: list[UUID]
) -> None:
    keys = (await acme.client.get(acme.path("/outcomes/bulk/keys"))).json()
    assert keys["sources"] == ["open_house", "organic_search"]
    chosen = {"source_key": "organic_search", "tiers": ["A", "B"], "count": True, "limit": 2}
    page = (await acme.client.get(acme.path("/outcomes/bulk/leads"), params=chosen)).json()
    assert (page["count"], len(page["leads"])) == (5, 2)
    assert (await acme.client.get(acme.path("/outcomes/bulk/leads"))).status_code == 400, "of whom?"
    bulk = {"outcome": {"type": "contacted"}, "leads": {"source_key": "organic_search", "tiers": ["A", "B"]}}
    done = (await acme.client.post(acme.path("/outcomes/bulk"), json=bulk)).json()
    assert done["counts"] == {"recorded": 5}
    listed = (await acme.client.get(acme.path("/outcomes/bulk"))).json()["bulks"]
    assert [each["bulk_id"] for each in listed] == [done["bulk_id"]]
    void = acme.path("/outcomes/bulk/void")
    assert (await acme.client.post(void, json={})).status_code == 400
    assert (await acme.client.post(void, json={"bulk_id": str(uuid4())})).status_code == 404
    assert (await acme.client.post(void, json={"bulk_id": done["bulk_id"]})).json()["counts"] == {"voided": 5}
    history = (await acme.client.get(acme.path(f"/leads/{leads[0]}/outcomes"))).json()["outcomes"]
    assert [outcome["void"]["voided_by"] for outcome in history] == [f"key:{acme.key_id}"]
    rows = [{"lead_id": str(leads[0]), "outcome_id": history[0]["outcome_id"]}]
    assert (await acme.client.post(void, json={"rows": rows})).json()["counts"] == {"already": 1}


async def test_a_key_overrides_nothing_unless_it_was_made_with_all_that_an_admin_may(
    gateway: Gateway, acme: Tenancy, leads: list[UUID]
) -> None:
    key = await gateway.platform.caller.ask(acme.name, CreateApiKey(label="for a program"))
    won = {"type": "closed_won", "override_reason": "says who"}
    lead = {"lead_id": str(leads[0])}
    async with gateway.client(key.secret) as client:
        orders = (
            ("/outcomes", {"lead": lead, "outcomes": [{"type": "contacted"}, won]}),
            ("/outcomes/bulk", {"outcome": won, "rows": [lead]}),
            (f"/leads/{leads[0]}/outcomes/{uuid4()}/correction", {"outcome": won}),
            ("/missing-outcomes/outcomes", {"outcome": won, "lead_ids": [str(leads[0])]}),
        )
        for path, body in orders:
            refused = await client.post(acme.path(path), json=body)
            assert (refused.status_code, refused.json()["field"]) == (403, "override_reason"), path
    assert await outcome_of(gateway, acme, leads[0]) is None, "nor what came with it"
    recorded = await acme.client.post(acme.path("/outcomes"), json={"lead": lead, "outcomes": [won]})
    assert recorded.status_code == 201


async def test_a_reason_is_chosen_of_the_tenants_list_and_typed_where_it_has_none(
    gateway: Gateway, acme: Tenancy, tenant: str
) -> None:
    path = f"/t/{acme.name}/outcomes/bulk"
    lead = await new_lead(acme, tier="A")

    async def reasons_of(text: str) -> list[list[str]]:
        selects = re.findall(r'<select[^>]* name="(?:reason_code|why_code)">(.*?)</select>', text, re.DOTALL)
        return [re.findall(r'value="([^"]*)"', each) for each in selects]

    async with signed_in(gateway, acme.name) as browser:
        form = {"lead_ids": [str(lead)], "type": "closed_lost"}

        async def known() -> bool:
            return 'name="lead_ids"' in await read(browser, path, tiers=["A"])

        await until(known, what="the lead's arrival at outcomes")
        page = await read(browser, path, tiers=["A"])
        assert await reasons_of(page) == [] and page.count('type="text" value="" placeholder="price_too_high"') == 2
        done = await browser.post(f"{path}/record", data=form | {"reason_code": "Price too high"})
        assert "1 recorded" in text_of(done.text)

        settings = (await acme.client.get(acme.path("/settings"))).json()
        listed = settings["settings"] | {"reason_codes": ["moved", "price"]}
        body = {"version": settings["version"], "settings": listed}
        assert (await acme.client.put(acme.path("/settings"), json=body)).is_success
        page = await read(browser, path, tiers=["A"])
        assert await reasons_of(page) == [["", "moved", "price"]] * 2, "the two forms that record"
        offered = page.split('<datalist id="reason-codes">')[1].partition("</datalist>")[0]
        assert re.findall('value="([^"]*)"', offered) == ["moved", "price"], "said once for all that take back"
        assert re.search('name="why_code"[^>]* list="reason-codes"', page)
        (bulk,) = (await gateway.platform.caller.ask(acme.name, ListBulks())).bulks
        voided = await browser.post(f"{path}/{bulk.bulk_id}/void", data={"why_code": "moved", "why": ""})
        assert "1 outcome was voided" in text_of(voided.text)
