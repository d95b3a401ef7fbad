"""Real parts for every test: one Postgres and one NATS per test process, provisioned as an installation is."""

import gc
import os
import random
import re
import shutil
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import structlog
from structlog.contextvars import merge_contextvars
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import add_log_level
from xdist.scheduler import LoadFileScheduling

from chassis import health
from chassis.service import collect_seldom
from tests.platform import Platform

# What one example takes depends on what else the machine does.
hypothesis.settings.register_profile("leadloop", deadline=None)
hypothesis.settings.load_profile("leadloop")


def pytest_configure() -> None:
    """Draw the seed here, before the workers are started, so that it is one and can be told."""
    os.environ["LEADLOOP_CHAOS_SEED"] = os.environ.get("LEADLOOP_CHAOS_SEED") or str(random.randrange(1_000_000))
    # httpcore looks for it several times a request, in every folder that Python imports from.
    sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Garbage is collected as in a service's process."""
    gc.disable()
    collected = yield
    gc.enable()
    collect_seldom()
    return collected


TOGETHER = ("tests/journeys/", "tests/chaos/", "tests/browser/")
"""Folders whose tests share an installation: one worker runs all of them, so that it is started once."""
LONGEST = (
    "tests/journeys/",
    "tests/outreach/sending/",
    "tests/simulation/",
    "tests/chaos/",
    "tests/browser/",
    "tests/aggregator/",
    "tests/outreach/",
)
"""What takes the longest is begun first: at the end there are short files, to keep every worker busy."""


class _ByFile(LoadFileScheduling):
    """A worker that is free is given a file, or one of the folders that are run together."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in TOGETHER if nodeid.startswith(folder)), super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _ByFile | None:
    return _ByFile(config, log) if config.option.dist == "loadfile" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # one of several workers, all of which must have the same order
        items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    folders = (rank for rank, folder in enumerate(LONGEST) if item.nodeid.startswith(folder))
    return next(folders, len(LONGEST))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(
        f"LEADLOOP_CHAOS_SEED={os.environ['LEADLOOP_CHAOS_SEED']} repeats what was drawn: "
        "the harm of the chaos journey and the simulation, and the rows of the real file"
    )


@pytest.fixture(scope="session", autouse=True)
def _no_service_ends_the_tests() -> Iterator[None]:
    """A service ends its process when the event loop stands still, or the broker connection has given up. Here the process is the tests':
    their loop stands still by design, between two tests that are coroutines, and a worker that ends takes the tests that it had
    left with it and says nothing. What a process of its own does is tests/chassis/test_health.py's.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(health, "_STUCK_SECONDS", 24 * 3600.0)
        patched.setattr(health, "_exit", lambda: None)
        yield


@pytest.fixture(scope="session")
def memory_path() -> Iterator[Path]:
    """A folder whose files cost no disk write, where the machine has one, and that the database's user can enter.

    The servers flush to it as they do to a disk; only the waiting is spared.
    """
    memory = Path("/dev/shm")
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 * 2**30
    with tempfile.TemporaryDirectory(prefix="leadloop-", dir=memory if roomy else None) as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.fixture(scope="session")
async def platform(memory_path: Path) -> AsyncIterator[Platform]:
    """Database, broker and keys, provisioned; no service runs until a test starts it."""
    async with Platform.start(memory_path) as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
def _plain_logs() -> None:
    """Errors logged without the values of every local variable, which take seconds to print; many are made on purpose."""
    structlog.configure(
        processors=[merge_contextvars, add_log_level, ConsoleRenderer(exception_formatter=plain_traceback)]
    )


@pytest.fixture
def tenant(request: pytest.FixtureRequest) -> str:
    """A tenant of the test's own, so that tests share the servers and nothing else."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:40].strip("-")
    return f"{name}-{uuid.uuid4().hex[:8]}"


@pytest.fixture(autouse=True)
def _nobody_looks_after_it_any_more(request: pytest.FixtureRequest) -> Iterator[None]:
    """When a test is over its services know its tenants no more: their jobs, which go through all, would take the longer the more
    tests there were."""
    if not {"platform", "tenant"} <= set(request.fixturenames):
        yield
        return
    platform, tenant = request.getfixturevalue("platform"), request.getfixturevalue("tenant")
    yield
    platform.forget(tenant)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In continuous integration a skipped test is a failed one: nothing that is promised may go untested."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and in CI nothing may be: {report.longrepr}"
    return report
