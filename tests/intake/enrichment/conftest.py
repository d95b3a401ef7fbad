"""Intake running for a tenant, with a web server for its providers and a folder for their files."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from intake.enrichment import calling, executing
from tests.intake.enrichment.scene import Scene
from tests.intake.enrichment.web import Web
from tests.platform import Platform


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with Web.serving() as web:
        yield web


@pytest.fixture
async def scene(
    platform: Platform, tenant: str, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    monkeypatch.setenv("LEADLOOP_PROVIDER_HOSTS", f"127.0.0.1:{web.port}")
    monkeypatch.setenv("LEADLOOP_PROVIDER_FILES", str(tmp_path))
    monkeypatch.setattr(calling, "PAUSES", (timedelta(milliseconds=10),) * 2)
    monkeypatch.setattr(executing, "_POLL_SECONDS", 0.05)
    async with platform.running("intake"):
        await platform.introduce(tenant, "intake")
        yield Scene(platform, tenant, web, tmp_path)
