"""Contacts and outcomes move the work on leads, in whatever order they are heard."""

from itertools import permutations

import pytest

from contracts.intake.distribution import GetAgent, LeadSlaMissed, LeadUnassigned
from contracts.taxonomy import OutcomeType
from intake.distribution import progress, store_progress
from tests.intake.distribution.scene import Scene

PROMPT = {"chain": [{"kind": "load_balanced"}], "sla_minutes": 10}


@pytest.mark.parametrize("by", ["message", "outcome"])
async def test_the_first_contact_stops_the_timer_and_makes_the_lead_worked(scene: Scene, by: str) -> None:
    await scene.publish(desk=PROMPT)
    await scene.agent("a")
    (lead,) = await scene.leads(1)
    await scene.fill()
    scene.pass_time(minutes=5)
    await scene.hear(scene.sent(lead) if by == "message" else scene.outcome(lead, OutcomeType.CONTACTED))
    assert (await scene.work())[lead]["status"] == "worked"
    scene.pass_time(hours=1)
    await scene.minute()
    assert scene.events(LeadSlaMissed) == []
    assert await scene.owners() == {lead: "a"}


async def test_a_contact_before_the_agent_had_the_lead_is_not_theirs(scene: Scene) -> None:
    await scene.publish(desk=PROMPT)
    (lead,) = await scene.leads(1)
    early = scene.sent(lead)
    scene.pass_time(minutes=5)
    await scene.agent("a")
    await scene.hear(early)
    assert (await scene.work())[lead]["status"] == "assigned"


@pytest.mark.parametrize("type_", [OutcomeType.CLOSED_WON, OutcomeType.CLOSED_LOST, OutcomeType.INVALID])
async def test_an_outcome_that_ends_a_lead_closes_its_work_and_makes_room(scene: Scene, type_: OutcomeType) -> None:
    await scene.publish(desk=PROMPT)
    await scene.agent("a", 1)
    first, second = await scene.leads(2)
    await scene.fill()
    await scene.hear(scene.outcome(first, type_))
    assert (await scene.work())[first]["status"] == "closed"
    assert await scene.owners() == {second: "a"}
    (event,) = scene.events(LeadUnassigned)
    assert (event.lead_id, event.user_id, event.reason) == (first, "a", "closed")
    assert (await scene.ask(GetAgent(user_id="a"))).workload.completed_today == 1


async def test_an_outcome_of_a_lead_that_nobody_owns_closes_its_work_too(scene: Scene) -> None:
    await scene.publish(desk=PROMPT)
    waiting, unrouted = *await scene.leads(1), *await scene.leads(1, workspace=None)
    await scene.hear(*(scene.outcome(lead, OutcomeType.CLOSED_LOST) for lead in (waiting, unrouted)))
    assert {row["status"] for row in (await scene.work()).values()} == {"closed"}
    await scene.agent("a")
    assert await scene.owners() == {}


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_the_order_in_which_events_are_heard_does_not_matter(scene: Scene, order: tuple[int, ...]) -> None:
    await scene.publish(desk=PROMPT)
    await scene.agent("a", 1)
    (lead,) = await scene.leads(1)
    await scene.fill()
    scene.pass_time(minutes=1)
    events = [scene.sent(lead), scene.outcome(lead, OutcomeType.CLOSED_WON), scene.outcome(lead, OutcomeType.CONTACTED)]
    for number in order:
        await scene.hear(events[number])
    await scene.hear(*events)
    assert (await scene.work())[lead]["status"] == "closed"
    assert len(scene.events(LeadUnassigned)) == 1


async def test_what_was_closed_before_rules_were_published_is_not_worked_on_again(scene: Scene) -> None:
    won, open_ = await scene.leads(2)
    await scene.rows("delete from work where tenant_id = :tenant returning lead_id")
    await scene.hear(scene.outcome(won, OutcomeType.CLOSED_WON), scene.outcome(open_, OutcomeType.CONTACTED))
    await scene.publish(desk=PROMPT)
    async with scene.unit() as uow:
        await uow.execute(
            """insert into work (tenant_id, lead_id, status, workspace, waiting_since)
               select tenant_id, lead_id, 'routed', 'desk', created_at from lead where tenant_id = :tenant""",
            tenant=scene.tenant,
        )
        await store_progress.close_unowned(uow, scene.tenant, [won, open_])
    assert {lead: row["status"] for lead, row in (await scene.work()).items()} == {won: "closed", open_: "routed"}


async def test_history_is_kept_in_one_statement_and_costs_a_tenant_without_work_nothing_more(scene: Scene) -> None:
    leads = await scene.leads(500)
    await scene.rows("delete from work where tenant_id = :tenant returning lead_id")
    statements = 0
    async with scene.unit() as uow:
        execute = uow.execute

        async def counted(*args: object, **parameters: object) -> object:
            nonlocal statements
            statements += 1
            return await execute(*args, **parameters)  # type: ignore[arg-type]

        uow.execute = counted  # type: ignore[method-assign, assignment]
        await progress.follow(uow, [scene.received(scene.outcome(lead, OutcomeType.CLOSED_LOST)) for lead in leads])
    assert statements == 4, "the lock, what is kept, how far was heard, and whether there is work"
    assert scene.told == []
