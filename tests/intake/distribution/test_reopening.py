"""A lead is open again when the outcome that closed it is voided, and nothing else has closed it."""

from itertools import permutations

import pytest

from contracts.intake.distribution import CompleteWork, LeadAssigned
from contracts.taxonomy import OutcomeType
from tests.intake.distribution.scene import Scene

PROMPT = {"chain": [{"kind": "load_balanced"}]}


async def test_a_lead_whose_end_is_voided_goes_on_with_whoever_had_it(scene: Scene) -> None:
    await scene.publish(desk=PROMPT)
    await scene.agent("a")
    (lead,) = await scene.leads(1)
    await scene.fill()
    won = scene.outcome(lead, OutcomeType.CLOSED_WON)
    await scene.hear(won)
    assert (await scene.work())[lead]["status"] == "closed"
    await scene.agent("b")
    scene.pass_time(minutes=5)
    await scene.hear(scene.void(won))
    assert await scene.owners() == {lead: "a"}
    assert (await scene.work())[lead]["status"] == "assigned"
    assert len(scene.events(LeadAssigned)) == 2
    await scene.hear(scene.void(won), won)
    assert await scene.owners() == {lead: "a"}, "neither closes nor opens it twice"


async def test_a_lead_that_nobody_can_go_on_with_waits_where_it_did(scene: Scene) -> None:
    await scene.publish(desk=PROMPT)
    waiting, unrouted = *await scene.leads(1), *await scene.leads(1, workspace=None)
    ends = [scene.outcome(lead, OutcomeType.CLOSED_LOST) for lead in (waiting, unrouted)]
    await scene.hear(*ends)
    await scene.hear(*map(scene.void, ends))
    work = await scene.work()
    assert (work[waiting]["status"], work[unrouted]["status"]) == ("routed", "unrouted")
    await scene.agent("a")
    await scene.minute()
    assert await scene.owners() == {waiting: "a"}


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_what_closed_a_lead_is_known_in_whatever_order_it_is_heard(scene: Scene, order: tuple[int, ...]) -> None:
    await scene.publish(desk=PROMPT)
    (lead, other) = await scene.leads(2)
    won, lost = scene.outcome(lead, OutcomeType.CLOSED_WON), scene.outcome(lead, OutcomeType.CLOSED_LOST)
    mistake = scene.outcome(other, OutcomeType.INVALID)
    for number in order:
        await scene.hear(*((won, mistake), (scene.void(won), scene.void(mistake)), (lost,))[number])
    work = await scene.work()
    assert (work[lead]["status"], work[other]["status"]) == ("closed", "routed"), "another outcome closed the first"
    await scene.hear(scene.void(lost))
    assert (await scene.work())[lead]["status"] == "routed"


async def test_work_that_its_agent_is_done_with_stays_closed(scene: Scene) -> None:
    await scene.publish(desk=PROMPT)
    await scene.agent("a")
    (lead,) = await scene.leads(1)
    await scene.fill()
    await scene.ask(CompleteWork(lead_id=lead, actor="user:a"))
    won = scene.outcome(lead, OutcomeType.CLOSED_WON)
    await scene.hear(won)
    await scene.hear(scene.void(won))
    assert (await scene.work())[lead]["status"] == "closed"


async def test_the_void_of_what_closes_no_lead_changes_nothing(scene: Scene) -> None:
    await scene.publish(desk=PROMPT)
    (lead,) = await scene.leads(1)
    contacted, lost = (scene.outcome(lead, type_) for type_ in (OutcomeType.CONTACTED, OutcomeType.CLOSED_LOST))
    await scene.hear(contacted, lost)
    await scene.hear(scene.void(contacted))
    assert (await scene.work())[lead]["status"] == "closed"
