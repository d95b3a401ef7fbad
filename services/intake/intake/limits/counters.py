"""Where what each source has taken is counted: in Valkey for all replicas together, else in this process alone.

The counter is asked on the way of every upstream's batch, so it must neither stop nor slow one: while Valkey is away, each
replica counts for itself, and asks again every few seconds.
"""

from collections.abc import Callable
from typing import Final, Protocol

from pydantic import SecretStr
from valkey.asyncio import Valkey
from valkey.exceptions import ValkeyError

from chassis.failures import describe
from chassis.logs import get_logger
from intake.limits.domain_window import Counter, Usage

log = get_logger("limits")

WINDOW_SECONDS: Final = 60
_PATIENCE_SECONDS: Final = 0.25
"""How long Valkey may take to answer; it takes a fraction of a millisecond."""
_AWAY_SECONDS: Final = 5.0
"""How long it is left alone when it has not."""
_MANY: Final = 10_000
"""How many sources are counted before those that are idle are forgotten."""

Clock = Callable[[], float]
"""Seconds since some moment in the past."""


class Counters(Protocol):
    """Counts what sources take."""

    async def take(self, tenant: str, source: str, wanted: int, limit: int) -> tuple[int, Usage]:
        """Take as many of `wanted` as the limit allows; returns how many, and the source's usage with them."""

    async def close(self) -> None: ...


class LocalCounters:
    """Counts in this process; several replicas let each source through as often as there are of them."""

    def __init__(self, clock: Clock, window_seconds: float = WINDOW_SECONDS) -> None:
        self._clock = clock
        self._window = round(window_seconds * 1000)
        self._counters: dict[tuple[str, str], Counter] = {}

    async def take(self, tenant: str, source: str, wanted: int, limit: int) -> tuple[int, Usage]:
        now = int(self._clock() * 1000)
        if len(self._counters) > _MANY and (tenant, source) not in self._counters:
            latest = now // self._window - 1
            self._counters = {key: counter for key, counter in self._counters.items() if counter.index >= latest}
        return self._counters.setdefault((tenant, source), Counter()).take(wanted, limit, self._window, now)

    async def close(self) -> None:
        """There is nothing to close."""


class SharedCounters:
    """Counts in Valkey, by Valkey's clock; while that is away, in `fallback`."""

    def __init__(self, url: str, fallback: Counters, clock: Clock, window_seconds: float = WINDOW_SECONDS) -> None:
        self._valkey = Valkey.from_url(
            url,
            socket_timeout=_PATIENCE_SECONDS,
            socket_connect_timeout=_PATIENCE_SECONDS,
            client_name="leadloop-intake",
        )
        self._script = self._valkey.register_script(_TAKE)
        self._fallback = fallback
        self._clock = clock
        self._window = round(window_seconds * 1000)
        self._away_until: float | None = None

    async def take(self, tenant: str, source: str, wanted: int, limit: int) -> tuple[int, Usage]:
        if self._away_until is None or self._clock() >= self._away_until:
            try:
                # Its hash tag keeps the key on one node of a cluster; a tenant's name has no bar in it.
                key = f"leadloop:leads:{{{tenant}|{source}}}"
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


def counters_in(url: SecretStr | None, clock: Clock) -> Counters:
    """The counters in this Valkey, or else in the process."""
    local = LocalCounters(clock)
    return SharedCounters(url.get_secret_value(), local, clock) if url else local


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
