"""How much agents have to do, and how fairly that is spread."""

from datetime import timedelta

import pytest

from contracts.intake.distribution import CompleteWork, GetAgent, GetWorkload, ListAgents, ListWorkspaces, SetTimeOff
from contracts.message import ProblemError
from tests.intake.distribution.scene import Scene


async def test_an_agents_workload_counts_what_they_hold_and_what_they_closed_in_their_own_day(scene: Scene) -> None:
    await scene.publish(desk={})
    await scene.agent("a", 4, time_zone="Asia/Tokyo")  # where it is 18:00
    first, second, _ = await scene.leads(3)
    await scene.fill()
    scene.pass_time(hours=5)  # 23:00
    await scene.ask(CompleteWork(lead_id=first, actor="a"))
    workload = (await scene.ask(GetAgent(user_id="a"))).workload
    assert (workload.active_leads, workload.completed_today, workload.capacity_score) == (2, 1, 0.5)
    assert workload.average_completion_seconds == timedelta(hours=5).total_seconds()
    scene.pass_time(hours=2)  # 01:00 of the next day
    await scene.ask(CompleteWork(lead_id=second, actor="a"))
    workload = (await scene.ask(GetAgent(user_id="a"))).workload
    assert (workload.active_leads, workload.completed_today, workload.capacity_score) == (1, 1, 0.75)
    assert workload.average_completion_seconds == timedelta(hours=6).total_seconds()


async def test_fairness_is_live_and_in_proportion_to_capacity(scene: Scene) -> None:
    await scene.publish(desk={"chain": [{"kind": "load_balanced"}]})
    await scene.agent("small", 10)
    await scene.agent("large", 30)
    await scene.agent("away", 50)
    await scene.ask(SetTimeOff(user_id="away", starts_at=scene.now))
    leads = await scene.leads(20)
    await scene.fill()
    seen = await scene.ask(GetWorkload(workspace="desk"))
    assert (seen.fairness, seen.active_leads, seen.waiting) == (1.0, 20, 0)
    assert {agent.user_id: agent.active_leads for agent in seen.agents} == {"away": 0, "large": 15, "small": 5}
    owners = await scene.owners()
    for lead in leads:
        if owners[lead] == "small":
            await scene.ask(CompleteWork(lead_id=lead, actor="small"))
    assert (await scene.ask(GetWorkload(workspace="desk"))).fairness == 0.5


@pytest.mark.parametrize("kind", ["round_robin", "load_balanced"])
async def test_leads_are_given_out_in_proportion_to_weight_and_that_is_fair(scene: Scene, kind: str) -> None:
    await scene.publish(desk={"chain": [{"kind": kind}]})
    await scene.agent("light", 30, weight=1)
    await scene.agent("heavy", 30, weight=3)
    await scene.leads(20)
    await scene.fill()
    seen = await scene.ask(GetWorkload(workspace="desk"))
    assert {agent.user_id: agent.active_leads for agent in seen.agents} == {"heavy": 15, "light": 5}
    assert seen.fairness == 1.0


async def test_the_workspaces_are_listed_a_page_at_a_time_each_as_its_own_workload_says(scene: Scene) -> None:
    await scene.publish(desk={}, field={}, attic={}, east={"chain": [{"kind": "manual"}]})
    await scene.agent("small", 10)
    await scene.agent("large", 30, workspaces=["desk", "field"])
    await scene.leads(7)
    await scene.leads(2, workspace="attic")
    await scene.fill()
    await scene.agent("none", 0, workspaces=["field"])
    first = await scene.ask(ListWorkspaces(limit=3))
    rest = await scene.ask(ListWorkspaces(limit=3, cursor=first.next_cursor))
    found = [*first.workspaces, *rest.workspaces]
    assert [seen.workspace for seen in found] == ["attic", "desk", "east", "field"] and rest.next_cursor is None
    assert (found[0].waiting, found[1].active_leads) == (2, 7)
    assert [seen.agent_count for seen in found] == [0, 2, 0, 2]
    for seen in found:
        whole = await scene.ask(GetWorkload(workspace=seen.workspace))
        assert seen.model_dump(exclude={"agent_count"}) == whole.model_dump(exclude={"agents"})
        assert seen.agent_count == len(whole.agents)


async def test_a_workspace_that_does_not_exist_has_no_workload(scene: Scene) -> None:
    with pytest.raises(ProblemError):
        await scene.ask(GetWorkload(workspace="moon"))


async def test_agents_are_listed_by_workspace_a_page_at_a_time(scene: Scene) -> None:
    await scene.publish(desk={})
    for user in ("a", "b", "c"):
        await scene.agent(user, workspaces=["desk", "field"] if user != "b" else ["field"], roles=["senior"])
    first = await scene.ask(ListAgents(limit=2))
    rest = await scene.ask(ListAgents(limit=2, cursor=first.next_cursor))
    assert [agent.user_id for agent in (*first.agents, *rest.agents)] == ["a", "b", "c"]
    assert rest.next_cursor is None
    assert [agent.user_id for agent in (await scene.ask(ListAgents(workspace="desk"))).agents] == ["a", "c"]


async def test_a_profile_is_kept_as_it_was_given(scene: Scene) -> None:
    hours = {"mon": [{"start": "09:00", "end": "12:00"}, {"start": "22:00", "end": "06:00"}]}
    view = await scene.agent(
        "user:7", 5, workspaces=["desk"], weight=2, roles=["senior"], regions=["*_oh", "dublin_oh"], working_hours=hours,
        time_zone="Europe/Berlin",
    )  # fmt: skip
    assert view.model_dump(mode="json", exclude={"workload"}) == {
        "user_id": "user:7", "workspaces": ["desk"], "capacity": 5, "weight": 2, "roles": ["senior"],
        "regions": ["*_oh", "dublin_oh"], "working_hours": hours, "time_zone": "Europe/Berlin", "active": True, "version": 1,
        "time_off": [],
    }  # fmt: skip
    assert (await scene.ask(GetAgent(user_id="user:7"))) == view
