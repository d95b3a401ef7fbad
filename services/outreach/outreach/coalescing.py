"""Many callers share one transaction: what comes while one is under way goes into the next."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Coalescing(Generic[Item, Result]):
    """Calls `work` with what callers have given since its last call; each caller gets its own item's result.

    One call is under way at a time, so that under load each carries as much as came meanwhile, and alone nobody waits.

    Parameters:
        work: what is done with items; returns a result for each, in their order. What it raises, every caller of the call gets.
        most: how many items a call is given, at most.
    """

    def __init__(self, work: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]], most: int) -> None:
        self._work = work
        self._most = most
        self._given: list[tuple[Item, asyncio.Future[Result]]] = []
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Result:
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._given.append((item, future))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        while self._given:
            batch, self._given = self._given[: self._most], self._given[self._most :]
            try:
                results = await self._work([item for item, _ in batch])
            except BaseException as error:  # noqa: BLE001 - it is the callers'
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)
