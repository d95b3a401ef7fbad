"""Long work in pieces: what else is due has its turn between them."""

import asyncio

from chassis.pieces import PIECE, pieces


async def test_whatever_else_is_due_has_its_turn_after_each_piece() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    items = list(range(3 * PIECE + 1))
    seen = [some async for some in pieces(items)]
    beside.cancel()
    assert [len(some) for some in seen] == [PIECE, PIECE, PIECE, 1]
    assert [item for some in seen for item in some] == items
    assert turns >= 3


async def test_of_nothing_there_is_no_piece() -> None:
    assert [some async for some in pieces([])] == []
