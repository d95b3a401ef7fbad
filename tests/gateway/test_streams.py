"""A stream ends with what let its listener in: looked up again while it is told, and not with each thing that it tells."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from uuid import UUID

import httpx
import pytest

from contracts.gateway.access import Scope
from contracts.gateway.keys import CreateApiKey, RevokeApiKey
from contracts.gateway.users import ChangeUser, EndSessions, RemoveUser
from contracts.message import Request
from contracts.taxonomy import Role
from gateway import live
from gateway.api import imports as imports_api
from gateway.pages import dashboard
from gateway.pages import imports as import_pages
from tests.gateway.conftest import Gateway, Tenancy, behind_the_gate, filled_in

STREAM_SECONDS = 0.1
"""Between two signs of life."""

Ends = Callable[[UUID], Request]  # type: ignore[type-arg]


@pytest.fixture
async def streams(gateway: Gateway, acme: Tenancy, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The address of every stream of a tenant, each of which goes on by itself, an import's although nothing is under way."""
    for module in (imports_api, import_pages):
        monkeypatch.setattr(module, "UNDER_WAY", frozenset(imports_api.ImportState))
    monkeypatch.setattr(imports_api, "_LOOK_SECONDS", STREAM_SECONDS / 2)
    for module in (live, dashboard):
        monkeypatch.setattr(module, "SIGN_OF_LIFE_SECONDS", STREAM_SECONDS)
    made = (await acme.client.post(acme.path("/imports"), json={"file_name": "leads.csv"})).json()
    paths = [path for method, path in behind_the_gate(gateway.app) if method == "GET" and path.endswith("/live")]
    assert len(paths) == 4
    return [filled_in(path, {"tenant": acme.name, "run_id": made["run_id"]}) for path in paths]


async def listened(client: httpx.AsyncClient, address: str, heard: asyncio.Queue[str]) -> None:
    """Listen until the stream ends."""
    async with client.stream("GET", address) as response:
        assert response.status_code == 200, address
        async for _ in response.aiter_lines():
            heard.put_nowait(address)


async def each_goes_on_and_then_ends(
    client: httpx.AsyncClient, addresses: list[str], end: Callable[[], Awaitable[object]]
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with asyncio.timeout(15), asyncio.TaskGroup() as group:
        listening = [group.create_task(listened(client, address, heard)) for address in addresses]
        told = dict.fromkeys(addresses, 0)
        while min(told.values()) < 8:
            told[await heard.get()] += 1
        assert not any(task.done() for task in listening)
        await end()


@pytest.mark.parametrize(
    "ends",
    [
        lambda user_id: EndSessions(user_id=user_id),
        lambda user_id: ChangeUser(user_id=user_id, suspended=True),
        lambda user_id: ChangeUser(user_id=user_id, role=Role.VIEWER),
        lambda user_id: RemoveUser(user_id=user_id),
    ],
    ids=["signed out everywhere", "suspended", "another role", "removed"],
)
async def test_every_stream_ends_with_its_listeners_session(
    gateway: Gateway, acme: Tenancy, streams: list[str], ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_LOOKED_UP_EVERY_SECONDS", 0)
    user_id = await gateway.user(acme.name, Role.OPERATOR)
    async with gateway.client() as browser:
        await gateway.sign_in(browser, acme.name, user_id)
        await each_goes_on_and_then_ends(
            browser, streams, lambda: gateway.platform.caller.ask(acme.name, ends(user_id))
        )


async def test_every_stream_ends_with_its_listeners_key(
    gateway: Gateway, acme: Tenancy, streams: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_LOOKED_UP_EVERY_SECONDS", 0)
    key = await gateway.platform.caller.ask(acme.name, CreateApiKey(scopes=frozenset(Scope)))
    async with gateway.client(key.secret) as program:
        await each_goes_on_and_then_ends(
            program, streams, lambda: gateway.platform.caller.ask(acme.name, RevokeApiKey(key_id=key.key_id))
        )


async def test_what_is_told_within_seconds_is_told_without_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    async def still() -> bool:
        nonlocal asked
        asked += 1
        return True

    async def told() -> AsyncGenerator[str]:
        for _ in range(1_000):
            yield live.SIGN_OF_LIFE

    async for _ in live._while(still, told()):
        pass
    assert asked == 0
    monkeypatch.setattr(live, "_LOOKED_UP_EVERY_SECONDS", 0)
    assert len([piece async for piece in live._while(still, told())]) == asked + 1 > 100


async def test_a_stream_ends_while_nobody_can_say_whether_its_listener_may_listen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "_LOOKED_UP_EVERY_SECONDS", 0)

    async def told() -> AsyncGenerator[str]:
        yield live.SIGN_OF_LIFE

    async def away() -> bool:
        raise ConnectionError

    async def broken() -> bool:
        raise ValueError

    assert [piece async for piece in live._while(away, told())] == [live._AGAIN]
    with pytest.raises(ValueError):
        assert [piece async for piece in live._while(broken, told())]
