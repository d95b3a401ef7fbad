"""What people decide about owners: one owner at a time, nobody past their capacity unless a person insists."""

import asyncio
from uuid import uuid4

import pytest

from contracts.intake.distribution import (
    AssignLead,
    ClaimLead,
    CompleteWork,
    LeadAssigned,
    LeadReassigned,
    LeadUnassigned,
    ListAssignments,
    ReassignLead,
    SetTimeOff,
    UnassignLead,
)
from contracts.message import ProblemCode, ProblemError, Request
from tests.intake.distribution.scene import Scene

MANUAL = {"chain": [{"kind": "manual"}]}


async def refused(scene: Scene, request: Request) -> tuple[ProblemCode, str | None]:
    with pytest.raises(ProblemError) as error:
        await scene.ask(request)
    return error.value.problem.code, error.value.problem.field


async def test_a_person_may_assign_past_the_rules_and_that_is_theirs(scene: Scene) -> None:
    await scene.publish(desk=MANUAL)
    await scene.agent("a")
    (lead,) = await scene.leads(1)
    given = await scene.ask(AssignLead(lead_id=lead, user_id="a", actor="boss"))
    assert (given.user_id, given.assigned_by, given.actor, given.workspace) == ("a", "user", "boss", "desk")
    assert (await scene.work())[lead]["status"] == "assigned"
    (event,) = scene.events(LeadAssigned)
    assert (event.assigned_by, event.actor) == ("user", "boss")
    assert await scene.ask(AssignLead(lead_id=lead, user_id="a", actor="boss")) == given, "said twice"
    ((_, trace),) = await scene.traces(lead)
    assert (trace["actor"], trace["user_id"], trace["standing"]) == ("boss", "a", "available")


async def test_a_lead_that_no_rule_matched_is_assigned_where_the_person_says(scene: Scene) -> None:
    await scene.publish(desk=MANUAL, field=MANUAL)
    await scene.agent("one")
    await scene.agent("two", workspaces=["desk", "field"])
    first, second = await scene.leads(2, workspace=None)
    assert (await scene.ask(AssignLead(lead_id=first, user_id="one", actor="boss"))).workspace == "desk"
    unclear = AssignLead(lead_id=second, user_id="two", actor="boss")
    assert await refused(scene, unclear) == ("invalid", "workspace")
    assert await refused(scene, unclear.model_copy(update={"workspace": "moon"})) == ("not_found", "workspace")
    assert (await scene.ask(unclear.model_copy(update={"workspace": "field"}))).workspace == "field"


async def test_work_past_capacity_hours_or_workspace_takes_an_override(scene: Scene) -> None:
    await scene.publish(desk=MANUAL)
    await scene.agent("full", 0)
    await scene.agent("asleep", working_hours={})
    await scene.agent("elsewhere", workspaces=["field"])
    await scene.agent("off", active=False)
    await scene.agent("away")
    await scene.ask(SetTimeOff(user_id="away", starts_at=scene.now))
    for user in ("full", "asleep", "elsewhere", "away"):
        (lead,) = await scene.leads(1)
        gift = AssignLead(lead_id=lead, user_id=user, actor="boss")
        assert await refused(scene, gift) == ("conflict", "user_id")
        assert (await scene.ask(gift.model_copy(update={"override": True}))).user_id == user
    (lead,) = await scene.leads(1)
    gift = AssignLead(lead_id=lead, user_id="off", actor="boss", override=True)
    assert await refused(scene, gift) == ("conflict", "user_id")


async def test_what_is_not_there_cannot_be_assigned(scene: Scene) -> None:
    await scene.publish(desk=MANUAL)
    await scene.agent("a")
    (lead,) = await scene.leads(1)
    assert await refused(scene, AssignLead(lead_id=uuid4(), user_id="a", actor="boss")) == ("not_found", "lead_id")
    assert await refused(scene, AssignLead(lead_id=lead, user_id="b", actor="boss")) == ("not_found", "user_id")
    for request in (
        ReassignLead(lead_id=lead, user_id="a", actor="boss"),
        UnassignLead(lead_id=lead, actor="boss"),
        CompleteWork(lead_id=lead, actor="boss"),
    ):
        assert await refused(scene, request) == ("conflict", "lead_id"), "nobody owns it"


async def test_of_many_who_claim_a_lead_at_once_one_gets_it_and_the_others_a_conflict(scene: Scene) -> None:
    await scene.publish(desk=MANUAL)
    users = [f"u{number}" for number in range(8)]
    for user in users:
        await scene.agent(user)
    (lead,) = await scene.leads(1)
    claims = (scene.ask(ClaimLead(lead_id=lead, user_id=user)) for user in users)
    results = await asyncio.gather(*claims, return_exceptions=True)
    (won,) = [result for result in results if not isinstance(result, BaseException)]
    lost = [result.problem.code for result in results if isinstance(result, ProblemError)]
    assert lost == [ProblemCode.CONFLICT] * 7
    assert await scene.owners() == {lead: won.user_id}
    assert await scene.ask(ClaimLead(lead_id=lead, user_id=won.user_id)) == won, "claimed twice"


