"""All scenes, one after the other, in a scratch installation."""

import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import asyncpg

from chassis import clock
from chassis.caller import Caller
from leadloop.commands_tenants import create
from leadloop.scratch import scratch_installation
from leadloop.verifying import health, hours, limits, pacing, pausing, sixty_days
from leadloop.verifying.check import Check, moment
from leadloop.verifying.stage import Stage

Tell = Callable[[str], None]
"""Told what is done now."""

_SERVICES = ("gateway", "intake", "outreach")
"""Outreach, and what it needs: tenants and leads."""
_TENANT = "scratch"
_BEGINS = moment("2027-01-04 00:00", "UTC")
_SCENES: Final[tuple[tuple[str, Callable[[Stage], Awaitable[list[Check]]]], ...]] = (
    ("limits of an account", limits.play),
    ("pace of an account", pacing.play),
    ("health of an account", health.play),
    ("pausing", pausing.play),
    ("60 days", sixty_days.play),
    ("business hours", hours.play),
)
"""In the order of their moments, for the clock goes forward only."""


async def play(tell: Tell) -> list[Check]:
    """Play every scene; returns what was found.

    Raises:
        ProcessFailed: the scratch installation does not start.
        ProblemError: a service does not answer.
        KeyboardInterrupt: this process was told to stop.
    """
    tell("starting a scratch installation")
    with tempfile.TemporaryDirectory(prefix="leadloop-clock-") as folder:
        file = Path(folder) / "now"
        clock.move(file, _BEGINS)
        async with scratch_installation(_SERVICES, {"LEADLOOP_MOVED_CLOCK": str(file)}) as installation:
            database = await asyncpg.connect(installation.database_dsn)
            try:
                async with installation.reached() as client:
                    await create(Caller(client), _TENANT, _SERVICES, region="US")
                    stage = await Stage.set(client, database, file, _TENANT, _BEGINS)
                    checks: list[Check] = []
                    for number, (what, scene) in enumerate(_SCENES, 1):
                        tell(f"{number} of {len(_SCENES)}: {what}")
                        checks += await scene(stage)
                    return checks
            finally:
                await database.close()
