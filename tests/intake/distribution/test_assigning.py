"""Giving out what waits: to whom, in which order, and what is written down and told."""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from chassis.keys import FileKeyService, TenantKeys
from contracts.intake.distribution import AssignLead, LeadAssigned, RemoveAgent, UnassignLead
from contracts.intake.leads import SubmitLead
from contracts.intake.routing import RouteLead, WorkStatus
from contracts.intake.workspaces import OnAbsence
from intake import locks
from intake.distribution import store, store_agents
from intake.distribution.arriving import route
from intake.distribution.assigning import Newcomer, give_out
from intake.distribution.staffing import workspaces_of
from intake.routing import store as routing
from intake.routing.placing import Arrival
from intake.routing.published import published
from intake.routing.store import Placement
from intake.submissions.submitting import submit
from tests.intake.distribution.scene import BEGIN, Scene
from tests.platform import Platform

ROUND_ROBIN = {"chain": [{"kind": "round_robin"}]}


async def test_the_oldest_waiting_leads_are_given_out_first_as_far_as_there_is_room(scene: Scene) -> None:
    await scene.publish(desk=ROUND_ROBIN)
    first, second, third = await scene.leads(3)
    await scene.agent("a", 2)
    assert await scene.owners() == {first: "a", second: "a"}
    assert {lead: row["status"] for lead, row in (await scene.work()).items()} == {
        first: "assigned", second: "assigned", third: "routed",
    }  # fmt: skip
    await scene.agent("b", 5)
    assert (await scene.owners())[third] == "b"


async def test_an_assignment_is_told_and_its_reasons_are_kept(scene: Scene) -> None:
    await scene.publish(desk={**ROUND_ROBIN, "sla_minutes": 15})
    await scene.agent("a", 2)
    await scene.agent("asleep", working_hours={})
    (lead,) = await scene.leads(1)
    assert await scene.fill("desk") == {lead}
    (event,) = scene.events(LeadAssigned)
    assert (event.lead_id, event.user_id, event.workspace, event.version) == (lead, "a", "desk", 1)
    assert (event.assigned_by, event.actor, event.due_at) == ("rule", None, BEGIN + timedelta(minutes=15))
    ((kind, trace),) = await scene.traces(lead)
    assert kind == "assigned"
    assert trace == {
        "workspace": "desk",
        "assigned_by": "rule",
        "version": 1,
        "user_id": "a",
        "steps": [{"kind": "round_robin"}],
        "verdicts": {"off_hours": ["asleep"]},
        "eligible": {"a": "0/2"},
    }


async def test_a_workspace_without_a_chain_balances_load_and_that_is_the_systems_decision(scene: Scene) -> None:
    await scene.publish(desk={})
    await scene.agent("small", 10)
    await scene.agent("large", 30)
    await scene.leads(20)
    await scene.fill()
    owners = list((await scene.owners()).values())
    assert (owners.count("small"), owners.count("large")) == (5, 15)
    assert {event.assigned_by for event in scene.events(LeadAssigned)} == {"system"}


async def newcomers(scene: Scene, count: int, limit: int = 500) -> tuple[list[UUID], set[UUID]]:
    """Leads that rules send to the desk at this moment; returns them, and all that were given out."""
    leads = await scene.leads(count)
    async with scene.unit() as uow:
        await uow.execute(
            "delete from work where tenant_id = :tenant and lead_id = any(:leads)", tenant=scene.tenant, leads=leads
        )
        arriving = [
            Newcomer(
                Placement(lead, WorkStatus.ROUTED, "desk", "vip", "all", 1, scene.now), None, '{"rule": "all"}', None
            )
            for lead in leads
        ]
        await locks.distribution(uow, scene.tenant)
        given, _ = await give_out(uow, scene.tenant, await workspaces_of(uow, scene.tenant), limit, newcomers=arriving)
    return leads, given


async def hire(scene: Scene, user: str, capacity: int) -> None:
    """An agent to whom nothing is given out yet."""
    profile = {
        "user_id": user, "workspaces": ["desk"], "capacity": capacity, "weight": 1, "roles": [], "regions": [],
        "working_hours": None, "time_zone": "UTC", "active": True,
    }  # fmt: skip
    async with scene.unit() as uow:
        await store_agents.keep(uow, scene.tenant, profile)


async def test_who_has_just_come_stands_behind_all_that_wait(scene: Scene) -> None:
    await scene.publish(desk={})
    waiting = await scene.leads(3)
    await hire(scene, "a", 4)
    scene.pass_time(minutes=1)
    (first, second), given = await newcomers(scene, 2)
    assert given == set(await scene.owners()) == {*waiting, first}
    assert second not in await scene.work(), "it is whoever routes it who has it wait"


