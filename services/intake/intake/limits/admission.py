"""Submissions on their way in: what its source's limit allows goes on, the rest is parked or refused."""

import asyncio
from collections.abc import Sequence
from math import ceil
from typing import Any

from chassis.keys import ResealedColumn, TenantKeys
from chassis.pieces import pieces
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.message import Allowance, ProblemCode, ProblemError
from intake.limits import store
from intake.limits.limiter import Limiter, is_limited

_AT_ONCE = 20
"""Of how many sources the counters are asked at once: a batch of many waits for each of them else, and everybody with it."""

RESEALED = ResealedColumn(
    "parked", "sealed", key={"source_system": "text", "seq": "bigint"}, context="parked/{message_id}"
)
"""What `purpose` is the context of."""


class Admission:
    """Lets submissions in."""

    def __init__(self, limiter: Limiter, keys: TenantKeys) -> None:
        self._limiter = limiter
        self._keys = keys

    async def let_in(self, uow: UnitOfWork, batch: Sequence[Received[Any]]) -> Sequence[Received[Any]]:
        """Those commands of a batch that may be handled now; the others are parked.

        While some of a source's are parked, all that come are parked behind them, so their order stays.
        """
        by_source: dict[store.Source, list[Received[Any]]] = {}
        for message in filter(is_limited, batch):
            by_source.setdefault((message.tenant, message.body.source_system), []).append(message)
        if not by_source:
            return batch
        parked: list[Received[Any]] = []
        counted: dict[tuple[str, str, int], list[Received[Any]]] = {}
        for (tenant, source), (limit, backlogged) in (await store.limits(uow, list(by_source))).items():
            if backlogged:
                parked += by_source[tenant, source]
            else:
                name = self._limiter.counted_as(tenant, source)
                counted.setdefault((tenant, name, limit), []).extend(by_source[tenant, source])
        sources = list(counted.items())
        for start in range(0, len(sources), _AT_ONCE):
            some = sources[start : start + _AT_ONCE]
            taken = await asyncio.gather(
                *(
                    self._limiter.take(tenant, name, [m.id for m in messages], limit)
                    for (tenant, name, limit), messages in some
                )
            )
            for (_, messages), (granted, _) in zip(some, taken, strict=True):
                parked += messages[granted:]
        if not parked:
            return batch
        sealed = [await self._sealed(uow, message) async for some in pieces(parked) for message in some]
        store.park(uow, sealed)
        kept_back = {(message.tenant, message.id) for message in parked}
        return [message for message in batch if (message.tenant, message.id) not in kept_back]

    async def let_in_now(self, uow: UnitOfWork, request: Received[Any]) -> Allowance | None:
        """Let a request in that cannot wait; returns what is left of its source's limit, if it has one.

        Raises:
            ProblemError: the limit is exceeded, or commands of the source are parked: it must not overtake them.
        """
        if not is_limited(request):
            return None
        tenant, source = request.tenant, request.body.source_system
        ((limit, backlogged),) = (await store.limits(uow, [(tenant, source)])).values()
        wanted = [] if backlogged else [request.id]
        name = self._limiter.counted_as(tenant, source)
        granted, allowance = await self._limiter.take(tenant, name, wanted, limit)
        if granted:
            return allowance
        waiting = await store.count_of(uow, tenant, source) if backlogged else 0
        pause = max(1, allowance.reset_seconds, ceil(waiting / limit * allowance.window_seconds))
        allowance = allowance.model_copy(update={"remaining": 0, "reset_seconds": pause})
        why = f"{waiting} that came before wait for that" if waiting else "has"
        message = f"this source may submit {limit} leads a minute, and {why}: try again in {pause} s"
        raise ProblemError(ProblemCode.UNAVAILABLE, message, "source_system", allowance)

    async def _sealed(self, uow: UnitOfWork, message: Received[Any]) -> store.ParkedRow:
        key = await self._keys.of(uow, message.tenant)
        sealed = key.seal(message.wire.packed(), purpose(message.id))
        return store.ParkedRow(message.tenant, message.body.source_system, message.id, message.wire.received, sealed)


def purpose(message_id: object) -> str:
    """What a parked submission is sealed for."""
    return f"parked/{message_id}"
