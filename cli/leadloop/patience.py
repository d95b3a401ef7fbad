"""Waiting: through the restarts of what is asked, and until what was sent has had all of its effect.

Services are shared, and handle messages in the order of their stream. So each wait has an end of its own, taken when it
begins, that no later traffic moves; and it is given up only where the service itself stands still.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

import nats.errors
from nats.aio.client import Client

from chassis.caller import Caller
from contracts.catalogue import COMMANDS, EVENTS, Stream
from contracts.message import PLATFORM, ProblemCode, ProblemError
from contracts.operations import GetStatus, ServiceStatus
from leadloop.output import CommandError

T = TypeVar("T")

LONG = 600.0
"""Seconds; longer than an outage that is survived without a word."""
NO_BROKER = "the broker does not answer"
_SILENT_SECONDS = 5.0
"""How long a wait takes no word."""
_PAUSE = 0.5
_LOOK_SECONDS = 0.05


class Wait:
    """Something that goes on by itself; whoever looks is told once, on standard error, when it takes a while."""

    def __init__(self) -> None:
        self._began = monotonic()
        self._told = False

    def because(self, reason: str) -> None:
        """Say why it still goes on."""
        if not self._told and monotonic() - self._began > _SILENT_SECONDS:
            print(f"waiting: {reason}; see `leadloop status`", file=sys.stderr, flush=True)
            self._told = True


async def patiently(ask: Callable[[], Awaitable[T]], seconds: float = LONG) -> T:
    """The answer to a question that is asked again while a service, or the broker, is away.

    Raises:
        ProblemError: it was refused, or the service is still away after `seconds`.
        CommandError: the broker is.
    """
    deadline = monotonic() + seconds
    wait = Wait()
    while True:
        try:
            return await ask()
        except ProblemError as error:
            if error.problem.code is not ProblemCode.UNAVAILABLE or monotonic() > deadline:
                raise
            wait.because(error.problem.message)
        except nats.errors.Error:
            if monotonic() > deadline:
                raise CommandError(f"the broker has not answered for {seconds:g} s: see `leadloop status`") from None
            wait.because(NO_BROKER)
        await asyncio.sleep(_PAUSE)


async def polled(ask: Callable[[], Awaitable[T]], enough: Callable[[T], bool], seconds: float) -> T:
    """The first answer that is enough, or the last one when the time is up."""
    deadline = monotonic() + seconds
    while True:
        answer = await ask()
        if enough(answer) or monotonic() > deadline:
            return answer
        await asyncio.sleep(_LOOK_SECONDS)


async def until_handled(client: Client, caller: Caller, *, with_outcomes: bool) -> None:
    """Wait until every lead that the broker holds now is handled, and `with_outcomes` every order to record one.

    What comes later, from whomever, is not waited for; what came before, from whomever, takes the time it takes.

    Raises:
        CommandError: a service stands still.
    """
    await _until_handled(client, COMMANDS, "intake")
    if with_outcomes:  # an outcome waits for its lead's event
        await _until_published(caller, "intake")
        await _until_handled(client, EVENTS, "outcomes")
        await _until_handled(client, COMMANDS, "outcomes")


async def settle(client: Client, caller: Caller, *services: str) -> None:
    """Wait until every event of what these services, intake and outcomes by default, have applied by now has been published and stored
    by the aggregator.

    Raises:
        CommandError: a service stands still.
    """
    for service in services or ("intake", "outcomes"):
        await _until_published(caller, service)
    await _until_handled(client, EVENTS, "aggregator")


async def _until_handled(client: Client, stream: Stream, service: str) -> None:
    """Wait until the service has handled all that the stream holds for it now."""
    js = client.jetstream()
    last = (await patiently(lambda: js.stream_info(stream.name))).state.last_seq

    async def handled() -> tuple[bool, object]:
        info = await patiently(lambda: js.consumer_info(stream.name, service))
        done = (info.ack_floor.stream_seq if info.ack_floor else 0) or 0
        return done >= last or not (info.num_pending or info.num_ack_pending), done

    await _until(handled, f"{service} has handled no message")


async def _until_published(caller: Caller, service: str) -> None:
    """Wait until all that the service has written by now is published."""

    async def status() -> ServiceStatus:
        return await patiently(lambda: caller.ask(PLATFORM, GetStatus(), of=service))

    last = (await status()).outbox_last

    async def published() -> tuple[bool, object]:
        first = (await status()).outbox_first_unsent
        return first is None or first > last, first

    await _until(published, f"{service} has published no event")


async def _until(look: Callable[[], Awaitable[tuple[bool, object]]], otherwise: str) -> None:
    """Look until it is done. `look` tells whether it is, and how far it has come.

    Raises:
        CommandError: it has come no further for `LONG`.
    """
    before: object = None
    moved_at = monotonic()
    while True:
        done, now = await look()
        if done:
            return
        if now != before:
            before, moved_at = now, monotonic()
        elif monotonic() - moved_at > LONG:
            raise CommandError(f"{otherwise} for {LONG:g} s: see `leadloop status`")
        await asyncio.sleep(_LOOK_SECONDS)