async def test_a_unit_gives_out_no_more_than_its_limit_newcomers_included(scene: Scene) -> None:
    await scene.publish(desk={})
    waiting = await scene.leads(2)
    await hire(scene, "a", 10)
    (first, _), given = await newcomers(scene, 2, limit=3)
    assert given == {*waiting, first}


async def test_who_is_given_to_somebody_at_once_has_one_decision_and_one_event_for_route_and_owner(
    scene: Scene,
) -> None:
    await scene.publish(desk={**ROUND_ROBIN, "sla_minutes": 15})
    await hire(scene, "a", 10)
    await hire(scene, "b", 10)
    leads, given = await newcomers(scene, 3)
    assert given == set(leads)
    for lead, user, loads in zip(
        leads, "aba", [{"a": "0/10", "b": "0/10"}, {"a": "1/10", "b": "0/10"}, {"a": "1/10", "b": "1/10"}], strict=True
    ):
        ((kind, trace),) = await scene.traces(lead)
        assert (kind, trace["user_id"], trace["eligible"], trace["route"]) == ("assigned", user, loads, {"rule": "all"})
        work = (await scene.work())[lead]
        assert (work["status"], work["workspace"], work["sub_vertical"], work["rule"]) == (
            "assigned",
            "desk",
            "vip",
            "all",
        )
    assert [event.lead_id for event in scene.told if isinstance(event, LeadAssigned)] == leads
    event = scene.events(LeadAssigned)[0]
    assert (event.version, event.rule, event.sub_vertical, event.routing_version) == (1, "all", "vip", 1)
    assert event.due_at == BEGIN + timedelta(minutes=15)


async def test_what_decisions_have_in_common_is_kept_once(scene: Scene) -> None:
    await scene.publish(desk={})
    await hire(scene, "a", 500)
    await newcomers(scene, 100)
    assert len(await scene.rows("select lead_id from decision where tenant_id = :tenant")) == 100
    assert len(await scene.rows("select grounds_id from grounds where tenant_id = :tenant")) == 2, "a route and a round"


async def test_turns_go_on_where_they_stood(scene: Scene) -> None:
    await scene.publish(desk=ROUND_ROBIN)
    for user in "abc":
        await scene.agent(user)
    for _ in range(9):
        await scene.leads(1)
        await scene.fill("desk")
    owners = list((await scene.owners()).values())
    assert [owners.count(user) for user in "abc"] == [3, 3, 3]


async def test_a_lead_that_nobody_may_have_keeps_none_behind_it_waiting(scene: Scene) -> None:
    await scene.publish(desk={"chain": [{"kind": "region"}]})
    await scene.agent("ohio", 5, regions=["*_oh"])
    far = await scene.leads(3, geo="paris")
    unknown = await scene.leads(1)
    near = await scene.leads(2, geo="dublin_oh")
    await scene.fill()
    assert await scene.owners() == dict.fromkeys(near, "ohio")
    await scene.agent("anywhere", 5, regions=["unknown", "paris"])
    assert set(await scene.owners()) == {*far, *unknown, *near}


async def test_whoever_works_in_two_workspaces_is_filled_once(scene: Scene) -> None:
    await scene.publish(desk={}, field={})
    await scene.agent("both", 3, workspaces=["desk", "field"])
    await scene.leads(3, "desk")
    await scene.leads(3, "field")
    assert len(await scene.fill()) == 3
    assert await scene.fill() == set()


async def test_leads_of_a_manual_workspace_wait_for_a_person(scene: Scene) -> None:
    await scene.publish(desk={"chain": [{"kind": "manual"}]})
    await scene.agent("a")
    await scene.leads(1)
    assert await scene.fill() == set()


async def test_work_begins_with_the_agents_hours(scene: Scene) -> None:
    await scene.publish(desk={})
    await scene.agent("a", working_hours={"mon": [{"start": "09:00", "end": "17:00"}]}, time_zone="America/New_York")
    (lead,) = await scene.leads(1)
    assert await scene.minute() == {"returned": 0, "overdue": 0, "assigned": 0}, "in New York it is four in the morning"
    scene.pass_time(hours=5)
    assert await scene.minute() == {"returned": 0, "overdue": 0, "assigned": 1}
    assert await scene.owners() == {lead: "a"}


