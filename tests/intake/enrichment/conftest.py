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


@pytest.fixture(scope="module")
async def files(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    """The folder of the providers' files; intake runs for all tests of a file, and may reach this machine."""
    folder = tmp_path_factory.mktemp("providers")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LEADLOOP_PROVIDER_HOSTS", "127.0.0.1")
        patched.setenv("LEADLOOP_PROVIDER_FILES", str(folder))
        patched.setattr(calling, "PAUSES", (timedelta(milliseconds=10),) * 2)
        patched.setattr(executing, "_POLL_SECONDS", 0.05)
        async with platform.running("intake"):
            yield folder


@pytest.fixture
async def scene(platform: Platform, tenant: str, web: Web, files: Path) -> Scene:
    await platform.introduce(tenant, "intake")
    return Scene(platform, tenant, web, files)
