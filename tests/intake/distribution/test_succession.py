"""A lead that stands is worked on for those merged into it, and when they are parted each is worked on as before."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.intake.distribution import (
    AssignLead,
    ClaimLead,
    CompleteWork,
    EndReason,
    LeadAssigned,
    LeadUnassigned,
    ReassignLead,
    RemoveAgent,
    SetTimeOff,
)
from contracts.intake.people import MergeLeads
from contracts.intake.workspaces import OnAbsence
from contracts.message import ProblemCode, ProblemError
from contracts.taxonomy import MergePolicy, OutcomeType
from intake.distribution import succession
from intake.distribution.catching_up import CatchingUp
from intake.people import handlers as people_handlers
from intake.routing.store import status_of
from tests.intake.distribution.scene import Scene
from tests.intake.people.desk import Desk as PeopleDesk
from tests.intake.people.desk import lead as submission
from tests.platform import Platform
from tests.waiting import until

DESK = {"chain": [{"kind": "round_robin"}], "sla_minutes": 30}


async def merge(scene: Scene, merged: UUID, survivor: UUID) -> None:
    """What merging two leads does to the work on them, and to what names them."""
    async with scene.unit() as uow:
        await uow.execute(
            "update lead set merged_into = :survivor where tenant_id = :tenant and lead_id = :merged",
            tenant=scene.tenant, survivor=survivor, merged=merged,
        )  # fmt: skip
        await succession.merge(uow, scene.tenant, {merged: survivor})


async def part(scene: Scene, parted: UUID, survivor: UUID) -> None:
    async with scene.unit() as uow:
        await uow.execute(
            "update lead set merged_into = null where tenant_id = :tenant and lead_id = :parted",
            tenant=scene.tenant, parted=parted,
        )  # fmt: skip
        await succession.part(uow, scene.tenant, parted, survivor, alone=True)


@pytest.fixture
async def desk(scene: Scene) -> Scene:
    """A workspace that Ann and Bob work in, where nobody is given anything by itself while the test arranges its leads."""
    await scene.publish(desk=DESK)
    await scene.agent("ann")
    await scene.agent("bob")
    return scene


async def status(scene: Scene, lead: UUID) -> tuple[UUID, str, str | None]:
    async with scene.unit() as uow:
        found = await status_of(uow, scene.tenant, lead)
    assert found
    return found["lead_id"], found["status"], found["owner"]


async def assign(scene: Scene, lead: UUID, user: str) -> None:
    await scene.ask(AssignLead(lead_id=lead, user_id=user, actor="user:1"))


async def test_of_two_owners_the_one_of_the_lead_that_stands_stays(desk: Scene) -> None:
    stands, merged = await desk.leads(2)
    await assign(desk, stands, "ann")
    await assign(desk, merged, "bob")
    await merge(desk, merged, stands)
    assert await desk.owners() == {stands: "ann"}
    assert await status(desk, merged) == await status(desk, stands) == (stands, "assigned", "ann")
    (ended,) = desk.events(LeadUnassigned)
    assert (ended.lead_id, ended.user_id, ended.reason) == (merged, "bob", EndReason.WITHDRAWN)


async def test_a_lead_that_nobody_owns_goes_to_the_owner_of_the_one_merged_into_it_on_the_same_terms(
    desk: Scene,
) -> None:
    stands, merged = await desk.leads(2)
    await assign(desk, merged, "bob")
    due = (await desk.rows("select due_at from assignment where tenant_id = :tenant"))[0]["due_at"]
    desk.pass_time(minutes=10)
    await desk.hear(desk.sent(merged))
    desk.pass_time(minutes=10)
    await merge(desk, merged, stands)
    assert await desk.owners() == {stands: "bob"}
    assert (await status(desk, stands))[1] == "worked", "the person was contacted"
    told = desk.events(LeadAssigned)[-1]
    assert (told.lead_id, told.user_id, told.assigned_by, told.due_at) == (stands, "bob", "system", due)
    desk.pass_time(hours=1)
    assert (await desk.minute())["overdue"] == 0
    assert (await desk.traces(stands))[-1][1]["continues"] == str(merged)


async def test_who_waited_longest_decides_the_place_in_the_queue(desk: Scene) -> None:
    (merged,) = await desk.leads(1)
    desk.pass_time(minutes=1)
    (other,) = await desk.leads(1)
    desk.pass_time(hours=1)
    (stands,) = await desk.leads(1)
    await merge(desk, merged, stands)
    assert (await desk.work())[merged]["status"] == "merged"
    await desk.fill(limit=1)
    assert set(await desk.owners()) == {stands}, "before the other one, although it came after it"
    await desk.fill()
    assert set(await desk.owners()) == {stands, other}, "and the merged lead waits for nobody"


@pytest.mark.parametrize("why", ["away", "removed", "full", "elsewhere"])
async def test_whoever_cannot_be_given_work_does_not_go_on_with_the_lead_that_stands(desk: Scene, why: str) -> None:
    await desk.publish(desk={**DESK, "on_absence": "keep"}, field={})
    merged, *others = await desk.leads(3)
    for lead in (merged, *others):
        await assign(desk, lead, "bob")
    match why:
        case "away":
            await desk.ask(SetTimeOff(user_id="bob", starts_at=desk.now))
        case "removed":
            await desk.ask(RemoveAgent(user_id="bob", held=OnAbsence.KEEP))
        case "full":
            await desk.agent("bob", 2)
        case "elsewhere":
            await desk.agent("bob", workspaces=["field"])
    desk.told.clear()
    (stands,) = await desk.leads(1)
    await merge(desk, merged, stands)
    assert desk.events(LeadAssigned) == []
    assert await status(desk, merged) == (stands, "routed", None)
    await desk.minute()
    assert await status(desk, merged) == (stands, "assigned", "ann")


async def test_whoever_is_full_goes_on_as_a_merge_gives_them_nothing_more(desk: Scene) -> None:
    await desk.agent("bob", 3)
    stands, merged, again, late, other = await desk.leads(5)
    for lead in (merged, again, other):
        await assign(desk, lead, "bob")
    await merge(desk, merged, stands)
    await merge(desk, again, stands)
    await merge(desk, other, late)
    assert await desk.owners() == {stands: "bob", late: "bob"}


async def test_whoever_holds_too_much_goes_on_with_as_many_as_they_have_room_for(desk: Scene) -> None:
    merged = await desk.leads(2)
    for lead in merged:
        await assign(desk, lead, "bob")
    await desk.agent("bob", 1)
    first, second = await desk.leads(2)
    async with desk.unit() as uow:
        await succession.merge(uow, desk.tenant, dict(zip(merged, (first, second), strict=True)))
    assert list((await desk.owners()).values()) == ["bob"]


async def test_a_closed_lead_is_open_again_when_an_open_one_is_merged_into_it(desk: Scene) -> None:
    stands, merged = await desk.leads(2)
    await assign(desk, stands, "ann")
    await desk.hear(desk.outcome(stands, OutcomeType.CLOSED_LOST))
    assert (await status(desk, stands))[1] == "closed"
    desk.pass_time(days=30)
    (owner,) = (await desk.owners()).values()
    await merge(desk, merged, stands)
    assert await status(desk, stands) == (stands, "assigned", owner), "the person has come back"
    await desk.hear(desk.sent(stands))
    assert await status(desk, stands) == (stands, "worked", owner), "whatever else is heard, until it is closed anew"
    desk.pass_time(hours=1)
    await desk.hear(desk.outcome(merged, OutcomeType.CLOSED_WON))
    assert await status(desk, merged) == (stands, "closed", None), "what is heard of either is about the person"


async def test_merging_a_closed_lead_changes_nothing_for_the_one_that_stands(desk: Scene) -> None:
    stands, merged = await desk.leads(2)
    await desk.hear(desk.outcome(merged, OutcomeType.CLOSED_LOST))
    await merge(desk, merged, stands)
    assert (await status(desk, stands))[1] == "routed"
    await desk.hear(desk.outcome(stands, OutcomeType.CLOSED_LOST))
    (late,) = await desk.leads(1)
    await desk.hear(desk.outcome(late, OutcomeType.CLOSED_LOST))
    await merge(desk, late, stands)
    assert (await status(desk, stands))[1] == "closed"


async def test_what_is_parted_is_worked_on_as_it_was(desk: Scene) -> None:
    stands, merged = await desk.leads(2)
    await assign(desk, merged, "bob")
    await merge(desk, merged, stands)
    await part(desk, merged, stands)
    assert await desk.owners() == {merged: "bob"}
    assert (await status(desk, stands))[1] == "routed", "it waits as before"


@pytest.mark.parametrize("workspace", ["field", None])
async def test_the_other_one_waits_where_it_did_before_when_a_lead_is_parted_from_it(
    desk: Scene, workspace: str | None
) -> None:
    await desk.publish(desk=DESK, field={})
    (stands,), (merged,) = await desk.leads(1, workspace), await desk.leads(1)
    await assign(desk, merged, "bob")
    before = (await desk.work())[stands]
    await merge(desk, merged, stands)
    assert (await desk.work())[stands]["workspace"] == "desk"
    await part(desk, merged, stands)
    after = (await desk.work())[stands]
    assert [after[name] for name in ("status", "workspace")] == [before[name] for name in ("status", "workspace")]


async def test_a_lead_that_was_reopened_is_closed_again_when_it_is_parted(desk: Scene) -> None:
    stands, merged = await desk.leads(2)
    await assign(desk, stands, "ann")
    await desk.ask(CompleteWork(lead_id=stands, actor="user:1"))
    desk.pass_time(hours=1)
    (owner,) = (await desk.owners()).values()
    await merge(desk, merged, stands)
    assert await desk.owners() == {stands: owner}
    await part(desk, merged, stands)
    assert await desk.owners() == {merged: owner}
    assert (await status(desk, stands))[1] == "closed"


async def test_who_was_given_the_lead_that_stands_since_keeps_it_when_it_is_parted(desk: Scene) -> None:
    stands, merged = await desk.leads(2)
    await assign(desk, merged, "bob")
    await merge(desk, merged, stands)
    await desk.ask(ReassignLead(lead_id=stands, user_id="ann", actor="user:1"))
    await part(desk, merged, stands)
    assert await desk.owners() == {stands: "ann", merged: "bob"}


async def test_a_merged_lead_can_be_given_to_nobody(desk: Scene) -> None:
    stands, merged = await desk.leads(2)
    await merge(desk, merged, stands)
    for order in (AssignLead(lead_id=merged, user_id="ann", actor="user:1"), ClaimLead(lead_id=merged, user_id="ann")):
        with pytest.raises(ProblemError, match="merged into another") as refused:
            await desk.ask(order)
        assert refused.value.problem.code is ProblemCode.CONFLICT


async def put_by_while_another_is_worked_on(scene: Scene) -> tuple[UUID, UUID]:
    """A lead that Ann owns, and one of Bob's that is merged into it."""
    stands, merged = await scene.leads(2)
    await assign(scene, stands, "ann")
    await assign(scene, merged, "bob")
    await merge(scene, merged, stands)
    return stands, merged