@pytest.mark.parametrize("rows", [501])
async def test_a_long_queue_is_drained_batch_by_batch(scene: Scene, rows: int) -> None:
    await scene.publish(desk={})
    waiting = await scene.leads(rows)
    await scene.agent("a", 10_000)
    assert len(await scene.owners()) == 500
    assert (await scene.minute())["assigned"] == rows - 500
    assert set(await scene.owners()) == set(waiting)


async def test_when_leads_come_what_waits_for_an_agent_of_its_place_is_not_gone_through(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands may wait for a place that nobody takes; they are looked at when somebody has room."""
    await scene.publish([{"name": "all", "workspace": "desk"}], desk={"chain": [{"kind": "region"}]})
    await scene.leads(3, geo="austin_tx")
    await scene.agent("a", regions=["*_oh"])
    asked, waiting = [], store.waiting

    async def watched(*arguments: Any) -> Any:
        asked.append(arguments)
        return await waiting(*arguments)

    monkeypatch.setattr(store, "waiting", watched)
    facts = {"geo_key": "dublin_oh", "metadata": {}}
    lead = uuid7()
    async with scene.unit() as uow:
        await route(uow, scene.tenant, await published(uow, scene.tenant), [Arrival(lead, facts, scene.now)])
    assert (await scene.owners(), asked) == ({lead: "a"}, [])
    await scene.fill()
    assert len(asked) == 1


async def come(scene: Scene, count: int, geo: str) -> list[UUID]:
    """Leads that rules send to where they belong at this moment."""
    leads = await scene.leads(count, geo=geo)
    async with scene.unit() as uow:
        await routing.drop_work(uow, scene.tenant, leads)
        facts = {"geo_key": geo, "metadata": {}}
        await route(
            uow, scene.tenant, await published(uow, scene.tenant), [Arrival(lead, facts, scene.now) for lead in leads]
        )
    return leads


RULES = [{"name": "all", "workspace": "desk"}]
CHAIN = {"chain": [{"kind": "region"}, {"kind": "role", "role": "senior"}]}
AUSTIN = "austin_tx"


async def by_arrival(scene: Scene) -> UUID:
    (lead,) = await come(scene, 1, AUSTIN)
    return lead


async def by_change(scene: Scene) -> UUID:
    (lead,) = await scene.leads(1, workspace=None, geo=AUSTIN)
    async with scene.unit() as uow:
        facts = {"geo_key": AUSTIN, "metadata": {}}
        await route(
            uow, scene.tenant, await published(uow, scene.tenant), [Arrival(lead, facts, scene.now, changed=True)]
        )
    return lead


async def by_publication(scene: Scene) -> UUID:
    (lead,) = await scene.leads(1, workspace=None, geo=AUSTIN)
    await scene.publish(RULES, desk=CHAIN)
    await scene.apply_routing()
    return lead


async def by_hand(scene: Scene) -> UUID:
    (lead,) = await scene.leads(1, workspace=None, geo=AUSTIN)
    await scene.ask(RouteLead(lead_id=lead, workspace="desk", actor="user:7"))
    return lead


async def by_being_put_back(scene: Scene) -> UUID:
    lead = await by_arrival(scene)
    await scene.ask(AssignLead(lead_id=lead, user_id="elsewhere", actor="user:7", override=True))
    await scene.ask(UnassignLead(lead_id=lead, actor="user:7"))
    return lead


async def by_absence(scene: Scene) -> UUID:
    lead = await by_arrival(scene)
    await scene.agent("leaving")
    await scene.ask(AssignLead(lead_id=lead, user_id="leaving", actor="user:7"))
    await scene.ask(RemoveAgent(user_id="leaving", held=OnAbsence.RETURN_TO_QUEUE))
    return lead


async def by_a_missed_contact(scene: Scene) -> UUID:
    lead = await by_arrival(scene)
    await scene.publish(RULES, desk={**CHAIN, "sla_minutes": 15})
    await scene.ask(AssignLead(lead_id=lead, user_id="elsewhere", actor="user:7", override=True))
    scene.pass_time(minutes=16)
    await scene.minute()
    return lead


WAYS = [
    (by_arrival, "routed", {"rule": "all"}),
    (by_change, "routed", {"rule": "all"}),
    (by_publication, "routed", {"rule": "all"}),
    (by_hand, "routed_by_hand", {"by": "user:7"}),
    (by_being_put_back, "unassigned", {"user_id": "elsewhere", "reason": "unassigned"}),
    (by_absence, "unassigned", {"user_id": "leaving", "reason": "absent"}),
    (by_a_missed_contact, "unassigned", {"user_id": "elsewhere", "reason": "sla_missed"}),
]  # fmt: skip
"""How a lead comes to wait, by which decision, and what is told in it."""


@pytest.mark.parametrize(("way", "kind", "told"), WAYS)
async def test_why_nobody_can_be_given_a_lead_that_comes_to_wait_is_kept_for_good(
    scene: Scene, way: Callable[[Scene], Awaitable[UUID]], kind: str, told: dict[str, Any]
) -> None:
    await scene.publish(RULES, desk=CHAIN)
    await scene.agent("elsewhere", regions=["*_oh"])
    await scene.agent("full", 1, regions=["*_tx"])
    await scene.agent("off", regions=["*_tx"], working_hours={})
    owned, waiting = await come(scene, 2, AUSTIN)
    lead = await way(scene)
    assert await scene.owners() == {owned: "full"}
    assert len(await scene.traces(waiting)) == 1, "of what merely goes on waiting nothing is written"
    await scene.agent("full", 5, regions=["*_tx"])
    assert await scene.owners() == dict.fromkeys((owned, waiting, lead), "full")
    *_, kept, assigned = await scene.traces(lead)
    assert (kept[0], assigned[0]) == (kind, "assigned")
    assert kept[1].items() >= {"workspace": "desk", **told}.items()
    over = {"passed_over": ["elsewhere"]} if told.get("user_id") == "elsewhere" else {}
    assert kept[1]["nobody_took_it"] == {
        "steps": [
            {"kind": "region", "other_region": ["elsewhere"]},
            {"kind": "role", "role": "senior", "other_role": ["elsewhere", "full"]},
        ],
        "verdicts": {"off_hours": ["off"], **over, "full": ["full"]},
    }


@pytest.mark.parametrize(
    ("way", "kind"), [(by_change, "routed"), (by_publication, "routed"), (by_hand, "routed_by_hand")]
)
async def test_what_has_a_lead_wait_that_somebody_is_given_at_once_stands_before_who_got_it(
    scene: Scene, way: Callable[[Scene], Awaitable[UUID]], kind: str
) -> None:
    await scene.publish(RULES, desk=CHAIN)
    await scene.agent("a", regions=["*_tx"])
    lead = await way(scene)
    assert await scene.owners() == {lead: "a"}
    routed, assigned = await scene.traces(lead)
    assert (routed[0], assigned[0]) == (kind, "assigned")
    assert "nobody_took_it" not in routed[1]


async def test_of_many_leads_that_nobody_can_be_given_what_their_reasons_have_in_common_is_kept_once(
    scene: Scene,
) -> None:
    await scene.publish([{"name": "all", "workspace": "desk"}], desk={})
    await scene.agent("off", working_hours={})
    leads = await come(scene, 100, "austin_tx")
    assert len(await scene.rows("select grounds_id from grounds where tenant_id = :tenant")) == 2, "a route and a round"
    for lead in leads:
        ((kind, trace),) = await scene.traces(lead)
        assert (kind, trace["nobody_took_it"]["verdicts"]) == ("routed", {"off_hours": ["off"]})


async def test_a_batch_of_newcomers_takes_the_same_number_of_statements_however_many_they_are(
    scene: Scene, platform: Platform
) -> None:
    """From storing them to giving them out."""
    await scene.publish(RULES, desk={**ROUND_ROBIN, "sla_minutes": 15})
    await hire(scene, "a", 10_000)
    await hire(scene, "b", 10_000)
    keys = TenantKeys(FileKeyService(platform.key_file))

    async def statements(count: int) -> Counter[str]:
        submissions = [
            scene.received(
                SubmitLead(
                    source_system="web",
                    source_id=str(uuid7()),
                    full_name="Jane",
                    email=f"{uuid7()}@example.com",
                    geo="Austin, TX",
                )
            )
            for _ in range(count)
        ]
        told = len(scene.events(LeadAssigned))
        issued: Counter[str] = Counter()
        async with scene.unit() as uow:
            key, execute = await keys.of(uow, scene.tenant), uow.execute

            async def counted(statement: str, *arguments: Any, **parameters: Any) -> Any:
                issued[statement] += 1
                return await execute(statement, *arguments, **parameters)

            uow.execute = counted  # type: ignore[method-assign]
            await submit(uow, key, submissions, strict=False)
        assert len(scene.events(LeadAssigned)) - told == count
        return issued

    await statements(1)  # what is remembered of the rules is remembered now
    assert await statements(500) == await statements(1)
