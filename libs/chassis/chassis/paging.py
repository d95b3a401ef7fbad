"""Pages: a cursor is the key of the last thing on a page, and the next page begins behind it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar
from uuid import UUID

from contracts.message import ProblemCode, ProblemError

K = TypeVar("K")
T = TypeVar("T")

_NEVER: Final = "infinity"


def after(cursor: str | None, key: Callable[[str], K]) -> K | None:
    """The key behind which the page asked for begins; none where it is the first.

    Parameters:
        key: reads one, and raises ValueError where the text is none.

    Raises:
        ProblemError: `invalid`, the cursor is none of ours.
    """
    try:
        return key(cursor) if cursor else None
    except ValueError:
        raise ProblemError(
            ProblemCode.INVALID, "not a cursor; pass the last page's next_cursor as it is", "cursor"
        ) from None


def cut(rows: Sequence[T], limit: int, key: Callable[[T], object]) -> tuple[Sequence[T], str | None]:
    """The page, of rows of which one more than it holds were asked for, and where the next one begins, if there is one.

    Parameters:
        key: what the next page begins behind, of a row; its text is the cursor.
    """
    page = rows[:limit]
    return page, str(key(page[-1])) if len(rows) > limit else None


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in an order by time: things of one moment by their ids. A naive `at` is infinity."""

    at: datetime
    id: UUID

    def __str__(self) -> str:
        return f"{self.at.isoformat() if self.at.tzinfo else _NEVER}~{self.id}"

    @classmethod
    def read(cls, text: str) -> "Place":
        """A place from its text.

        Raises:
            ValueError: it is none.
        """
        at, _, id_ = text.partition("~")
        moment = datetime.max if at == _NEVER else datetime.fromisoformat(at)  # noqa: DTZ901 - infinity
        if at != _NEVER and moment.tzinfo is None:
            raise ValueError("a moment without a time zone")
        return cls(moment, UUID(id_))
