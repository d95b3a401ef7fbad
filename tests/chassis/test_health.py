"""A process whose event loop stands still ends, for its supervisor to start it again; what it measures can be read."""

import asyncio
import sys

import httpx
import pytest

from chassis import topology
from contracts.catalogue import COMMANDS
from leadloop.nkey import public_key
from tests.chassis import ledger
from tests.chassis.ledger import Mishap, submission
from tests.chassis.process import Process
from tests.chassis.scene import Scene
from tests.waiting import until

_WATCHED = """
import asyncio, time
from chassis import health

health._STUCK_SECONDS = 0.2

async def main():
    watchdog = asyncio.create_task(health.Watchdog().run())
    await asyncio.sleep(0.1)
    {then}
    time.sleep(0.8)

asyncio.run(main())
"""


@pytest.mark.parametrize(("then", "status"), [("", 70), ("watchdog.cancel(); await asyncio.sleep(0)", 0)])
async def test_a_process_ends_when_its_loop_stands_still_while_it_is_watched(then: str, status: int) -> None:
    program = await asyncio.create_subprocess_exec(sys.executable, "-c", _WATCHED.format(then=then))
    assert await program.wait() == status


async def test_a_process_ends_when_its_broker_connection_has_given_up(scene: Scene) -> None:
    """The client does not try again once the broker has refused it, even though it would be let in again."""
    broker, seeds = scene.platform.broker, scene.platform.seeds
    users = [topology.User(name, public_key(seed)) for name, seed in seeds.items() if name != "admin"]
    async with Process.running(scene.platform) as process:
        await scene.give(submission(1))
        await scene.written(1, seconds=60)
        broker.configure(topology.authorization(user for user in users if user.name != ledger.NAME))
        await broker.reload()
        try:
            await process.says("died")
        finally:
            broker.configure(topology.authorization(users))
            await broker.reload()


async def test_a_service_shows_what_it_handled_and_what_it_gave_up(scene: Scene) -> None:
    service = scene.service()

    async def metrics() -> dict[str, float]:
        app = dict(service.health_routes())["/metrics"]
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
            lines = (await client.get("/metrics")).text.splitlines()
        samples = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in samples.items()}

    handled = f'leadloop_messages_handled_total{{service="{ledger.NAME}",type="intake.command.submit_lead.v1"}}'
    dead = f'leadloop_dead_lettered_total{{service="{ledger.NAME}"}}'
    lag = f'leadloop_consumer_lag{{service="{ledger.NAME}",stream="{COMMANDS.name}"}}'
    before = await metrics()
    await scene.give(submission(1), submission(2), submission(3, Mishap.FAILS))
    async with service.running():
        await scene.drained(COMMANDS)
        after = await metrics()

        async def nothing_left() -> bool:
            return (await metrics())[lag] == 0

        await until(nothing_left, what="no lag")
    assert after[handled] - before.get(handled, 0) == 2
    assert after[dead] - before.get(dead, 0) == 1
    assert not [name for name in after if scene.tenant in name], "a tenant in a label makes endless series"
