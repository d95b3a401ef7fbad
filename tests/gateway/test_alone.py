"""What the gateway says while the services behind it are away."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contracts.gateway import CreateTenant
from contracts.gateway.keys import CreateApiKey
from gateway.app import application
from tests.gateway.conftest import Gateway, listening
from tests.platform import Platform
from tests.waiting import until


@pytest.fixture(scope="module")
async def alone(memory_path: Path) -> AsyncIterator[Gateway]:
    """A gateway in an installation of its own, where no other service runs."""
    async with Platform.start(memory_path / "alone") as platform:
        app = application(platform.build("gateway"))
        async with listening(app) as url:
            yield Gateway(app, url, platform)


async def test_the_dashboard_stands_and_says_in_place_what_is_missing(alone: Gateway) -> None:
    await alone.platform.caller.ask("acme", CreateTenant())
    async with alone.client() as browser:
        await alone.sign_in(browser, "acme")
        page = await browser.get("/t/acme", headers={"Accept": "text/html"})
    assert page.status_code == 200
    for text in (
        "The numbers cannot be shown right now", "Win rates cannot be shown right now", "Alerts cannot be shown right now",
        "No activity to show",
    ):  # fmt: skip
        assert text in page.text
    assert page.text.count("aggregator is not running") == 3 and "notifier is not running" in page.text


async def test_an_order_that_nobody_takes_is_503_and_may_be_repeated(alone: Gateway) -> None:
    await alone.platform.caller.ask("acme", CreateTenant())
    key = await alone.platform.caller.ask("acme", CreateApiKey())
    async with alone.client(key.secret) as client:
        lead = {"source_system": "crm", "source_id": "L-1", "full_name": "Ada Example"}
        response = await client.post("/api/t/acme/leads", json=lead)
    assert response.status_code == 503 and int(response.headers["retry-after"]) > 0
    assert response.json()["type"] == "urn:leadloop:problem:unavailable"


async def test_health_is_told_without_credentials(alone: Gateway) -> None:
    async with alone.client() as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).text == "ready\n"
        assert "leadloop_http_seconds" in (await client.get("/metrics")).text


async def test_without_a_database_the_answer_is_503_as_a_problem(alone: Gateway) -> None:
    await alone.platform.caller.ask("acme", CreateTenant())
    key = await alone.platform.caller.ask("acme", CreateApiKey())
    async with alone.client(key.secret) as client, alone.platform.sql() as sql:
        await sql.execute("alter role leadloop_gateway connection limit 0")
        await sql.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'leadloop_gateway'")
        response = await client.get("/api/t/acme/leads")
        await sql.execute("alter role leadloop_gateway connection limit -1")

        async def ready() -> bool:
            return (await client.get("/readyz")).status_code == 200

        await until(ready, what="the gateway's recovery")
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
