"""What each source has taken, counted in Valkey for all replicas together.

The counter is asked on the way of every upstream's batch, so it must neither stop nor slow one: while Valkey is away, each
replica counts for itself, and asks again every few seconds.
"""

from typing import Final

from valkey.asyncio import Valkey
from valkey.exceptions import ValkeyError

from chassis.failures import describe
from chassis.limits.counters import WINDOW_SECONDS, Clock, Counters
from chassis.limits.window import Usage
from chassis.logs import get_logger

log = get_logger("limits")

_PATIENCE_SECONDS: Final = 0.25
"""How long Valkey may take to answer; it takes a fraction of a millisecond."""
_AWAY_SECONDS: Final = 5.0
"""How long it is left alone when it has not."""


class SharedCounters:
    """Counts in Valkey, by Valkey's clock; while that is away, in `fallback`."""

    def __init__(
        self, url: str, fallback: Counters, clock: Clock, of: str, window_seconds: float = WINDOW_SECONDS
    ) -> None:
        self._valkey = Valkey.from_url(
            url,
            socket_timeout=_PATIENCE_SECONDS,
            socket_connect_timeout=_PATIENCE_SECONDS,
            client_name=f"leadloop-{of}",
        )
        self._script = self._valkey.register_script(_TAKE)
        self._fallback = fallback
        self._of = of
        self._clock = clock
        self._window = round(window_seconds * 1000)
        self._away_until: float | None = None

    async def take(self, tenant: str, source: str, wanted: int, limit: int) -> tuple[int, Usage]:
        if self._away_until is None or self._clock() >= self._away_until:
            try:
                # Its hash tag keeps the key on one node of a cluster; a tenant's name has no bar in it.
                key = f"leadloop:{self._of}:{{{tenant}|{source}}}"
                granted, *usage = await self._script(keys=[key], args=[self._window, wanted, limit])
            except (ValkeyError, OSError) as error:
                if self._away_until is None:
                    log.warning("Valkey is away: each replica limits rates for itself", error=describe(error))
                self._away_until = self._clock() + _AWAY_SECONDS
            else:
                if self._away_until is not None:
                    log.info("Valkey is back: replicas limit rates together")
                    self._away_until = None
                return granted, Usage(self._window, *usage)
        return await self._fallback.take(tenant, source, wanted, limit)

    async def close(self) -> None:
        await self._valkey.aclose()


_TAKE: Final = """
local window, wanted, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local index, elapsed = math.floor(now / window), now % window
local kept = redis.call('HMGET', KEYS[1], 'index', 'previous', 'current')
local previous, current = tonumber(kept[2]) or 0, tonumber(kept[3]) or 0
if tonumber(kept[1]) == index - 1 then
    previous, current = current, 0
elseif tonumber(kept[1]) ~= index then
    previous, current = 0, 0
end
local used = current + math.floor(previous * (window - elapsed) / window)
local granted = math.max(0, math.min(wanted, limit - used))
if granted > 0 then
    current = current + granted
    redis.call('HSET', KEYS[1], 'index', index, 'previous', previous, 'current', current)
    redis.call('PEXPIRE', KEYS[1], 2 * window)
end
return {granted, previous, current, elapsed}
"""
"""`Counter.take`, in one step for all who ask at once; a source that takes nothing for two windows is forgotten."""
