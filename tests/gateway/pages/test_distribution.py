"""Distribution: how work is spread, who takes it and when, and what waits for a person to give it away."""

import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any
from uuid import UUID

import httpx
import pytest

from contracts.intake.distribution import GetAgent, GetWorkload, UpsertAgent, Weekday
from contracts.intake.privacy import ListReveals
from contracts.intake.routing import GetLeadStatus, PublishRouting, SaveRoutingDraft
from contracts.taxonomy import Role
from tests.gateway.conftest import Gateway, Tenancy

CONFIGURATION = {
    "rules": [{"name": "ohio_leads", "when": {"geo": ["ohio"]}, "workspace": "ohio"}],
    "workspaces": {"ohio": {"chain": [{"kind": "round_robin"}]}, "texas": {}},
}


class Floor:
    """A tenant whose leads of Ohio go to a workspace, and a browser of its operator."""

    def __init__(self, gateway: Gateway, acme: Tenancy, browser: httpx.AsyncClient) -> None:
        self._gateway = gateway
        self._acme = acme
        self.browser = browser
        self.home = f"/t/{acme.name}/distribution"

    async def ask(self, request: Any) -> Any:
        return await self._gateway.platform.caller.ask(self._acme.name, request)

    async def agent(self, user_id: str, capacity: int, *workspaces: str) -> None:
        await self.ask(UpsertAgent(user_id=user_id, workspaces=list(workspaces or ["ohio"]), capacity=capacity))

    async def lead(self, name: str, geo: str = "Ohio") -> str:
        lead = {"source_system": "crm", "source_id": name, "full_name": "Zebedee Quark", "geo": geo}
        return str((await self._acme.client.post(self._acme.path("/leads"), json=lead)).json()["lead_id"])

    async def owner(self, lead_id: str) -> str | None:
        found: str | None = (await self.ask(GetLeadStatus(lead_id=UUID(lead_id)))).owner
        return found

    async def get(self, path: str) -> str:
        response = await self.browser.get(self.home + path)
        assert response.status_code == 200, response.text
        assert len(response.content) < 150_000 and not re.search("zebedee|quark", response.text, re.IGNORECASE)
        return unescape(response.text)


@pytest.fixture
async def floor(gateway: Gateway, acme: Tenancy) -> AsyncIterator[Floor]:
    draft = SaveRoutingDraft.model_validate({"configuration": CONFIGURATION, "actor": "user:7"})
    saved = await gateway.platform.caller.ask(acme.name, draft)
    publish = PublishRouting(version=saved.version, expected=None, actor="user:7")
    await gateway.platform.caller.ask(acme.name, publish)
    async with gateway.client() as client:
        client.headers["Accept"] = "text/html"
        await gateway.sign_in(client, acme.name, await gateway.user(acme.name, Role.OPERATOR))
        yield Floor(gateway, acme, client)


async def test_how_work_is_spread_is_shown_as_intake_counts_it(floor: Floor) -> None:
    assert "no agent" in await floor.get("")
    await floor.agent("a", 4)
    for n in range(4):
        await floor.lead(f"L-{n}")
    await floor.agent("b", 4)
    await floor.lead("L-4")
    found = await floor.ask(GetWorkload(workspace="ohio"))
    assert round(found.fairness, 2) == 0.74 and [agent.load for agent in found.agents] == [1.0, 0.25]

    page = await floor.get("")
    assert f'<data value="{found.fairness}">0.74</data>' in page and "uneven" in page
    page = await floor.get("/workspaces/ohio")
    shares = re.findall(r'class="load-held" width="([\d.]+)"', page)
    assert shares == ["100.0", "25.0"] and set(re.findall(r'class="load-even" x="([\d.]+)"', page)) == {"62.5"}
    assert re.findall(r'<data value="([\d.]+)">\d+ %</data>', page) == ["0.0", "0.75"], "the capacity scores"
    assert (await floor.browser.get(f"{floor.home}/workspaces/none")).status_code == 404


async def test_workspaces_are_read_together_and_not_one_by_one(floor: Floor) -> None:
    many = {"rules": [], "workspaces": {f"team_{n:02}": {} for n in range(51)}}
    saved = await floor.ask(SaveRoutingDraft.model_validate({"configuration": many, "actor": "user:7"}))
    await floor.ask(PublishRouting(version=saved.version, expected=1, actor="user:7"))
    page = await floor.get("")
    assert re.findall(r"/workspaces/(team_\d+)", page) == [f"team_{n:02}" for n in range(50)]
    (rest,) = re.findall(r'rel="next" href="[^"]*/distribution([^"]*)"', page)
    assert re.findall(r"/workspaces/(team_\d+)", await floor.get(rest)) == ["team_50"]