async def test_who_is_away_when_a_lead_is_parted_is_not_given_it_back(desk: Scene) -> None:
    stands, merged = await put_by_while_another_is_worked_on(desk)
    await desk.ask(SetTimeOff(user_id="bob", starts_at=desk.now))
    await part(desk, merged, stands)
    assert await desk.owners() == {stands: "ann"}
    assert (await status(desk, merged))[1] == "routed"


@pytest.mark.parametrize("hours", [None, {}], ids=["at work", "off hours"])
async def test_who_is_full_when_a_lead_is_parted_is_not_given_it_back(
    desk: Scene, hours: dict[str, Any] | None
) -> None:
    stands, merged = await put_by_while_another_is_worked_on(desk)
    (other,) = await desk.leads(1)
    await assign(desk, other, "bob")
    await desk.agent("bob", 1, working_hours=hours)
    await part(desk, merged, stands)
    assert await desk.owners() == {stands: "ann", other: "bob"}
    assert (await status(desk, merged))[1] == "routed"


async def test_who_has_room_for_one_lead_more_is_given_back_the_parted_one(desk: Scene) -> None:
    stands, merged = await put_by_while_another_is_worked_on(desk)
    await desk.agent("bob", 1)
    await part(desk, merged, stands)
    assert await desk.owners() == {stands: "ann", merged: "bob"}


