"""Pages: a cursor is the key of the last thing on a page, and the next page begins behind it."""

from collections.abc import Callable
from typing import TypeVar

from contracts.message import ProblemCode, ProblemError

K = TypeVar("K")


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
