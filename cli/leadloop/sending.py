"""Sending commands in order, over as many connections to the broker as it takes."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import nats.errors

from chassis.outlet import Outgoing, Outlet, TooLargeError
from leadloop.patience import NO_BROKER, Wait

_PAUSE = 0.5
_AT_ONCE: Mapping[str, Any] = {"max_reconnect_attempts": 1, "reconnect_time_wait": 0}
"""The client itself would try to connect for two minutes before it said that nobody is there."""


class Sender:
    """Use it as a context manager. `address` is what the client is to connect with."""

    def __init__(self, address: Mapping[str, Any]) -> None:
        self._address = address
        self._connection = AsyncExitStack()
        self._outlet: Outlet | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._disconnect()

    async def send(self, messages: Sequence[Outgoing]) -> None:
        """Publish messages in their order; what is not confirmed is sent again, however long it takes.

        They are sent again from the first unconfirmed one on, so that none overtakes another.

        Raises:
            TooLargeError: the broker will never take one of them.
        """
        rest = messages
        wait = Wait()
        while rest:
            errors = await self._publish(rest)
            if any(isinstance(error, TooLargeError) for error in errors):
                raise TooLargeError
            rest = rest[next((n for n, error in enumerate(errors) if error), len(rest)) :]
            if rest:
                wait.because(NO_BROKER)
                await self._disconnect()
                await asyncio.sleep(_PAUSE)

    async def _publish(self, messages: Sequence[Outgoing]) -> Sequence[Exception | None]:
        try:
            if self._outlet is None:
                self._outlet = await self._connection.enter_async_context(Outlet.open({**self._address, **_AT_ONCE}))
            return await self._outlet.publish(messages)
        except (nats.errors.Error, OSError, TimeoutError) as error:
            return [error]

    async def _disconnect(self) -> None:
        self._outlet = None
        await self._connection.aclose()
