"""Long work in pieces, between which whatever else is due has its turn: a request must not wait for the whole of a large batch."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from time import monotonic
from typing import TypeVar

PIECE = 10
"""Of messages: a few milliseconds' work of the heaviest kind."""
TURN_SECONDS = 0.003
"""How long pieces are worked on before others have their turn: with each of many callers of a loop it adds up."""

T = TypeVar("T")


async def pieces(items: Sequence[T]) -> AsyncIterator[Sequence[T]]:
    """The items, some at a time."""
    began = monotonic()
    for start in range(0, len(items), PIECE):
        if start and monotonic() - began >= TURN_SECONDS:
            await asyncio.sleep(0)
            began = monotonic()
        yield items[start : start + PIECE]
