"""Faults at random, by a seed: processes are killed, and frozen for longer than the broker waits for them."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from signal import SIGCONT, SIGSTOP
from time import monotonic

from chassis.consumer import ACK_WAIT
from tests.chaos.system import SERVERS, System

PAUSE = (0.5, 2.0)
"""The least and the most seconds between two faults."""
FROZEN = ACK_WAIT.total_seconds() + 3
"""Seconds a frozen process stays so: what it holds is delivered again meanwhile."""
_FREEZING = 0.15


async def strike(
    system: System, seed: int, seconds: float, *, others: Mapping[str, Callable[[], bool]], freezing: bool = False
) -> list[str]:
    """Do harm for so long, and until everybody has had his share; returns what was done when nothing is frozen any more.

    Parameters:
        others: processes to kill besides the system's, by name; each function says whether there was one.
        freezing: whether services are sometimes frozen rather than killed.
    """
    random, began = Random(seed), monotonic()
    services = system.services
    names = [*services, *SERVERS, *others]
    done: list[str] = []
    async with asyncio.TaskGroup() as thawing:
        for count, name in enumerate(_shuffled_for_ever(names, random)):
            if count >= len(names) and monotonic() - began > seconds:
                return done
            await asyncio.sleep(random.uniform(*PAUSE))
            freezes = random.random() < _FREEZING
            if freezing and freezes and name in services:
                system.signal(name, SIGSTOP)
                thawing.create_task(_thaw(system, name))
                what = "frozen"
            else:
                there = others[name]() if name in others else system.signal(name)
                what = "killed" if there else "was down"
            done.append(f"{monotonic() - began:5.1f} s {name} {what}")
    raise AssertionError("unreachable")


async def _thaw(system: System, name: str) -> None:
    await asyncio.sleep(FROZEN)
    system.signal(name, SIGCONT)


def _shuffled_for_ever(names: Sequence[str], random: Random) -> Iterator[str]:
    while True:
        yield from random.sample(names, len(names))
