"""What is newest of a tenant, looked for again and again while somebody has it open, and once for all of them.

A hundred windows on one tenant cost as much as one: a question a second, and a list that is written once whenever it has changed.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from chassis.failures import is_transient
from contracts.message import ProblemError
from gateway.seats import Seats

_LOOKED_EVERY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Newest:
    """A list as it is now.

    Attributes:
        mark: what it is known by; another, whenever it is another list.
        written: as the page has it.
    """

    mark: str
    written: str


Look = Callable[[str, str], Awaitable[Newest | None]]
"""Looks for what is newest of a tenant; none, if it is what has this mark."""


@dataclass
class _Watched:
    """A tenant that somebody has open."""

    looking: asyncio.Task[None] | None = None
    windows: int = 0
    newest: Newest | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self) -> None:
        told, self.changed = self.changed, asyncio.Event()
        told.set()


class Watching:
    """The tenants that somebody has open.

    Parameters:
        look: looks for what is newest of one.
    """

    def __init__(self, look: Look) -> None:
        self._look = look
        self._watched: dict[str, _Watched] = {}
        self.windows = Seats(1_000, 20, "too many windows are open already: close some, or come again")
        """Whoever has one open: each keeps a connection open."""

    async def follow(self, tenant: str, seen: str, seconds: float) -> AsyncGenerator[Newest | None]:
        """The list whenever it is another than the one seen; none, where it was not for so many seconds.

        It ends where looking failed for a reason that does not pass by itself.
        """
        watched = self._watched.setdefault(tenant, _Watched())
        watched.looking = watched.looking or asyncio.create_task(self._keep_looking(tenant, watched))
        watched.windows += 1
        try:
            while not watched.looking.done():
                changed, newest = watched.changed, watched.newest
                if newest is not None and newest.mark != seen:
                    seen = newest.mark
                    yield newest
                    continue
                try:
                    async with asyncio.timeout(seconds):
                        await changed.wait()
                except TimeoutError:
                    yield None
        finally:
            watched.windows -= 1
            if not watched.windows:
                watched.looking.cancel()
                del self._watched[tenant]

    async def _keep_looking(self, tenant: str, watched: _Watched) -> None:
        try:
            while True:
                try:
                    found = await self._look(tenant, watched.newest.mark if watched.newest else "")
                except Exception as error:
                    if not (isinstance(error, ProblemError) or is_transient(error)):
                        raise
                    found = None
                if found is not None:
                    watched.newest = found
                    watched.tell()
                await asyncio.sleep(_LOOKED_EVERY_SECONDS)
        finally:
            watched.tell()
