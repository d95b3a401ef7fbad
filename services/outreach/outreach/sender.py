"""The worker that sends what is queued, at most once whatever dies.

A message goes queued → sending → sent or failed. A batch is reserved first (a token and a lease on queued rows), so that
workers share the queue. Each message then becomes ``sending`` right before it is handed over, in a commit of its own
and only under its token and while its campaign runs. A reservation that runs out is anybody's again, for nothing of it
was handed over. A *sending* that runs out becomes ``unknown``, and nobody sends it again by itself: the provider may have
taken it.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis import tenants
from chassis.failures import is_transient
from chassis.logs import get_logger
from chassis.unit_of_work import Database
from contracts.outreach import MessageFailed, MessageSent, SendState
from outreach import store
from outreach.provider import Outgoing, Provider, RefusedError

log = get_logger("sender")

LEASE = timedelta(seconds=60)
"""How long a reservation holds, and how long after the hand-over began a result is waited for."""
_PROVIDER_SECONDS = 20.0
"""How long a provider may take; shorter than the lease, or living workers' messages would become unknown."""
_BATCH = 20
_AT_ONCE = 4
_POLL_SECONDS = 1.0
"""How soon is seen what another replica queued, or a lease that ran out; this replica's own is seen at once."""


class Sender:
    """Runs until it is cancelled; `wake` tells it that something may be due."""

    def __init__(self, database: Database, provider: Provider) -> None:
        self._database = database
        self._provider = provider
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        """Send a batch of every campaign that has something due, again and again: none waits for another's queue."""
        while True:
            self._woken.clear()
            campaigns = await self._look_around()
            sent = [await self._send_batch(tenant, campaign_id) for tenant, campaign_id in campaigns]
            if not any(sent):
                # Not wait_for: before Python 3.12 it loses a cancellation that comes together with the wake-up.
                with suppress(TimeoutError):
                    async with asyncio.timeout(_POLL_SECONDS):
                        await self._woken.wait()

    async def _look_around(self) -> list[tuple[str, UUID]]:
        """Give up what was being sent when its worker died, and find the campaigns that have something to send."""
        async with self._database.begin() as uow:
            names = await tenants.all_tenants(uow)
            await uow.act_for(names)
            given_up = await store.give_up_expired(uow, names)
            campaigns = await store.due_campaigns(uow, names)
        if given_up:
            log.warning("nobody knows whether messages were sent: their worker died", count=given_up)
        return campaigns

    async def _send_batch(self, tenant: str, campaign_id: UUID) -> int:
        """Reserve a batch and send it, a few messages at once; returns how many were reserved."""
        token = uuid7()
        async with self._database.begin(tenant) as uow:
            batch = await store.reserve(uow, tenant, campaign_id, token, LEASE, _BATCH)
        waiting = iter(batch)
        lanes = (self._send_each(waiting, token) for _ in range(_AT_ONCE))
        # A lane that raises must not take the others' messages from the wire.
        for outcome in await asyncio.gather(*lanes, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
        return len(batch)

    async def _send_each(self, waiting: Iterator[Outgoing], token: UUID) -> None:
        for message in waiting:
            await _to_its_end(self._send(message, token))

    async def _send(self, message: Outgoing, token: UUID) -> None:
        async with self._database.begin(message.tenant) as uow:
            if not await store.begin_sending(uow, message, token, LEASE):
                return
        try:
            async with asyncio.timeout(_PROVIDER_SECONDS):
                await self._provider.send(message)
        except RefusedError as refused:
            await self._record(message, token, refused.reason)
        else:
            await self._record(message, token)

    async def _record(self, message: Outgoing, token: UUID, reason: str | None = None) -> None:
        """Record that a message was sent, or why it was not. Only this process knows, so it outwaits the database."""
        state = SendState.FAILED if reason else SendState.SENT
        deadline = monotonic() + LEASE.total_seconds()
        while True:
            try:
                async with self._database.begin(message.tenant) as uow:
                    if await store.record(uow, message, token, state, reason):
                        about: dict[str, Any] = {
                            "campaign_id": message.campaign_id,
                            "occurred_at": uow.now,
                            "message_id": message.message_id,
                            "lead_id": message.lead_id,
                            "channel": message.channel,
                        }
                        event = MessageFailed(**about, reason=reason) if reason else MessageSent(**about)
                        uow.publish(message.tenant, event)
                return
            except Exception as error:
                if not is_transient(error) or monotonic() > deadline:
                    raise
                await asyncio.sleep(1)


async def _to_its_end(sending: Coroutine[Any, Any, None]) -> None:
    """Await it, even when cancelled meanwhile: a service that stops must not leave a message's fate unknown."""
    task = asyncio.ensure_future(sending)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
