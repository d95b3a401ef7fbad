"""Pulling from a durable: everything that is there at once, or else the first message that comes.

The client library's own fetch waits for a full batch or its time-out when a batch can only be filled in part, and its
second request can ask for heartbeats the server refuses; so the two requests are made here (ADR-13 of NATS).
"""

import asyncio
import json
from itertools import count
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.errors import APIError

from contracts.catalogue import Durable

_NANOSECONDS = 1_000_000_000
_ANSWER_SECONDS = 5.0
_MORE_SECONDS = 0.5
"""How long the end of a part-filled batch is waited for: where the broker holds messages back, it says nothing."""
_HEARTBEATS = 4
"""How many signs of life a waiting request asks for; the server takes two at least."""
_HEARTBEAT = "100"
_NOTHING_MORE = ("404", "408", "409 Message Size Exceeds MaxBytes", "409 Exceeded MaxAckPending", "409 Batch Completed")


class Pull:
    """An open pull on one durable."""

    def __init__(self, subscription: Subscription, client: Client, durable: Durable, inbox: str) -> None:
        self._subscription = subscription
        self._client = client
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{durable.stream.name}.{durable.name}"
        self._inbox = inbox
        self._arrived: asyncio.Queue[Msg] = asyncio.Queue()
        self._numbers = count()

    @classmethod
    async def open(cls, client: Client, durable: Durable) -> "Pull":
        inbox: str = client.new_inbox()
        arrived: list[Pull] = []

        async def keep(message: Msg) -> None:
            arrived[0]._arrived.put_nowait(message)

        subscription = await client.subscribe(f"{inbox}.*", cb=keep, pending_msgs_limit=-1, pending_bytes_limit=-1)
        pull = cls(subscription, client, durable, inbox)
        arrived.append(pull)
        return pull

    async def close(self) -> None:
        await self._subscription.unsubscribe()

    def left_over(self) -> list[Msg]:
        """Messages that came after the request they were asked for had been given up."""
        messages = []
        while not self._arrived.empty():
            message = self._arrived.get_nowait()
            if message.reply:
                messages.append(message)
        return messages

    async def take(self, limit: int) -> list[Msg]:
        """At most `limit` messages, as many as there are now, without waiting for more.

        Raises:
            TimeoutError: the broker gives no sign of life.
            APIError: the broker refuses: the durable or its stream is not there.
        """
        return await self._request(limit, _ANSWER_SECONDS, no_wait=True)

    async def wait(self, seconds: float) -> list[Msg]:
        """The next message, or none within `seconds`. Raises what `take` raises."""
        return await self._request(
            1,
            seconds + _ANSWER_SECONDS,
            expires=int(seconds * _NANOSECONDS),
            idle_heartbeat=int(seconds * _NANOSECONDS / _HEARTBEATS),
        )

    async def _request(self, limit: int, seconds: float, **terms: Any) -> list[Msg]:
        reply = f"{self._inbox}.{next(self._numbers)}"
        await self._client.publish(self._next, json.dumps({"batch": limit, **terms}).encode(), reply=reply)
        messages: list[Msg] = []
        while len(messages) < limit:
            try:
                async with asyncio.timeout(_MORE_SECONDS if messages else seconds):
                    message = await self._arrived.get()
            except TimeoutError:
                if messages:
                    break
                raise
            status = message.headers.get("Status") if message.headers else None
            if status is None or message.reply:
                messages.append(message)
            elif message.subject == reply and self._ends(status, message):
                break
        return messages

    @staticmethod
    def _ends(status: str, message: Msg) -> bool:
        """Whether a status message ends its request; raises where it ends it badly."""
        if status == _HEARTBEAT:
            return False
        description = (message.headers or {}).get("Description", "")
        if f"{status} {description}".startswith(_NOTHING_MORE):
            return True
        raise APIError(code=int(status), description=description)
