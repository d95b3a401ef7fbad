"""Real parts for every test: one Postgres and one NATS per test process, provisioned as an installation is."""

import os
import random
import re
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import add_log_level

from tests.platform import Platform

# What one example takes depends on what else the machine does.
hypothesis.settings.register_profile("leadloop", deadline=None)
hypothesis.settings.load_profile("leadloop")


def pytest_configure() -> None:
    """Draw the seed of the chaos journey and the simulation here, before the workers are started, so that it is one and can be told."""
    os.environ["LEADLOOP_CHAOS_SEED"] = os.environ.get("LEADLOOP_CHAOS_SEED") or str(random.randrange(1_000_000))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(
        f"LEADLOOP_CHAOS_SEED={os.environ['LEADLOOP_CHAOS_SEED']} repeats the harm of the chaos journey and the simulation"
    )


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


@pytest.fixture(scope="session")
def plain_logs() -> None:
    """Errors logged without the values of every local variable, which take seconds to print."""
    structlog.configure(processors=[add_log_level, ConsoleRenderer(exception_formatter=plain_traceback)])


@pytest.fixture
def tenant(request: pytest.FixtureRequest) -> str:
    """A tenant of the test's own, so that tests share the servers and nothing else."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:40].strip("-")
    return f"{name}-{uuid.uuid4().hex[:8]}"


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
