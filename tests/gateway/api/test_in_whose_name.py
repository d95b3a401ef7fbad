"""What people may record by way of the API is what they may on the pages: in their own name, and within the rules."""

from contracts.taxonomy import Role
from tests.gateway.conftest import Gateway, Tenancy
from tests.gateway.test_api import assert_problem, record, submit

OUTCOME = "/leads/{lead}/outcomes/019a2f3e-8c1d-7b54-9d7e-3f5f0c2b6a11"
MISSING = "/missing-outcomes/outcomes"
ORDERS = [
    ("/outcomes", {"lead": {"lead_id": "{lead}"}, "outcomes": [{"type": "closed_won"}]}),
    ("/outcomes/bulk", {"outcome": {"type": "closed_won"}, "rows": [{"lead_id": "{lead}"}]}),
    (f"{OUTCOME}/correction", {"outcome": {"type": "closed_won"}}),
    (MISSING, {"outcome": {"type": "closed_won"}, "lead_ids": ["{lead}"]}),
]  # fmt: skip


def of(lead: str, value: object, because: str | None) -> object:
    """An order about a lead; with a reason to record it against the rules, if one is given."""
    if isinstance(value, dict):
        more = {"override_reason": because} if because and "type" in value else {}
        return {name: of(lead, each, because) for name, each in value.items()} | more
    if isinstance(value, list):
        return [of(lead, each, because) for each in value]
    return str(value).format(lead=lead)


async def test_people_record_in_their_own_name_and_only_an_admin_what_the_rules_block(
    gateway: Gateway, acme: Tenancy
) -> None:
    lead = (await submit(acme)).json()["lead_id"]
    lost = {"type": "closed_lost", "occurred_at": "2026-01-05T12:00:00Z"}
    assert (await record(acme, {"lead_id": lead}, lost)).status_code == 201
    async with gateway.client() as agent, gateway.client() as admin:
        await gateway.sign_in(agent, acme.name, await gateway.user(acme.name, Role.AGENT))
        await gateway.sign_in(admin, acme.name, await gateway.user(acme.name, Role.ADMIN))
        for path, body in ORDERS:
            where = acme.path(path.format(lead=lead))
            against = await agent.post(where, json=of(lead, body, "They changed their mind"))
            assert_problem(against, 403, "override_reason")
            named = await admin.post(where, json=of(lead, body, None) | {"recorded_by": "user:7"})  # type: ignore[operator]
            assert_problem(named, 403, "recorded_by")
        voided = await admin.post(acme.path(f"{OUTCOME}/void".format(lead=lead)), json={"voided_by": "user:7"})
        assert_problem(voided, 403, "voided_by")
        won = of(lead, ORDERS[0][1], "They changed their mind")
        assert (await admin.post(acme.path("/outcomes"), json=won)).status_code == 201
    history = (await acme.client.get(acme.path(f"/leads/{lead}/outcomes"))).json()["outcomes"]
    assert [(each["type"], each["recorded_by"].partition(":")[0]) for each in history] == [
        ("closed_lost", "key"), ("closed_won", "user"),
    ]  # fmt: skip


async def test_what_was_written_about_outcomes_is_read_by_who_records_them(gateway: Gateway, acme: Tenancy) -> None:
    lead = (await submit(acme)).json()["lead_id"]
    noted = {"type": "contacted", "notes": "Call her sister"}
    assert (await record(acme, {"lead_id": lead}, noted)).status_code == 201
    for role, reads in ((Role.AGENT, True), (Role.VIEWER, False), (Role.AUDITOR, False)):
        async with gateway.client() as browser:
            await gateway.sign_in(browser, acme.name, await gateway.user(acme.name, role))
            (outcome,) = (await browser.get(acme.path(f"/leads/{lead}/outcomes"))).json()["outcomes"]
            shown = await browser.get(f"/t/{acme.name}/leads/{lead}", headers={"Accept": "text/html"})
        assert outcome["notes"] == (noted["notes"] if reads else None), role
        assert (shown.status_code, noted["notes"] in shown.text) == (200, reads), role
