"""What tests of several of intake's subjects need."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from chassis import logs


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