async def test_who_works_elsewhere_when_a_lead_is_parted_is_not_given_it_back(desk: Scene) -> None:
    await desk.publish(desk=DESK, field={})
    stands, merged = await put_by_while_another_is_worked_on(desk)
    await desk.agent("bob", workspaces=["field"])
    await part(desk, merged, stands)
    assert await desk.owners() == {stands: "ann"}
    assert (await status(desk, merged))[1] == "routed"


async def test_a_parted_lead_has_as_much_time_left_as_when_it_was_put_by(desk: Scene) -> None:
    stands, merged = await desk.leads(2)
    await assign(desk, stands, "ann")
    await assign(desk, merged, "bob")
    await desk.hear(desk.sent(stands))
    desk.pass_time(minutes=5)
    await merge(desk, merged, stands)
    desk.pass_time(hours=2)
    await part(desk, merged, stands)
    assert desk.events(LeadAssigned)[-1].due_at == desk.now + timedelta(minutes=25)
    desk.pass_time(minutes=24)
    assert (await desk.minute())["overdue"] == 0
    assert await desk.owners() == {stands: "ann", merged: "bob"}
    desk.pass_time(minutes=1)
    assert (await desk.minute())["overdue"] == 1


async def waits_since(scene: Scene) -> dict[UUID, datetime]:
    return {lead: row["waiting_since"] for lead, row in (await scene.work()).items()}


