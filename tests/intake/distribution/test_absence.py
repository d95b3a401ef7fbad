"""Time off, being switched off, being removed: nobody who is not there is given work, and who returns is not flooded."""

from datetime import timedelta

import pytest

from contracts.intake.distribution import (
    AgentChanged,
    CancelTimeOff,
    GetAgent,
    LeadReassigned,
    LeadUnassigned,
    RemoveAgent,
    SetTimeOff,
)
from contracts.message import ProblemError
from tests.intake.distribution.scene import Scene

KEEP = {"on_absence": "keep", "ramp_hours": 8}
RETURN = {"on_absence": "return_to_queue", "ramp_hours": 8}


@pytest.mark.parametrize(("policy", "kept"), [(KEEP, True), (RETURN, False)])
async def test_when_time_off_begins_what_they_hold_follows_the_policy(scene: Scene, policy: dict, kept: bool) -> None:
    await scene.publish(desk=policy)
    await scene.agent("a")
    (lead,) = await scene.leads(1)
    await scene.fill()
    await scene.ask(SetTimeOff(user_id="a", starts_at=scene.now + timedelta(hours=1)))
    assert await scene.owners() == {lead: "a"}
    scene.pass_time(hours=1)
    assert (await scene.minute())["returned"] == (0 if kept else 1)
    assert await scene.owners() == ({lead: "a"} if kept else {})
    assert [event.reason for event in scene.events(LeadUnassigned)] == ([] if kept else ["absent"])
    await scene.leads(3)
    await scene.fill()
    assert set((await scene.owners()).values()) <= ({"a"} if kept else set())
    assert len(await scene.owners()) == (1 if kept else 0), "nothing new while away"


async def test_what_returns_to_the_queue_goes_to_those_who_are_there(scene: Scene) -> None:
    await scene.publish(desk=RETURN)
    await scene.agent("a")
    leads = await scene.leads(4)
    await scene.fill()
    await scene.agent("b")
    await scene.ask(SetTimeOff(user_id="a", starts_at=scene.now))
    assert await scene.owners() == dict.fromkeys(leads, "b")
    assert {(event.from_user_id, event.reason) for event in scene.events(LeadReassigned)} == {("a", "absent")}


async def test_who_returns_can_take_more_little_by_little(scene: Scene) -> None:
    await scene.publish(desk=KEEP)
    await scene.agent("a", 20)
    await scene.leads(4)
    await scene.fill()
    await scene.ask(SetTimeOff(user_id="a", starts_at=scene.now, ends_at=scene.now + timedelta(days=7)))
    await scene.leads(100)
    scene.pass_time(days=7)
    held = []
    for _ in range(10):
        await scene.minute()
        held.append(len(await scene.owners()))
        scene.pass_time(hours=1)
    assert held == [4, 6, 8, 10, 12, 14, 16, 18, 20, 20]


async def test_time_off_that_is_cancelled_ends_now_and_the_return_is_as_gentle(scene: Scene) -> None:
    await scene.publish(desk=KEEP)
    await scene.agent("a", 8)
    view = await scene.ask(SetTimeOff(user_id="a", starts_at=scene.now))
    assert view.workload.standing == "away"
    (off,) = view.time_off
    await scene.leads(50)
    scene.pass_time(days=2)
    view = await scene.ask(CancelTimeOff(user_id="a", time_off_id=off.time_off_id))
    assert (view.time_off, view.workload.active_leads, view.workload.effective_capacity) == ([], 0, 0)
    scene.pass_time(hours=1)
    await scene.minute()
    assert len(await scene.owners()) == 1
    with pytest.raises(ProblemError):
        await scene.ask(CancelTimeOff(user_id="a", time_off_id=off.time_off_id))


async def test_who_is_removed_or_switched_off_leaves_their_leads_as_the_policy_says(scene: Scene) -> None:
    await scene.publish(desk=KEEP)
    await scene.agent("a")
    leads = await scene.leads(2)
    await scene.fill()
    await scene.agent("a", active=False)
    assert await scene.owners() == dict.fromkeys(leads, "a")
    assert (await scene.ask(RemoveAgent(user_id="a", held="return_to_queue"))).returned == 2
    assert await scene.owners() == {}
    with pytest.raises(ProblemError):
        await scene.ask(GetAgent(user_id="a"))
    await scene.agent("a")
    assert await scene.owners() == dict.fromkeys(leads, "a")
    changes = [(event.version, event.active, event.removed) for event in scene.events(AgentChanged)]
    assert changes == [(1, True, False), (2, False, False), (3, False, True), (4, True, False)]


async def test_time_off_lasts_from_its_first_moment_to_just_before_its_end(scene: Scene) -> None:
    start = scene.now + timedelta(hours=1)
    await scene.agent("a")
    await scene.ask(SetTimeOff(user_id="a", starts_at=start, ends_at=start + timedelta(hours=1)))
    for moment, standing in (
        (start - timedelta(seconds=1), "available"),
        (start, "away"),
        (start + timedelta(minutes=59, seconds=59), "away"),
        (start + timedelta(hours=1), "available"),
    ):
        scene.now = moment
        assert (await scene.ask(GetAgent(user_id="a"))).workload.standing == standing, moment
