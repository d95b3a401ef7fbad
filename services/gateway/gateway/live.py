"""What changes is told to whoever looks at that moment, as server-sent events.

The broker delivers every event to each replica that listens at that moment, and keeps nothing for one that does not. So a listener
says when it stands (`Changes.gap`): what is read from then on misses nothing.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from itertools import islice
from typing import Any, Final
from uuid import UUID

from anyio import CancelScope
from fastapi import Depends
from nats.aio.client import Client
from nats.aio.msg import Msg
from starlette.responses import StreamingResponse

from chassis.failures import is_transient
from contracts import catalogue
from contracts.catalogue import Entry
from gateway.gate import Admitted, Principal, Still
from gateway.seats import Seats

SEATS: Final = Seats(100, 20, "too many listen already: read page by page, or come again")
"""Those who listen: each costs the replica a look at what its tenant sends."""
_MOST_KEPT: Final = 5_000
"""How many changes are kept for a listener that is slow; of more it is only told that it has missed some."""


async def _seat(principal: Admitted) -> AsyncIterator[None]:
    with SEATS.taken(principal.actor):
        yield


SEAT: Final = Depends(_seat, scope="request")
"""What a route depends on that tells something live: a place from before anything is asked for, until all was told or nobody listens."""


class Changes:
    """The messages of a tenant that something was told of since they were last taken."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._reconnects = client.stats["reconnects"]
        self._messages: dict[UUID, None] = {}
        self._gap = True
        self._heard = asyncio.Event()

    def add(self, message_id: UUID) -> None:
        self._messages[message_id] = None
        if len(self._messages) > _MOST_KEPT:
            self._messages.clear()
            self._gap = True
        self._heard.set()

    async def wait(self, seconds: float) -> None:
        """Until something is there to be taken, or so long."""
        if not self._messages:
            self._heard.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._heard.wait()

    def gap(self) -> bool:
        """Whether something may have been missed since it was asked last; the first time, whatever was before."""
        if self._client.stats["reconnects"] != self._reconnects:
            self._reconnects, self._gap = self._client.stats["reconnects"], True
        found, self._gap = self._gap, False
        return found

    def take(self, most: int) -> list[UUID]:
        """The first of them, so many at most."""
        taken = list(islice(self._messages, most))
        for message_id in taken:
            del self._messages[message_id]
        return taken


@asynccontextmanager
async def changes(client: Client, tenant: str) -> AsyncIterator[Changes]:
    """The messages of a tenant of which outreach tells something while the block lasts."""
    heard = Changes(client)
    subscriptions = []
    try:
        for entry in catalogue.watched_by("gateway"):
            subscriptions.append(await client.subscribe(entry.topic.subject(tenant), cb=_hearing(entry, heard)))
        # Whoever goes away meanwhile must not cancel it: the broker's answer to what was cancelled ends the client library's reading, and the
        # gateway hears nobody any more.
        await asyncio.shield(client.flush())
        yield heard
    finally:
        with CancelScope(shield=True):  # whoever went away has what told them cancelled, and this with it
            for subscription in subscriptions:
                await subscription.unsubscribe()


def _hearing(entry: Entry, heard: Changes) -> Any:
    async def hear(message: Msg) -> None:
        event: Any = entry.message.model_validate_json(message.data)
        heard.add(event.message_id)

    return hear


SIGN_OF_LIFE: Final = ":\n\n"
SIGN_OF_LIFE_SECONDS: Final = 10.0
"""What is silent for longer than 15 s may be taken for dead by what stands between (HTML Living Standard, 9.2.7)."""
_AGAIN: Final = "retry: 2000\n\n"
"""Has a browser whose stream has ended connect again, after so many milliseconds."""
_LOOKED_UP_EVERY_SECONDS: Final = 5.0
_LASTS_SECONDS: Final = 900.0
"""Then whoever listens connects again, maybe to a replica that has come since."""


def stream(principal: Principal, told: AsyncGenerator[str]) -> StreamingResponse:
    """What is told as it comes (server-sent events), until that ends, or whoever listens may no longer: that is looked up again every
    5 s at most, so that it ends within 15 s of their session, their key or their role.

    Parameters:
        told: at least a `SIGN_OF_LIFE` every `SIGN_OF_LIFE_SECONDS`.
    """
    return StreamingResponse(
        _while(principal.still, told), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )


async def _while(still: Still, told: AsyncGenerator[str]) -> AsyncIterator[str]:
    clock = asyncio.get_running_loop().time
    ends, looked_up = clock() + _LASTS_SECONDS, clock()
    yield _AGAIN
    async with aclosing(told):
        async for piece in told:
            if clock() > ends:
                return
            if clock() - looked_up >= _LOOKED_UP_EVERY_SECONDS:
                if not await _holds(still):
                    return
                looked_up = clock()
            yield piece


async def _holds(still: Still) -> bool:
    """Whether they would be let in again; not while nobody can say."""
    try:
        return await still()
    except Exception as error:
        if not is_transient(error):
            raise
        return False


def told(event: str, data: str = "", id_: str = "") -> str:
    """A server-sent event (HTML Living Standard, 9.2); a browser that connects again says the last `id_` it was told."""
    fields = [
        ("event", event),
        *([("id", id_)] if id_ else []),
        *(("data", line) for line in data.splitlines() or [""]),
    ]
    return "".join(f"{name}: {value}\n" for name, value in fields) + "\n"
