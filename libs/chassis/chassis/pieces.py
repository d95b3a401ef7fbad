"""Long work in pieces, between which whatever else is due has its turn: a request must not wait for the whole of a large batch."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

PIECE = 50
"""Of messages: some milliseconds' work."""

T = TypeVar("T")


async def pieces(items: Sequence[T]) -> AsyncIterator[Sequence[T]]:
    """The items, some at a time."""
    for start in range(0, len(items), PIECE):
        if start:
            await asyncio.sleep(0)
        yield items[start : start + PIECE]
