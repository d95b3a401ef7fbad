"""Pulling from a durable: everything that is there at once, or else the first message that comes.

The client library's own fetch waits for full batches. Here each pull is one request of ADR-13 of NATS, `no_wait` with
`expires`. Every request expires: while MaxAckPending is reached the broker holds a request silently, and would later
deliver to a caller that has gone what another replica waits for.
"""

import asyncio
import json
from itertools import count

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.errors import APIError

from chassis.deliveries import deliver
from contracts.catalogue import Durable

_NANOSECONDS = 1_000_000_000
_ANSWER_SECONDS = 3.0
"""How much longer than agreed the broker may take to say that a request has ended."""
_NOTHING_MORE = ("404", "408", "409 Message Size Exceeds MaxBytes", "409 Exceeded MaxAckPending", "409 Batch Completed")


class Pull:
    """An open pull on one durable."""

    def __init__(
        self, subscription: Subscription, client: Client, durable: Durable, inbox: str, arrived: asyncio.Queue[Msg]
    ) -> None:
        self._subscription = subscription
        self._client = client
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{durable.stream.name}.{durable.name}"
        self._inbox = inbox
        self._arrived = arrived
        self._numbers = count()

    @classmethod
    async def open(cls, client: Client, durable: Durable) -> "Pull":
        inbox: str = client.new_inbox()
        arrived: asyncio.Queue[Msg] = asyncio.Queue()

        async def keep(message: Msg) -> None:
            arrived.put_nowait(message)

        subscription = await client.subscribe(f"{inbox}.*", cb=keep, pending_msgs_limit=-1, pending_bytes_limit=-1)
        deliver(client, subscription, arrived.put_nowait)
        return cls(subscription, client, durable, inbox, arrived)

    async def close(self) -> None:
        """Take no more, and give back what is left over."""
        await self._subscription.unsubscribe()
        for message in self.left_over():
            await message.nak()

    def left_over(self) -> list[Msg]:
        """Messages that came after the request they were asked for had been given up."""
        messages = []
        while not self._arrived.empty():
            message = self._arrived.get_nowait()
            if message.reply:
                messages.append(message)
        return messages

    async def take(self, limit: int, seconds: float, most_bytes: int = 0) -> list[Msg]:
        """At most `limit` messages: all that are there, or else the first to come within `seconds`.

        Parameters:
            most_bytes: they take no more, as the broker counts them; 0 for any.

        Raises:
            TimeoutError: the broker gives no sign of life.
            APIError: the broker refuses: the durable or its stream is not there.
        """
        reply = f"{self._inbox}.{next(self._numbers)}"
        terms = {"batch": limit, "no_wait": True, "expires": int(seconds * _NANOSECONDS), "max_bytes": most_bytes}
        await self._client.publish(self._next, json.dumps(terms).encode(), reply=reply)
        messages: list[Msg] = []
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(seconds + _ANSWER_SECONDS) as patience:
                while len(messages) < limit:
                    if self._arrived.empty() and messages:
                        patience.reschedule(clock() + _ANSWER_SECONDS)
                    message = await self._arrived.get() if self._arrived.empty() else self._arrived.get_nowait()
                    if message.reply:
                        messages.append(message)
                    elif message.subject == reply and _is_end(message):
                        break
        except BaseException:
            for message in messages:
                self._arrived.put_nowait(message)
            raise
        return messages


def _is_end(message: Msg) -> bool:
    """Whether a status ends its request as it should.

    Raises:
        APIError: it ends it otherwise.
    """
    headers = message.headers or {}
    status, description = headers.get("Status", ""), headers.get("Description", "")
    if f"{status} {description}".startswith(_NOTHING_MORE):
        return True
    raise APIError(code=int(status), description=description)
