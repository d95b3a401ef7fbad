"""Wait for a condition with a deadline; a test never sleeps for a guessed time."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

T = TypeVar("T")


async def until(probe: Callable[[], Awaitable[T]], *, seconds: float = 15.0, what: str = "the condition") -> T:
    """The first truthy result of `probe`, asked again and again until the deadline."""
    deadline = monotonic() + seconds
    while True:
        result = await probe()
        if result:
            return result
        if monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {seconds:g} s; last seen: {result!r}")
        await asyncio.sleep(0.02)
