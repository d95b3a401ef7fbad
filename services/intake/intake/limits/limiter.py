"""Who is limited, and how much of a limit is left."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any
from uuid import UUID

from chassis.consumer import most_held
from chassis.limits.counters import Clock, Counters
from chassis.received import Received
from contracts.catalogue import COMMANDS, OPERATOR
from contracts.message import Allowance

_REMEMBERED = 2 * most_held(COMMANDS)
"""More submissions than the consumer holds at any time, all of which may be put back and tried again."""
_SOURCES = 1000
"""How many sources of a tenant are counted each for itself within some minutes; what calls itself by ever new names is counted
as one source beyond that."""
_FORGOTTEN_SECONDS = 300.0
_MANY_NAMES = "*"
"""No source system is called so."""


def is_limited(message: Received[Any]) -> bool:
    """Whether a submission counts: an upstream's and the API's do, the operator's and what was parked do not."""
    return message.wire.sender not in (None, OPERATOR)


class Limiter:
    """Counts submissions, each once, however often it is tried."""

    def __init__(self, counters: Counters, clock: Clock) -> None:
        self._counters = counters
        self._clock = clock
        self._granted: dict[tuple[str, UUID], None] = {}
        self._names: dict[str, set[str]] = {}
        self._forget_at = clock() + _FORGOTTEN_SECONDS

    def counted_as(self, tenant: str, source: str) -> str:
        """The name under which a source is counted: its own, as long as the tenant has not too many."""
        if self._clock() >= self._forget_at:
            self._names.clear()
            self._forget_at = self._clock() + _FORGOTTEN_SECONDS
        names = self._names.setdefault(tenant, set())
        if source not in names and len(names) >= _SOURCES:
            return _MANY_NAMES
        names.add(source)
        return source

    async def take(self, tenant: str, source: str, ids: Sequence[UUID], limit: int) -> tuple[int, Allowance]:
        """How many of these submissions, from the first on, may be handled now, and what is left then; `source` is as it is counted.

        What was let through and comes again was undone with its unit of work, and was counted before.
        """
        keys = [(tenant, id_) for id_ in ids]
        again = sum(1 for _ in takewhile(self._granted.__contains__, keys))
        granted, usage = await self._counters.take(tenant, source, len(keys) - again, limit)
        self._granted.update(dict.fromkeys(keys[again : again + granted]))
        while len(self._granted) > _REMEMBERED:
            del self._granted[next(iter(self._granted))]
        allowance = Allowance(
            limit=limit,
            window_seconds=-(-usage.window // 1000),
            remaining=usage.free(limit),
            reset_seconds=-(-usage.wait(limit) // 1000),
        )
        return again + granted, allowance
