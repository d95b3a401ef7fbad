"""How many may be told of something at once, and how many of them may be one user's or key's, so that nobody takes every place."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from contracts.message import ProblemCode, ProblemError


@dataclass
class Seats:
    """Places of one replica.

    Attributes:
        most: how many there are.
        most_of_one: how many somebody may have.
        full: what to say to whoever gets none.
    """

    most: int
    most_of_one: int
    full: str
    _taken: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def taken(self, actor: str) -> Iterator[None]:
        """Have a place while the block lasts. Nothing is waited for between looking for one and taking it, so no two get the same.

        Raises:
            ProblemError: `unavailable`, there is none.
        """
        if self._taken.total() >= self.most or self._taken[actor] >= self.most_of_one:
            raise ProblemError(ProblemCode.UNAVAILABLE, self.full)
        self._taken[actor] += 1
        try:
            yield
        finally:
            self._taken.subtract([actor])
            if not self._taken[actor]:
                del self._taken[actor]
