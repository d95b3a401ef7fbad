"""The timeline of what is sent, over HTTP: page by page, and as it changes."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from contracts.outreach.accounts import NewAccountSettings, NewSandbox, SetAccount
from contracts.taxonomy import Channel
from gateway import live
from tests.gateway.conftest import Gateway, Tenancy
from tests.outreach.scene import campaign
from tests.waiting import until

Told = asyncio.Queue[tuple[str, Any]]


@asynccontextmanager
async def following(acme: Tenancy, **query: str) -> AsyncIterator[Told]:
    """What whoever follows is told, (event, data), from `ready` on."""
    told: Told = asyncio.Queue()

    async def follow() -> None:
        async with acme.client.stream("GET", acme.path("/outreach/activity/live"), params=query) as response:
            assert response.status_code == 200
            assert response.headers["content-type"].startswith("text/event-stream")
            event = ""
            async for line in response.aiter_lines():
                field, _, value = line.partition(": ")
                if field == "event":
                    event = value
                elif line.startswith("data:"):
                    told.put_nowait((event, json.loads(value) if value else None))

    task = asyncio.create_task(follow())
    try:
        assert await asyncio.wait_for(told.get(), 5) == ("ready", None)
        yield told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def account(gateway: Gateway, acme: Tenancy) -> None:
    """An account of which the sandbox takes every message."""
    settings = NewAccountSettings(least_gap_minutes=0, most_gap_minutes=0)
    order = SetAccount(
        title="Sales",
        channel=Channel.EMAIL,
        address="sales@example.com",
        sandbox=NewSandbox(refuses=0),
        settings=settings,
    )
    await gateway.platform.caller.ask(acme.name, order)


async def submit(acme: Tenancy) -> None:
    number = uuid4().hex[:12]
    lead = {"source_system": "crm", "source_id": number, "email": f"ada.{number}@example.com", "full_name": "Ada Quark"}
    assert (await acme.client.post(acme.path("/leads"), json=lead)).status_code == 201


async def page(acme: Tenancy, **query: Any) -> dict[str, Any]:
    response = await acme.client.get(acme.path("/outreach/activity"), params=query)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_the_timeline_is_read_page_by_page(gateway: Gateway, acme: Tenancy) -> None:
    await campaign(gateway.platform, acme.name)
    for _ in range(3):
        await submit(acme)

    async def all_there() -> bool:
        return len((await page(acme))["entries"]) == 3

    await until(all_there, what="the messages are queued")
    first = await page(acme, limit=2, states=["queued", "sent"])
    rest = await page(acme, limit=2, cursor=first["next_cursor"])
    ids = [entry["entry_id"] for entry in (*first["entries"], *rest["entries"])]
    assert (len(set(ids)), rest["next_cursor"]) == (3, None)
    assert {entry["kept_by"] for entry in first["entries"]} == {"account_healthy"}, "there is none"
    assert (await page(acme, states="failed"))["entries"] == []
    refused = await acme.client.get(acme.path("/outreach/activity"), params={"order": "sideways"})
    assert (refused.status_code, refused.json()["field"]) == (400, "order")


async def test_whoever_follows_is_told_of_each_change_within_a_second(gateway: Gateway, acme: Tenancy) -> None:
    await campaign(gateway.platform, acme.name)
    async with following(acme) as told, following(acme, channel="sms") as of_other_channel:
        await submit(acme)
        event, queued = await asyncio.wait_for(told.get(), 10)
        assert (event, queued["state"]) == ("entry", "queued")
        assert queued == (await page(acme))["entries"][0]
        assert "Quark" not in json.dumps(queued)

        await account(gateway, acme)
        while (entry := (await asyncio.wait_for(told.get(), 10))[1])["state"] == "queued":
            pass
        late = datetime.now(UTC) - datetime.fromisoformat(entry["at"])
        assert (entry["entry_id"], entry["state"]) == (queued["entry_id"], "sent")
        assert [entry] == (await page(acme))["entries"]
        assert late < timedelta(seconds=3), "a second, where the machine has nothing else to do"
        assert of_other_channel.empty()


async def test_a_tenant_is_told_of_nobody_elses_messages(gateway: Gateway, acme: Tenancy, anyone: Tenancy) -> None:
    await campaign(gateway.platform, acme.name)
    async with following(anyone) as elsewhere, following(acme) as told:
        await submit(acme)
        await asyncio.wait_for(told.get(), 10)
        assert elsewhere.empty()


async def test_who_missed_something_is_told_to_read_the_page_again(
    gateway: Gateway, acme: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_MOST_KEPT", 0)
    await campaign(gateway.platform, acme.name)
    async with following(acme) as told:
        await submit(acme)
        assert await asyncio.wait_for(told.get(), 10) == ("ready", None)


async def test_who_leaves_before_they_are_told_anything_disturbs_nobody(gateway: Gateway, acme: Tenancy) -> None:
    client = gateway.app.state.service.broker.connection
    await client.flush()
    opening = asyncio.create_task(live.changes(client, acme.name).__aenter__())
    while not client._pongs:  # noqa: ASYNC110 - looked at in each turn of the loop, or the broker has answered
        await asyncio.sleep(0)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    answer = await acme.client.get(acme.path("/outreach/activity"))
    assert answer.status_code == 200, "the gateway hears nobody any more"


async def test_only_so_many_follow_at_once(gateway: Gateway, acme: Tenancy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live.SEATS, "most", 1)
    async with following(acme):
        refused = await acme.client.get(acme.path("/outreach/activity/live"))
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0

    async def has_room() -> bool:
        try:
            async with following(acme):
                return True
        except (AssertionError, TimeoutError, httpx.HTTPError):
            return False

    await until(has_room, what="whoever went has made room")


async def test_nobody_takes_every_place(
    gateway: Gateway, acme: Tenancy, anyone: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live.SEATS, "most_of_one", 1)
    async with following(acme):
        assert (await acme.client.get(acme.path("/outreach/activity/live"))).status_code == 503
        async with following(anyone):
            pass


async def test_of_many_who_come_at_once_no_more_get_a_place_than_there_are(
    acme: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live.SEATS, "most", 2)
    answered: asyncio.Queue[int] = asyncio.Queue()

    async def follow() -> None:
        async with acme.client.stream("GET", acme.path("/outreach/activity/live")) as response:
            answered.put_nowait(response.status_code)
            if response.status_code == 200:
                await asyncio.Event().wait()

    following = [asyncio.create_task(follow()) for _ in range(8)]
    try:
        statuses = [await asyncio.wait_for(answered.get(), 10) for _ in following]
    finally:
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
    assert sorted(statuses) == [200] * 2 + [503] * 6
    await until(_free, what="those who went to leave their places")


async def _free() -> bool:
    return not live.SEATS._taken