async def test_leads_that_wait_are_chosen_and_given_away(floor: Floor) -> None:
    waiting = [await floor.lead(f"L-{n}") for n in range(3)]
    nowhere = await floor.lead("L-nowhere", geo="Mars")
    await floor.agent("away", 5, "texas")
    queue = f"{floor.home}/queue/give?workspace=ohio"
    page = await floor.get("/queue?workspace=ohio")
    assert re.findall(r'name="lead_ids" value="([^"]+)"', page) == waiting, "who has waited longest comes first"
    assert "Nobody could be given it" in page

    none = await floor.browser.post(queue, data={"to": "agent", "user_id": "away"})
    assert none.status_code == 400 and "Choose the leads that are meant" in none.text
    chosen = {"lead_ids": waiting[:2], "to": "agent", "user_id": "away"}
    refused = await floor.browser.post(queue, data=chosen)
    assert refused.status_code == 409 and "2 of 2 stay in the queue" in refused.text
    assert len(re.findall('type="checkbox" name="lead_ids"[^>]* checked', refused.text)) == 2, "and are chosen still"
    assert (await floor.browser.post(queue, data=chosen | {"override": "1"})).status_code == 303
    assert [await floor.owner(lead) for lead in waiting] == ["away", "away", None]

    page = await floor.get("/queue")
    assert "No rule matches" in page and "geo does not match" in page and nowhere in page
    sent = await floor.browser.post(
        f"{floor.home}/queue/give", data={"lead_ids": [nowhere], "to": "workspace", "workspace": "texas"}
    )
    assert sent.status_code == 303 and "Nobody waits here" in await floor.get("/queue")
    assert await floor.owner(nowhere) == "away", "who had room there"

    mine = f"{floor.home}/agents/away"
    assert nowhere in await floor.get("/agents/away")
    back = await floor.browser.post(f"{mine}/leads", data={"lead_ids": [waiting[0]], "to": "queue"})
    assert back.status_code == 303 and await floor.owner(waiting[0]) is None
    await floor.agent("b", 0)
    full = await floor.browser.post(f"{mine}/leads", data={"lead_ids": [waiting[1]], "to": "agent", "user_id": "b"})
    assert full.status_code == 409 and await floor.owner(waiting[1]) == "away"


async def test_names_of_who_waits_and_of_an_agents_leads_are_shown_to_who_asks_each_audited(
    gateway: Gateway, acme: Tenancy, floor: Floor
) -> None:
    await floor.agent("a", 1)
    owned, waiting = [await floor.lead(f"L-{n}") for n in range(2)]
    async with gateway.client() as agent, gateway.client() as viewer:
        for client, role in ((agent, Role.AGENT), (viewer, Role.VIEWER)):
            client.headers["Accept"] = "text/html"
            await gateway.sign_in(client, acme.name, await gateway.user(acme.name, role))
        for path in ("/queue?workspace=ohio", "/agents/a"):
            (button,) = re.findall(r'class="names" method="post" action="([^"]+)"', await floor.get(path))
            assert unescape(button) == floor.home + path
            for client in (agent, floor.browser):
                named = await client.post(floor.home + path)
                assert named.status_code == 200 and "Zebedee Quark" in named.text, "and who may not give away, too"
            assert "Show names" not in (await viewer.get(floor.home + path)).text
            assert (await viewer.post(floor.home + path)).status_code == 403
        refused = await agent.post(f"{floor.home}/queue/give?workspace=ohio", data={"lead_ids": [waiting]})
        assert refused.status_code == 403 and (await agent.post(f"{floor.home}/agents/a/profile")).status_code == 403
    audit = await floor.ask(ListReveals(limit=500, purpose="work_lead"))
    assert sorted(str(row.lead_id) for row in audit.reveals) == sorted([owned, waiting] * 2)


