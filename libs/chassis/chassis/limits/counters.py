"""Where what each source has taken is counted: in Valkey for all replicas together, else in this process alone."""

from collections.abc import Callable
from typing import Final, Protocol

from pydantic import SecretStr

from chassis.limits.window import Counter, Usage

WINDOW_SECONDS: Final = 60
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


def counters_in(url: SecretStr | None, clock: Clock, of: str, window_seconds: float = WINDOW_SECONDS) -> Counters:
    """The counters in this Valkey, or else in the process; what they are `of` keeps them apart from others there."""
    local = LocalCounters(clock, window_seconds)
    if url is None:
        return local
    # Imported here: its client takes 9 MiB, and few installations have a Valkey.
    from chassis.limits.shared_counters import SharedCounters

    return SharedCounters(url.get_secret_value(), local, clock, of, window_seconds)
