"""Waiting: through the restarts of what is asked, and until what was sent has had all of its effect."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

import nats.errors
from nats.aio.client import Client

from chassis.caller import Caller
from contracts.catalogue import EVENTS
from contracts.message import PLATFORM, ProblemCode, ProblemError
from contracts.operations import GetStatus, ServiceStatus
from leadloop.output import CommandError

T = TypeVar("T")

LONG = 600.0
"""Seconds; longer than an outage that is survived without a word."""
_PAUSE = 0.5


async def patiently(ask: Callable[[], Awaitable[T]], seconds: float = LONG) -> T:
    """The answer to a question that is asked again while a service, or the broker, is away.

    Raises:
        ProblemError: it was refused, or the service is still away after `seconds`.
        nats.errors.Error: the broker is.
    """
    deadline = monotonic() + seconds
    while True:
        try:
            return await ask()
        except ProblemError as error:
            if error.problem.code is not ProblemCode.UNAVAILABLE or monotonic() > deadline:
                raise
        except nats.errors.Error:
            if monotonic() > deadline:
                raise
        await asyncio.sleep(_PAUSE)


async def settle(client: Client, caller: Caller, seconds: float = LONG) -> None:
    """Wait until every event of what is applied now has been published and stored by the aggregator.

    Raises:
        CommandError: not within `seconds`.
    """
    js = client.jetstream()
    try:
        async with asyncio.timeout(seconds):
            for service in ("intake", "outcomes"):
                await _until_published(caller, service)
            last = (await patiently(lambda: js.stream_info(EVENTS.name))).state.last_seq
            while True:
                info = await patiently(lambda: js.consumer_info(EVENTS.name, "aggregator"))
                done = info.ack_floor.stream_seq if info.ack_floor else 0
                if done >= last or not (info.num_pending or info.num_ack_pending):
                    return
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise CommandError(f"events were not stored within {seconds:g} s: see `leadloop status`") from None


async def _until_published(caller: Caller, service: str) -> None:
    """Wait until all that the service has written by now is published."""

    async def status() -> ServiceStatus:
        return await caller.ask(PLATFORM, GetStatus(), of=service)

    now = (await patiently(status)).now
    while True:
        oldest = (await patiently(status)).outbox_oldest_at
        if oldest is None or oldest > now:
            return
        await asyncio.sleep(0.05)
