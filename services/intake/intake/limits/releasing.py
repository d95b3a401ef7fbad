"""The worker that lets parked submissions through, each source's oldest first, as its limit allows.

Every replica looks around; of each source one at a time releases, under an advisory lock that ends with its transaction. In
that, submissions are taken from where they were parked and handled as they would have been: state, events and the
deletion commit together.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from prometheus_client import Gauge
from tink import TinkError

from chassis import tenants
from chassis.failures import describe, is_transient, lost_a_race
from chassis.keys import TenantKey, TenantKeys
from chassis.limits.counters import Clock
from chassis.logs import get_logger
from chassis.received import Wire
from chassis.unit_of_work import Database, UnitOfWork
from contracts.intake.leads import SubmitLead
from intake import locks
from intake.limits import store
from intake.limits.admission import purpose
from intake.limits.limiter import Limiter

log = get_logger("releasing")

PARKED = Gauge("leadloop_parked_submissions", "Submissions that wait because their source sent more than it may")

_BATCH = 50
"""How many are released at once; a tenant with many must not hold up what others submit meanwhile."""
_SOURCES_AT_ONCE = 20
"""Of how many sources of one tenant something is released before it is looked again."""
_POLL_SECONDS = 0.5
_TROUBLE_SECONDS = 5.0
"""How long a source is left alone whose release failed."""
_COUNT_SECONDS = 15.0

Handle = Callable[[UnitOfWork, Sequence[Wire]], Awaitable[None]]


class Releaser:
    """Runs until it is cancelled."""

    def __init__(self, database: Database, keys: TenantKeys, limiter: Limiter, clock: Clock) -> None:
        self._database = database
        self._keys = keys
        self._limiter = limiter
        self._clock = clock
        self._not_before: dict[tuple[store.Source, int], float] = {}
        self._counted_at = float("-inf")

    async def run(self, handle: Handle) -> None:
        """Release a batch of every source that may go on, again and again; `handle` is the service's, for what it kept."""
        while True:
            now = self._clock()
            found = await self._look_around(now)
            # With another limit than when it was left alone, a source may go on.
            self._not_before = {(source, limit): at for (source, limit), at in self._not_before.items()
                                if found.get(source) == limit}  # fmt: skip
            due = [source for source, limit in found.items() if self._not_before.get((source, limit), now) <= now]
            at_once = False
            for tenant, source in _in_turns(due):
                pause: float | None
                try:
                    pause = await self._release(tenant, source, handle)
                except Exception as error:
                    # The next one's turn all the same: nobody waits for another tenant's trouble.
                    log.warning("parked submissions were not released", tenant=tenant, error=describe(error),
                                exc_info=None if is_transient(error) else error)  # fmt: skip
                    pause = None if lost_a_race(error) else _TROUBLE_SECONDS
                if pause is not None:
                    self._not_before[(tenant, source), found[tenant, source]] = now + pause
                    at_once |= pause == 0
            if not at_once:
                await asyncio.sleep(_POLL_SECONDS)

    async def _look_around(self, now: float) -> dict[store.Source, int]:
        """The sources of which something is parked, and their limits."""
        async with self._database.begin() as uow:
            await uow.act_for(await tenants.all_tenants(uow))
            found = {
                source: limit for source, (limit, _) in (await store.limits(uow, await store.backlogged(uow))).items()
            }
            if not found or now >= self._counted_at + _COUNT_SECONDS:
                PARKED.set(await store.count(uow) if found else 0)
                self._counted_at = now
        return found

    async def _release(self, tenant: str, source: str, handle: Handle) -> float | None:
        """Release what the source's limit allows, a batch at most.

        Returns:
            For how many seconds there will be no more; none where that is to be seen, for another holds the source.
        """
        async with self._database.begin(tenant) as uow:
            if not await locks.releasing(uow, tenant, source):
                return None
            rows = await store.oldest(uow, tenant, source, _BATCH)
            if not rows:
                return None
            limit = (await tenants.settings_of(uow, tenant)).lead_limit(source)
            name = self._limiter.counted_as(tenant, source)
            granted, allowance = await self._limiter.take(tenant, name, [row.message_id for row in rows], limit)
            if granted:
                key = await self._keys.of(uow, tenant)
                await store.unpark(uow, tenant, source, rows[granted - 1].seq)
                await handle(uow, [_opened(row, key) for row in rows[:granted]])
        return 0.0 if granted == _BATCH else allowance.reset_seconds


def _in_turns(due: Sequence[store.Source]) -> list[store.Source]:
    """Some of each tenant's sources, so that one with many holds up no other; the rest at the next look."""
    taken: Counter[str] = Counter()
    turn = []
    for tenant, source in due:
        taken[tenant] += 1
        if taken[tenant] <= _SOURCES_AT_ONCE:
            turn.append((tenant, source))
    return turn


def _opened(row: Any, key: TenantKey) -> Wire:
    try:
        wire = Wire.unpacked(key.open(row.sealed, purpose(row.message_id)), row.received_at)
        return replace(wire, sender=None)  # it was counted just now, and would be parked again as its sender's
    except TinkError:
        # Handed on as it is, it becomes a dead letter, as what cannot be read does, and the others go on.
        headers = {"ce-id": str(row.message_id)}
        return Wire(SubmitLead.topic.subject(key.tenant), headers, row.sealed, row.received_at)
