"""Publishing to JetStream in order and pipelined, over a connection that is given up when it is lost.

The client library would keep what it had not yet sent, and send it once it has reconnected: ahead of what the caller,
who saw no acknowledgement, publishes again. Later events would overtake earlier ones. So a connection serves until it
is lost, what it held goes with it, and the caller begins again with the first message that was not acknowledged.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from chassis.pieces import pieces

_ACK_SECONDS = 10.0
_CLOSE_SECONDS = 2.0
_HEADERS_BYTES = 4096
"""More than an envelope's headers ever take: they are counted only where it matters."""
_TOO_LARGE = (10054, 10097)
"""The server's codes for a message, and for headers, beyond what it takes."""


class TooLargeError(Exception):
    """The broker will never take this message."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to publish."""

    subject: str
    headers: dict[str, str]
    body: bytes

    @property
    def size(self) -> int:
        """Bytes as the broker counts them: the body, and the headers as they travel (ADR-4 of NATS)."""
        headers = sum(len(f"{name}: {value}\r\n".encode()) for name, value in self.headers.items())
        return len(self.body) + headers + len("NATS/1.0\r\n\r\n")


Answer = asyncio.Future[Exception | None]
"""What became of a message: nothing when it is stored, else a `TooLargeError` for good, any other error until the broker is
well again."""


class Outlet:
    """An open connection for publishing."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._inbox = ""
        self._numbers = count()
        self._answers: dict[str, Answer] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, address: Mapping[str, Any]) -> AsyncIterator["Outlet"]:
        """An outlet for the length of the block; `address` is what the client is to connect with."""
        client = Client()
        outlet = cls(client)
        try:
            await client.connect(**address, allow_reconnect=False, error_cb=outlet._refused, closed_cb=outlet._closed)
            task = asyncio.current_task()
            if task and task.cancelling():  # the library waits in a way that can swallow it (bpo-37658)
                raise asyncio.CancelledError
            outlet._inbox = client.new_inbox()
            await client.subscribe(f"{outlet._inbox}.*", cb=outlet._answered)
            yield outlet
        finally:
            # What is left to be sent may find no taker.
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await client.close()

    async def send(self, messages: Sequence[Outgoing]) -> list[Answer]:
        """Publish behind what is under way; returns the acknowledgements to come, for `answers`.

        Raises:
            nats.errors.Error: the connection is lost.
        """
        answers = []
        async for some in pieces(messages):
            for message in some:
                answer: Answer = asyncio.get_running_loop().create_future()
                answers.append(answer)
                if (
                    len(message.body) + _HEADERS_BYTES > self._client.max_payload
                    and message.size > self._client.max_payload
                ):
                    answer.set_result(TooLargeError())
                    continue
                reply = f"{self._inbox}.{next(self._numbers)}"
                self._answers[reply] = answer
                await self._client.publish(message.subject, message.body, reply=reply, headers=message.headers)
        return answers

    async def answers(self, sent: Sequence[Answer]) -> list[Exception | None]:
        """Wait for acknowledgements; one that does not come is a `TimeoutError`."""
        await asyncio.wait(sent, timeout=_ACK_SECONDS)
        return [answer.result() if answer.done() else TimeoutError() for answer in sent]

    async def publish(self, messages: Sequence[Outgoing]) -> list[Exception | None]:
        """Publish and wait for the acknowledgements; raises as `send` does."""
        return await self.answers(await self.send(messages))

    async def _answered(self, message: Msg) -> None:
        answer = self._answers.pop(message.subject, None)
        if answer is not None and not answer.done():
            answer.set_result(_error(message))

    async def _refused(self, error: Exception) -> None:
        """The broker refuses something, a subject as a rule, and does not tell which: nothing under way can be trusted."""
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result(error)

    async def _closed(self) -> None:
        await self._refused(nats.errors.ConnectionClosedError())


def _error(message: Msg) -> Exception | None:
    """What an acknowledgement says is wrong."""
    if b'"stream"' in message.data and b'"error"' not in message.data and not message.headers:
        return None
    if message.headers and message.headers.get("Status") == "503":
        return nats.js.errors.NoStreamResponseError()
    error = json.loads(message.data).get("error")
    if error is None:
        return None
    return TooLargeError() if error.get("err_code") in _TOO_LARGE else nats.js.errors.APIError.from_error(error)
