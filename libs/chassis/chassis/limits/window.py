"""The rate limit's rule: a sliding window, counted by two windows that stand still.

What was taken in the window before counts by the share of it that still lies within the last `window` milliseconds, as if it
had been taken evenly. So no window lets more than the limit through, and a stretch across two of them lets through more only
as far as the first's came late: all that for two numbers a source.
All is counted in whole milliseconds: `shared_counters.py` has the rule a second time, for the shared counter.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """What a source has taken.

    Attributes:
        window: milliseconds.
        previous: how many in the window before this one.
        current: how many in this one.
        elapsed: milliseconds since this window began.
    """

    window: int
    previous: int
    current: int
    elapsed: int

    @property
    def used(self) -> int:
        """How many count now; one that counts by a part no longer does."""
        return self.current + self.previous * (self.window - self.elapsed) // self.window

    def free(self, limit: int) -> int:
        """How many more may be taken now."""
        return max(0, limit - self.used)

    def wait(self, limit: int) -> int:
        """Milliseconds until more may be taken than now; 0 when nothing was taken."""
        used = min(self.used, limit)
        if used == 0:
            return 0
        if used > self.current:
            return self._until(self.previous, used - self.current) - self.elapsed
        return self.window - self.elapsed + self._until(self.current, used)

    def _until(self, previous: int, fewer_than: int) -> int:
        """How far into a window of those of the one before so few still count."""
        return self.window + 1 - -(-fewer_than * self.window // previous)


@dataclass(slots=True)
class Counter:
    """One source's two numbers, and which window they belong to, counted from the clock's zero."""

    index: int = 0
    previous: int = 0
    current: int = 0

    def take(self, wanted: int, limit: int, window: int, now: int) -> tuple[int, Usage]:
        """Take as many of `wanted` as `limit` allows `now` (milliseconds); returns how many, and the usage with them."""
        index, elapsed = divmod(now, window)
        if index != self.index:
            self.previous = self.current if index == self.index + 1 else 0
            self.current, self.index = 0, index
        granted = min(wanted, Usage(window, self.previous, self.current, elapsed).free(limit))
        self.current += granted
        return granted, Usage(window, self.previous, self.current, elapsed)
