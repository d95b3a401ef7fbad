"""One lead's page: what happened to it, what became of it, whose it is and why; and what can be done about it there."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from contracts.aggregator.events import ListEvents
from contracts.intake.distribution import UpsertAgent
from contracts.intake.privacy import ListReveals
from contracts.intake.routing import GetLeadStatus, PublishRouting, SaveRoutingDraft
from contracts.outcomes import LeadState, OutcomeHistory
from contracts.taxonomy import Purpose, Role
from gateway.domain_lead import NOT_RECORDED, ODD, PURPOSES
from tests.gateway.conftest import Gateway, Tenancy
from tests.waiting import until

HTML = {"Accept": "text/html"}
NOON = "2026-06-01T12:00:00"


@pytest.fixture(scope="module")
async def busy(gateway: Gateway) -> AsyncIterator[Tenancy]:
    """A tenant whose rules send leads of Ohio to a workspace."""
    made = await gateway.tenant("busy-lead")
    rules = {
        "rules": [
            {"name": "texas", "priority": 1, "when": {"geo": ["austin_tx"]}, "workspace": "south"},
            {"name": "buckeyes", "priority": 2, "when": {"geo": ["dublin_oh"]}, "workspace": "ohio"},
        ],
        "workspaces": {"ohio": {}, "south": {}},
    }
    ask = gateway.platform.caller.ask
    draft = await ask(made.name, SaveRoutingDraft(configuration=rules, actor="user:1"))
    await ask(made.name, PublishRouting(version=draft.version, expected=None, actor="user:1"))
    async with made.client:
        yield made


async def new_lead(tenancy: Tenancy, **fields: str) -> str:
    lead = {
        "source_system": "crm", "source_id": uuid4().hex[:8], "full_name": "Ada <i>Example</i>", "phone": "(614) 555-0142",
        "geo": "Dublin, OH", "source": "Open house", "tier": "A", "timeline": "0-30",
    }  # fmt: skip
    return str(
        (await tenancy.client.post(tenancy.path("/leads"), json=lead | fields)).raise_for_status().json()["lead_id"]
    )


@asynccontextmanager
async def signed_in(gateway: Gateway, tenant: str, role: Role) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway.client() as client:
        client.headers.update(HTML)
        await gateway.sign_in(client, tenant, await gateway.user(tenant, role))
        yield client


@pytest.fixture
async def agent(gateway: Gateway, busy: Tenancy) -> AsyncIterator[httpx.AsyncClient]:
    async with signed_in(gateway, busy.name, Role.AGENT) as client:
        yield client


@pytest.fixture
async def admin(gateway: Gateway, busy: Tenancy) -> AsyncIterator[httpx.AsyncClient]:
    async with signed_in(gateway, busy.name, Role.ADMIN) as client:
        yield client


def text(page: str, panel: str | None = None) -> str:
    """What is read on the page, or on a part of it."""
    part = re.split(rf'<section class="panel" id="{panel}"', page)[1].split("</section>")[0] if panel else page
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^<>]*>", " ", part))).strip()


async def record(browser: httpx.AsyncClient, address: str, type_: str, at: str = NOON, **more: str) -> httpx.Response:
    return await browser.post(f"{address}/outcomes", data={"type": type_, "occurred_at": at, **more})


async def test_an_outcome_is_recorded_on_the_page_and_what_is_odd_about_it_is_said_beside_it(
    gateway: Gateway, agent: httpx.AsyncClient, busy: Tenancy
) -> None:
    lead_id = await new_lead(busy)
    address = f"/t/{busy.name}/leads/{lead_id}"

    async def empty() -> bool:
        page = (await agent.get(address)).raise_for_status().text
        return "No outcome yet" in page and '<span class="faint">no outcome</span>' in page

    await until(empty, what="the lead's arrival at outcomes")
    given = {"notes": "Called <b>twice</b>", "value": "", "currency": "", "reason_code": ""}
    answer = await record(agent, address, "appointment_set", **given)
    assert answer.status_code == 303
    page = (await agent.get(answer.headers["location"])).text
    assert ODD["appointment_before_contacted"] in text(page, "outcomes").replace("An appointment", "an appointment")
    assert "Called &lt;b&gt;twice&lt;/b&gt;" in page and 'badge-warning">mid funnel' in page
    again = await record(agent, address, "appointment_set", **given)
    assert again.status_code == 303 and "Recorded before" in (await agent.get(again.headers["location"])).text
    answer = await record(agent, address, "contacted", "2026-06-02T12:00:00")
    page = (await agent.get(answer.headers["location"])).text
    assert 'badge-info">top of funnel' in page
    history = await gateway.platform.caller.ask(busy.name, OutcomeHistory(lead_id=UUID(lead_id)))
    assert [(each.type, each.notes, each.recorded_by[:5]) for each in history.outcomes] == [
        ("appointment_set", "Called <b>twice</b>", "user:"), ("contacted", None, "user:"),
    ]  # fmt: skip


async def test_an_outcome_says_what_it_was_credited_to_once_the_lead_has_changed(
    agent: httpx.AsyncClient, busy: Tenancy
) -> None:
    named = {"source_id": uuid4().hex[:8], "intent": "seller"}
    address = f"/t/{busy.name}/leads/{await new_lead(busy, **named)}"

    async def recorded() -> bool:
        return (await record(agent, address, "contacted")).status_code == 303

    await until(recorded, what="the lead's arrival at outcomes")
    assert "Credited to" not in (await agent.get(address)).text
    await new_lead(busy, **named, source="Billboard")

    async def said() -> bool:
        return "Credited to open_house, dublin_oh, seller" in text((await agent.get(address)).text, "outcomes")

    await until(said, what="the change's arrival at outcomes")
    assert "now it would be billboard, dublin_oh, seller" in text((await agent.get(address)).text, "outcomes")


async def test_what_the_sequence_rules_block_is_said_in_the_form_and_an_admin_may_record_it_with_a_reason(
    agent: httpx.AsyncClient, admin: httpx.AsyncClient, busy: Tenancy
) -> None:
    address = f"/t/{busy.name}/leads/{await new_lead(busy)}"
    assert (await record(agent, address, "closed_won", value="1200.50", currency="USD")).status_code == 303
    blocked = await record(agent, address, "closed_lost", "2026-06-03T09:00:00", notes="Told us so")
    assert blocked.status_code == 409 and NOT_RECORDED["lost_after_won"] in text(blocked.text, "record")
    assert "Told us so" in blocked.text and 'value="2026-06-03T09:00:00"' in blocked.text, "nothing is typed twice"
    assert "override_reason" not in blocked.text and "An admin may" in blocked.text
    because = {"override_reason": "They changed their mind"}
    assert (await record(agent, address, "closed_lost", **because)).status_code == 403
    offered = await record(admin, address, "closed_lost")
    assert offered.status_code == 409 and 'name="override_reason"' in offered.text
    answer = await record(admin, address, "closed_lost", **because)
    page = (await admin.get(answer.headers["location"])).text
    assert "past the rules" in text(page, "outcomes") and because["override_reason"] in page
    assert "1,200.50 USD" in text(page, "outcomes")


async def test_who_recorded_an_outcome_is_named_to_whoever_may_see_users(
    gateway: Gateway, agent: httpx.AsyncClient, admin: httpx.AsyncClient, busy: Tenancy
) -> None:
    address = f"/t/{busy.name}/leads/{await new_lead(busy)}"
    async with gateway.client() as bo:
        await gateway.sign_in(bo, busy.name, await gateway.user(busy.name, name="Bo <i>Example</i>"))
        await record(bo, address, "contacted")
    assert "by Bo <i>Example</i>" in text((await admin.get(address)).text, "outcomes")
    assert "by user" in text((await agent.get(address)).text, "outcomes")


@pytest.mark.parametrize(
    ("at", "status", "says"),
    [("2999-01-01T00:00:00", 400, "lies in the future"), ("1066-10-14T09:00:00", 400, "since 1900")],
)
async def test_a_moment_that_cannot_be_is_refused_where_it_was_given(
    agent: httpx.AsyncClient, busy: Tenancy, at: str, status: int, says: str
) -> None:
    address = f"/t/{busy.name}/leads/{await new_lead(busy)}"
    answer = await record(agent, address, "contacted", at)
    assert answer.status_code == status and says in text(answer.text, "record")


async def test_an_outcome_is_taken_back_or_another_recorded_instead_and_both_stay_in_the_history(
    gateway: Gateway, agent: httpx.AsyncClient, busy: Tenancy
) -> None:
    lead_id = await new_lead(busy)
    address = f"/t/{busy.name}/leads/{lead_id}"
    await record(agent, address, "contacted")
    await record(agent, address, "closed_lost", "2026-06-04T12:00:00", reason_code="price_too_high")
    page = (await agent.get(address)).text
    instead = re.findall(r'href="([^"]*correct=[^"]*)"', page)
    form = (await agent.get(unescape(instead[-1]))).text
    assert "Record another outcome instead" in form and 'value="2026-06-04T12:00:00"' in form
    (action,) = re.findall(r'action="([^"]*/correct)"', form)
    sent = {"type": "closed_won", "occurred_at": "2026-06-04T12:00:00", "why_code": "mistake", "why": "The other lead"}
    answer = await agent.post(action, data=sent)
    assert answer.status_code == 303
    page = (await agent.get(answer.headers["location"])).text
    assert 'badge-good">won' in page and "taken back" in text(page, "outcomes") and "The other lead" in page
    (void,) = re.findall(r'action="([^"]*/void)"', page)[-1:]
    assert (await agent.post(void, data={"why_code": "", "why": ""})).status_code == 303
    page = (await agent.get(address)).text
    assert 'badge-info">top of funnel' in page and text(page, "outcomes").count("Taken back") == 2
    state = await gateway.platform.caller.ask(busy.name, LeadState(lead_id=UUID(lead_id)))
    assert (state.stage, state.won, state.lost) == ("top_of_funnel", False, False)


async def test_who_it_is_is_shown_once_for_a_purpose_and_audited(
    gateway: Gateway, agent: httpx.AsyncClient, busy: Tenancy
) -> None:
    lead_id = await new_lead(busy)
    address = f"/t/{busy.name}/leads/{lead_id}"
    page = (await agent.get(address)).text
    offered = re.search(r'<select id="purpose".*?</select>', page, re.DOTALL)
    assert offered and re.findall(r'value="([^"]+)"', offered[0]) == [purpose.value for purpose in PURPOSES]
    assert set(PURPOSES) == set(Purpose) and "Example" not in page and "5550142" not in page
    shown = await agent.post(f"{address}/reveal", data={"purpose": "work_lead"})
    assert shown.status_code == 200 and shown.headers["cache-control"] == "no-store"
    assert "Ada &lt;i&gt;Example&lt;/i&gt;" in shown.text and "+16145550142" in shown.text
    again = (await agent.get(address)).text
    assert "Example" not in again and "5550142" not in again
    audit = (await gateway.platform.caller.ask(busy.name, ListReveals(lead_id=UUID(lead_id)))).reveals
    assert [(row.purpose, row.role, str(row.actor)[:5]) for row in audit] == [("work_lead", "agent", "user:")]
    refused = await agent.post(f"{address}/reveal", data={"purpose": "fraud_check"})
    assert refused.status_code == 403 and "Example" not in refused.text
    assert 'role="alert"' in refused.text.split('id="person"')[1]


async def test_the_page_says_why_a_lead_went_where_it_did_and_an_agent_claims_and_closes_it(
    gateway: Gateway, agent: httpx.AsyncClient, admin: httpx.AsyncClient, busy: Tenancy
) -> None:
    lead_id = await new_lead(busy)
    address = f"/t/{busy.name}/leads/{lead_id}"
    page = (await agent.get(address)).text
    assert "texas: no match, geo" in text(page, "routing") and "buckeyes: matched" in text(page, "routing")
    refused = await agent.post(f"{address}/claim", data={"workspace": ""})
    assert refused.status_code in (403, 404, 409) and 'role="alert"' in refused.text.split('id="work"')[1]
    me = (await agent.get(f"/api/t/{busy.name}/me")).json()["actor"]
    ask = gateway.platform.caller.ask
    await ask(busy.name, UpsertAgent(user_id=me, workspaces=["ohio"], capacity=100))

    async def owned() -> bool:
        if (await ask(busy.name, GetLeadStatus(lead_id=UUID(lead_id)))).owner == me:
            return True
        return (await agent.post(f"{address}/claim", data={"workspace": ""})).status_code == 303

    await until(owned, what="the agent's having the lead")
    page = (await agent.get(address)).text
    assert "Owner you" in text(page, "work") and "Put it back" not in text(page, "work")
    assert (await agent.post(f"{address}/release")).status_code == 403
    assert "Put it back" in text((await admin.get(address)).text, "work")
    assert (await admin.post(f"{address}/release")).status_code == 303
    await until(owned, what="the agent's having the lead again")
    assert (await agent.post(f"{address}/complete")).status_code == 303
    assert "Status closed" in text((await agent.get(address)).text, "work")


async def test_the_page_has_the_messages_to_the_lead_and_why_one_has_not_left(gateway: Gateway, acme: Tenancy) -> None:
    async def made(path: str, body: dict[str, Any]) -> Any:
        return (await acme.client.post(acme.path(path), json=body)).raise_for_status().json()

    lead_id = await new_lead(acme, email="ada@example.com")
    template = await made("/templates", {"name": "hello", "kind": "email", "subject": "Hello", "body": "Hello"})
    steps = [{"kind": "email", "variants": [{"template_id": template["template_id"]}]}]
    await made("/campaigns", {"title": "Spring <b>fair</b>", "steps": steps})
    async with signed_in(gateway, acme.name, Role.VIEWER) as viewer:

        async def explained() -> str:
            page = (await viewer.get(f"/t/{acme.name}/leads/{lead_id}")).raise_for_status().text
            return page if "Why it has not been sent" in page else ""

        page = await until(explained, what="a message that waits")
        told = text(page, "outreach")
        assert (
            "Spring <b>fair</b>, step 1, email queued" in told and "Why it has not been sent: account healthy" in told
        )
        assert "keeps it account healthy" in told and "passes campaign running" in told


async def test_the_timeline_has_every_event_of_the_lead_a_page_at_a_time(
    gateway: Gateway, agent: httpx.AsyncClient, busy: Tenancy
) -> None:
    lead_id = await new_lead(busy, geo="Bonn")
    address = f"/t/{busy.name}/leads/{lead_id}"
    for day in range(1, 28):
        await record(agent, address, "contacted", f"2026-05-{day:02}T12:00:00")

    async def stored() -> list[str]:
        page = await gateway.platform.caller.ask(busy.name, ListEvents(lead_id=UUID(lead_id), limit=200))
        found = [str(event.event_id) for event in page.events]
        types = [event.type.split(".")[2] for event in page.events]
        whole = types.count("outcome_recorded") == 27 and {"lead_accepted", "lead_unrouted"} <= set(types)
        return found if whole else []

    events = await until(stored, what="the events' arrival")
    page = (await agent.get(address)).text
    seen = re.findall(r"As it was told<span class=\"unseen\">: [^<]*?([0-9a-f-]{36})</span>", page)
    assert len(seen) == 25 and "Outcome recorded" in page
    (following,) = re.findall(r'rel="next" href="([^"]*cursor=[^"]*)"', page)
    page = (await agent.get(unescape(following))).text
    seen += re.findall(r"As it was told<span class=\"unseen\">: [^<]*?([0-9a-f-]{36})</span>", page)
    assert seen == events
    assert "Lead accepted" in page


async def test_who_only_reads_sees_the_page_without_a_form_and_a_lead_of_nobody_is_not_found(
    gateway: Gateway, busy: Tenancy, anyone: Tenancy
) -> None:
    lead_id, elsewhere = await new_lead(busy), await new_lead(anyone)
    async with signed_in(gateway, busy.name, Role.VIEWER) as viewer:
        page = (await viewer.get(f"/t/{busy.name}/leads/{lead_id}")).raise_for_status().text
        forms = re.findall(r'<form[^>]* method="post" action="([^"]+)"', page)
        assert forms == [f"/t/{busy.name}/sign-out"]
        answers = [await viewer.get(f"/t/{busy.name}/leads/{id_}") for id_ in (elsewhere, uuid4())]
        assert [answer.status_code for answer in answers] == [404, 404]


async def test_a_lead_of_which_much_was_recorded_has_a_page_of_usual_size(
    agent: httpx.AsyncClient, busy: Tenancy
) -> None:
    lead_id = await new_lead(busy)
    outcomes = [
        {
            "type": "contacted",
            "occurred_at": f"2026-{n // 28 + 1:02}-{n % 28 + 1:02}T12:00:00Z",
            "notes": f"Call {n}: " + 'they said "yes" & <no>; ' * 800,
        }
        for n in range(120)
    ]
    for start in range(0, 120, 40):
        sent = {"lead": {"lead_id": lead_id}, "outcomes": outcomes[start : start + 40]}
        (await busy.client.post(busy.path("/outcomes"), json=sent)).raise_for_status()
    page = (await agent.get(f"/t/{busy.name}/leads/{lead_id}")).raise_for_status()
    assert len(page.content) <= 150_000 and "Later ones" in page.text
    later = unescape(re.findall(r'rel="next" href="([^"]+)"[^>]*>Later ones', page.text)[0])
    page = (await agent.get(later)).raise_for_status()
    assert len(page.content) <= 150_000
    shown = re.search(r'<p class="written">(Call \d+): [^<]*… <a href="([^"]+)">All of it', page.text)
    assert shown, "a note is cut, and says where the rest of it is"
    whole = (await agent.get(unescape(shown[2]))).raise_for_status().text
    note = re.search(rf'<p class="written">({shown[1]}: [^<]*)</p>', whole)
    assert note and len(unescape(note[1])) > 10_000, "the page opened at one shows all of it"
    assert whole.count("All of it") == page.text.count("All of it") - 1


async def test_codes_are_taken_as_people_type_them(gateway: Gateway, agent: httpx.AsyncClient, busy: Tenancy) -> None:
    lead_id = await new_lead(busy)
    typed = {"value": "1200", "currency": " usd ", "reason_code": "Price too high"}
    assert (await record(agent, f"/t/{busy.name}/leads/{lead_id}", "closed_won", **typed)).status_code == 303
    (kept,) = (await gateway.platform.caller.ask(busy.name, OutcomeHistory(lead_id=UUID(lead_id)))).outcomes
    assert (kept.currency, kept.reason_code) == ("USD", "price_too_high")
