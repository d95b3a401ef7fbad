"""What tests of several of intake's subjects need."""

import logging
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog

from chassis import logs
from tests.platform import Platform


@pytest.fixture(scope="module")
async def intake(platform: Platform) -> AsyncIterator[Platform]:
    """The platform, on which intake runs for all tests of a file: to start and stop it takes longer than most of them."""
    async with platform.running("intake"):
        yield platform


@pytest.fixture
def logging_as_a_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every log line as a process of intake writes it, the chattiest included."""
    root, configuration = logging.getLogger(), structlog.get_config()
    monkeypatch.setattr(root, "handlers", root.handlers[:])
    monkeypatch.setattr(root, "level", root.level)
    logs.configure("intake", "DEBUG")
    yield
    structlog.configure(**configuration)
    structlog.contextvars.clear_contextvars()