async def test_nobody_claims_past_their_capacity_or_from_a_foreign_workspace(scene: Scene) -> None:
    await scene.publish(desk=MANUAL)
    await scene.agent("full", 0)
    await scene.agent("elsewhere", workspaces=["field"])
    await scene.agent("night_owl", working_hours={})
    (lead,) = await scene.leads(1)
    assert await refused(scene, ClaimLead(lead_id=lead, user_id="full")) == ("conflict", "user_id")
    assert await refused(scene, ClaimLead(lead_id=lead, user_id="elsewhere")) == ("forbidden", "user_id")
    assert (await scene.ask(ClaimLead(lead_id=lead, user_id="night_owl"))).user_id == "night_owl"


async def test_a_reassigned_lead_changes_hands_in_one_step_and_makes_room(scene: Scene) -> None:
    await scene.publish(desk={"sla_minutes": 10})
    await scene.agent("a", 1)
    first, second = await scene.leads(2)
    await scene.fill()
    await scene.agent("b", 0)
    scene.pass_time(minutes=5)
    await scene.ask(ReassignLead(lead_id=first, user_id="b", actor="boss", override=True))
    assert await scene.owners() == {first: "b", second: "a"}
    (event,) = scene.events(LeadReassigned)
    assert (event.from_user_id, event.user_id, event.reason, event.version) == ("a", "b", "reassigned", 3)
    assert event.due_at == scene.now.replace(minute=15), "the new owner has the whole time"
    assert [kind for kind, _ in await scene.traces(first)] == ["assigned", "assigned"]
    assert (await scene.traces(first))[1][1]["from_user_id"] == "a"


async def test_a_lead_that_is_put_back_goes_to_somebody_else_or_waits_at_its_old_place(scene: Scene) -> None:
    await scene.publish(desk={})
    await scene.agent("a")
    (lead,) = await scene.leads(1)
    await scene.fill()
    before = (await scene.work())[lead]["waiting_since"]
    scene.pass_time(hours=1)
    ended = await scene.ask(UnassignLead(lead_id=lead, actor="a"))
    assert (ended.user_id, ended.end_reason) == ("a", "unassigned")
    assert await scene.owners() == {}, "not to the one who did not want it"
    assert (await scene.work())[lead]["waiting_since"] == before
    (event,) = scene.events(LeadUnassigned)
    assert (event.user_id, event.reason, event.actor, event.version) == ("a", "unassigned", "a", 2)
    await scene.agent("b")
    assert await scene.owners() == {lead: "b"}


async def test_completed_work_is_closed_and_makes_room(scene: Scene) -> None:
    await scene.publish(desk={})
    await scene.agent("a", 1)
    first, second = await scene.leads(2)
    await scene.fill()
    await scene.ask(CompleteWork(lead_id=first, actor="a"))
    assert (await scene.work())[first]["status"] == "closed"
    assert await scene.owners() == {second: "a"}
    assert [event.reason for event in scene.events(LeadUnassigned)] == ["completed"]
    gift = AssignLead(lead_id=first, user_id="a", actor="boss", override=True)
    assert await refused(scene, gift) == ("conflict", "lead_id")


async def test_assignments_are_listed_by_agent_workspace_and_lead_a_page_at_a_time(scene: Scene) -> None:
    await scene.publish(desk={}, field={})
    await scene.agent("a", 3)
    await scene.agent("b", 2, workspaces=["field"])
    leads = await scene.leads(3)
    await scene.leads(2, "field")
    await scene.fill()
    await scene.ask(CompleteWork(lead_id=leads[0], actor="a"))
    first = await scene.ask(ListAssignments(user_id="a", limit=2))
    rest = await scene.ask(ListAssignments(user_id="a", limit=2, cursor=first.next_cursor))
    assert [a.lead_id for a in (*first.assignments, *rest.assignments)] == leads[::-1]
    assert rest.next_cursor is None
    assert len((await scene.ask(ListAssignments(user_id="a", active=True))).assignments) == 2
    assert len((await scene.ask(ListAssignments(workspace="field"))).assignments) == 2
    (only,) = (await scene.ask(ListAssignments(lead_id=leads[0]))).assignments
    assert (only.end_reason, only.ended_at) == ("completed", scene.now)


async def test_a_lead_that_comes_back_to_a_workspace_that_is_no_more_goes_where_the_rules_say_now(scene: Scene) -> None:
    await scene.publish(desk={})
    await scene.agent("a")
    lead, other = await scene.leads(2)
    await scene.fill()
    await scene.publish([{"name": "all", "workspace": "front"}], front={})
    await scene.agent("b", workspaces=["front"])
    await scene.ask(UnassignLead(lead_id=lead, actor="boss"))
    assert await scene.owners() == {lead: "b", other: "a"}
    await scene.publish([{"name": "none", "workspace": "back", "when": {"tier": ["A"]}}], back={})
    await scene.ask(UnassignLead(lead_id=other, actor="boss"))
    work = (await scene.work())[other]
    assert (work["status"], work["workspace"]) == ("unrouted", None), "no rule matches: it waits for a person"


async def test_no_lead_is_put_into_a_workspace_that_is_not_published(scene: Scene) -> None:
    await scene.publish(desk={})
    await scene.agent("b", workspaces=["gone"])
    (lead,) = await scene.leads(1, workspace=None)
    with pytest.raises(ProblemError, match="gone is not in the published routing"):
        await scene.ask(AssignLead(lead_id=lead, user_id="b", actor="boss"))