async def test_an_agent_is_added_changed_away_and_removed(floor: Floor) -> None:
    add = f"{floor.home}/agents"
    wrong = await floor.browser.post(add, data={"user_id": "user:7", "workspaces": "ohio", "capacity": "many"})
    assert wrong.status_code == 400 and "Is no whole number" in wrong.text and 'value="many"' in wrong.text
    made = await floor.browser.post(add, data={"user_id": "user:7", "workspaces": "ohio", "capacity": "3"})
    assert made.headers["location"] == f"{add}/user:7"
    again = await floor.browser.post(add, data={"user_id": "user:7", "workspaces": "texas", "capacity": "9"})
    assert "Is an agent already" in again.text and (await floor.ask(GetAgent(user_id="user:7"))).capacity == 3

    own = f"{add}/user:7"
    profile = {
        "workspaces": "ohio, texas", "capacity": "5", "weight": "2", "roles": "senior", "regions": "ohio\ncolumbus_*",
        "time_zone": "America/New_York", "hours_mon": "09:00-12:00, 13:00-17:00", "active": "1",
    }  # fmt: skip
    assert (await floor.browser.post(f"{own}/profile", data=profile)).status_code == 303
    agent = await floor.ask(GetAgent(user_id="user:7"))
    assert (agent.workspaces, agent.weight, agent.regions) == (["ohio", "texas"], 2, ["ohio", "columbus_*"])
    assert [(shift.start, shift.end) for shift in agent.working_hours[Weekday.MON]] == [
        ("09:00", "12:00"), ("13:00", "17:00"),
    ]  # fmt: skip
    assert 'value="09:00-12:00, 13:00-17:00"' in await floor.get("/agents/user:7")
    for flaw, told in [
        ({"hours_tue": "nine to five"}, "Tuesday: write shifts like"),
        ({"hours_tue": "9-17"}, "tue.0.start"),
        ({"time_zone": "Ohio"}, "Not an IANA time zone"),
        ({"capacity": "-1"}, "greater than or equal to 0"),
    ]:
        refused = await floor.browser.post(f"{own}/profile", data=profile | flaw)
        assert refused.status_code == 400 and told in refused.text, flaw
    assert (await floor.browser.post(f"{own}/profile", data=profile | {"around_the_clock": "1"})).status_code == 303
    assert (await floor.ask(GetAgent(user_id="user:7"))).working_hours is None

    off = {"starts_at": "2036-12-21T00:00", "ends_at": "2036-12-28T00:00"}
    assert (await floor.browser.post(f"{own}/time-off", data=off)).status_code == 303
    (time_off,) = (await floor.ask(GetAgent(user_id="user:7"))).time_off
    assert time_off.starts_at.isoformat() == "2036-12-21T05:00:00+00:00", "by the agent's clock"
    wrong = await floor.browser.post(f"{own}/time-off", data={"starts_at": "2036-12-21T00:00", "ends_at": "2036-12-01"})
    assert wrong.status_code == 400 and "ends_at must be after starts_at" in wrong.text.lower()
    assert "Say from when on" in (await floor.browser.post(f"{own}/time-off", data={"starts_at": ""})).text.replace(
        "say", "Say"
    )
    one = f"{own}/time-off/{time_off.time_off_id}"
    assert (await floor.browser.post(one, data={"starts_at": "2036-12-22T00:00", "ends_at": ""})).status_code == 303
    (changed,) = (await floor.ask(GetAgent(user_id="user:7"))).time_off
    assert (changed.time_off_id, changed.ends_at) == (time_off.time_off_id, None)
    assert (await floor.browser.post(f"{one}/cancel")).status_code == 303
    assert (await floor.ask(GetAgent(user_id="user:7"))).time_off == []

    assert (await floor.browser.post(f"{own}/remove", data={"held": "return_to_queue"})).status_code == 303
    assert (await floor.browser.get(own)).status_code == 404


async def test_who_may_only_look_is_offered_nothing_to_do(gateway: Gateway, acme: Tenancy, floor: Floor) -> None:
    await floor.lead("L-1")
    await floor.agent("a", 0)
    async with gateway.client() as viewer:
        await gateway.sign_in(viewer, acme.name, await gateway.user(acme.name, Role.VIEWER))
        for path in ("", "/agents", "/agents/a", "/queue?workspace=ohio", "/workspaces/ohio"):
            page = await viewer.get(floor.home + path)
            assert page.status_code == 200
            forms = re.findall(r'method="post"[^>]*>\s*<(?:input|button|fieldset|label)', page.text)
            assert len(forms) <= 1 and 'type="checkbox"' not in page.text, "no more than signing out"