async def test_leads_that_are_parted_have_the_places_in_the_queue_that_they_had(desk: Scene) -> None:
    (first,) = await desk.leads(1)
    desk.pass_time(hours=1)
    (second,) = await desk.leads(1)
    desk.pass_time(hours=1)
    (stands,) = await desk.leads(1)
    before = await waits_since(desk)
    await merge(desk, first, second)
    await merge(desk, second, stands)
    assert (await waits_since(desk))[stands] == before[first]
    await part(desk, second, stands)
    assert await waits_since(desk) == {**before, second: before[first]}, "the first one is still merged into it"
    await part(desk, first, second)
    assert await waits_since(desk) == before


async def test_parting_one_of_several_leaves_the_place_of_the_oldest_that_is_still_merged(desk: Scene) -> None:
    merged = []
    for _ in range(3):
        merged += await desk.leads(1)
        desk.pass_time(hours=1)
    (stands,) = await desk.leads(1)
    before = await waits_since(desk)
    for lead in reversed(merged):
        await merge(desk, lead, stands)
    for lead, oldest in zip(merged, (*merged[1:], stands), strict=True):
        await part(desk, lead, stands)
        assert (await waits_since(desk))[stands] == before[oldest]


async def test_a_lead_that_is_merged_while_rules_are_applied_for_the_first_time_is_put_to_work_by_nobody(
    platform: Platform, tenant: str
) -> None:
    people = PeopleDesk(platform, tenant)
    await people.open(MergePolicy.KEEP_BOTH)
    stands, merged = [
        done.lead_id for done in await people.submit(*(submission(each, full_name="Jane Roe") for each in "12"))
    ]
    assert stands and merged
    scene = Scene(people.database, tenant)
    await scene.publish([{"name": "all", "workspace": "desk"}], desk={})
    await scene.rows("update routing_version set catching_up = 'all' where tenant_id = :tenant returning version")
    async with people.unit() as uow:
        order = MergeLeads(survivor_id=stands, merged_id=merged, actor="user:1")
        await people_handlers.merge_leads(uow, people.received(order))
        applying = asyncio.create_task(CatchingUp(people.database).run(scene.now))
        await until(people.somebody_waits, what="whoever applies the rules waits for the one who merges")
    await applying
    assert {lead: row["status"] for lead, row in (await scene.work()).items()} == {stands: "routed"}
    await people.close()
