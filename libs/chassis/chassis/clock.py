"""What time it is, for whoever decides by it: every unit of work asks once, and goes by the answer (`UnitOfWork.now`)."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

Clock = Callable[[], datetime]
"""The moment that it is taken to be (UTC)."""

_LOOKED_AT_EVERY_SECONDS = 0.005


def real() -> datetime:
    return datetime.now(UTC)


class MovedClock:
    """Stands still at the moment that a file says, until the file says another: for proving what takes weeks.

    A clock that lies is a process's, never a tenant's: whoever runs by one must not reach anybody real.

    Parameters:
        file: holds one moment in ISO 8601 with its offset; whoever moves the clock uses `move`.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self()

    def __call__(self) -> datetime:
        """The file's moment.

        Raises:
            OSError: there is no such file.
            ValueError: it does not say a moment with its offset.
        """
        moment = datetime.fromisoformat(self._file.read_text())
        if moment.tzinfo is None:
            raise ValueError(f"{self._file} is to say a moment with its offset, as 2027-03-01T08:00:00+00:00")
        return moment.astimezone(UTC)

    async def tell(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever the clock was moved, until cancelled."""
        seen = self()
        while True:
            await asyncio.sleep(_LOOKED_AT_EVERY_SECONDS)
            now = self()
            if now != seen:
                seen = now
                wake()


def move(file: Path, moment: datetime) -> None:
    """Have the clock of this file stand at a moment; its readers see the old or the new one."""
    aside = file.with_suffix(".next")
    aside.write_text(moment.isoformat())
    aside.replace(file)
