"""Long work in pieces: what else is due has its turn between them."""

import asyncio
from itertools import count

import pytest

from chassis import pieces as module
from chassis.pieces import PIECE, TURN_SECONDS, pieces


async def turns_beside(items: list[int]) -> tuple[int, list[int]]:
    """How many turns somebody else had while the items were gone through, and the items."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    seen = [item async for some in pieces(items) for item in some]
    beside.cancel()
    return turns, seen


async def test_whatever_else_is_due_has_its_turn_after_some_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "monotonic", count(0, 2 * TURN_SECONDS).__next__)
    items = list(range(3 * PIECE + 1))
    turns, seen = await turns_beside(items)
    assert seen == items
    assert turns >= 3


async def test_quick_pieces_follow_each_other_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "monotonic", lambda: 0.0)
    items = list(range(3 * PIECE + 1))
    assert await turns_beside(items) == (0, items)


async def test_of_nothing_there_is_no_piece() -> None:
    assert [some async for some in pieces([])] == []
