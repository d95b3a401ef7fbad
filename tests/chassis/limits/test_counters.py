"""What sources take, counted in Valkey for all replicas, and in the process while Valkey is away."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from chassis.limits import counters
from chassis.limits.counters import LocalCounters
from chassis.limits.shared_counters import SharedCounters
from leadloop import embedded
from leadloop.embedded import Valkey
from tests.chassis.limits.clock import Clock
from tests.waiting import until


@pytest.fixture
async def valkey(memory_path: Path) -> AsyncIterator[Valkey]:
    async with embedded.valkey(memory_path) as server:
        yield server


@asynccontextmanager
async def sharing(url: str, clock: Clock, seconds: float = 3600) -> AsyncIterator[SharedCounters]:
    """A replica's counters; the window is so long that no test meets its end, unless it wants to."""
    shared = SharedCounters(url, LocalCounters(clock), clock, "leads", seconds)
    try:
        yield shared
    finally:
        await shared.close()


def said(lines: list[Any]) -> list[str]:
    return [line["event"].partition(":")[0] for line in lines]


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with capture_logs() as captured:
        yield captured  # type: ignore[misc]


async def test_replicas_let_a_source_through_as_often_as_its_limit_says_and_not_each(valkey: Valkey) -> None:
    async with sharing(valkey.url, Clock()) as one, sharing(valkey.url, Clock()) as two:
        taken = await asyncio.gather(*(one.take("acme", "web", 3, 100) for _ in range(20)),
                                     *(two.take("acme", "web", 3, 100) for _ in range(20)))  # fmt: skip
        assert sum(granted for granted, _ in taken) == 100
        assert (await two.take("acme", "web", 1, 100))[0] == 0
        assert (await two.take("acme", "crm", 1, 100))[0] == 1
        assert (await two.take("other", "web", 1, 100))[0] == 1


async def test_the_shared_counter_follows_the_same_rule_as_the_process_own(valkey: Valkey) -> None:
    local = LocalCounters(Clock(), 3600)
    async with sharing(valkey.url, Clock()) as shared:
        for wanted, limit in ((0, 10), (4, 10), (9, 10), (1, 10), (8, 15), (1, 5), (2, 17)):
            (here, mine), (there, ours) = (
                await local.take("a", "b", wanted, limit),
                await shared.take("a", "b", wanted, limit),
            )
            assert (here, mine.previous, mine.current) == (there, ours.previous, ours.current)


async def test_what_was_taken_in_valkey_is_given_back_as_the_window_slides(valkey: Valkey) -> None:
    async with sharing(valkey.url, Clock(), seconds=0.4) as shared:
        assert (await shared.take("acme", "web", 10, 10))[0] == 10
        granted, usage = await shared.take("acme", "web", 1, 10)
        assert granted == 0
        assert 0 < usage.wait(10) <= 800

        async def let_through() -> int:
            return (await shared.take("acme", "web", 10, 10))[0]

        assert 0 < await until(let_through, seconds=5, what="the window's slide") <= 10


async def test_while_valkey_is_away_the_process_counts_warns_once_and_shares_again_when_it_is_back(
    valkey: Valkey, lines: list[Any]
) -> None:
    clock = Clock()
    async with sharing(valkey.url, clock) as shared:
        assert (await shared.take("acme", "web", 100, 100))[0] == 100
        await valkey.kill()
        for _ in range(3):
            assert (await shared.take("acme", "web", 10, 100))[0] == 10
            clock.now += 60
        assert said(lines) == ["Valkey is away"]
        await valkey.start()
        clock.now += 60
        assert (await shared.take("acme", "mail", 100, 100))[0] == 100
        assert said(lines) == ["Valkey is away", "Valkey is back"]
        async with sharing(valkey.url, Clock()) as other:
            assert (await other.take("acme", "mail", 1, 100))[0] == 0
    assert not [line for line in lines if "6379" in str(line) or valkey.url in str(line)]


async def test_valkey_that_hangs_is_asked_once_in_a_while_only() -> None:
    """A server that takes connections and never answers costs one wait, and not one a batch."""
    connections = 0

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with server:
        url = f"valkey://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with sharing(url, Clock()) as shared:
            for _ in range(50):
                assert (await shared.take("acme", "web", 1, 100))[0] == 1
        assert connections == 1


async def test_sources_that_are_idle_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "_MANY", 10)
    clock = Clock()
    local = LocalCounters(clock)
    for number in range(11):
        await local.take("acme", str(number), 1, 1)
    clock.now += 3600
    await local.take("acme", "new", 1, 1)
    assert len(local._counters) == 1
