"""`leadloop outreach verify` as its user runs it: what it says, and that nothing is left of it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from leadloop import commands_verify
from leadloop.main import run
from leadloop.verifying.check import Check
from tests.waiting import until

CHECKS = [
    "connection_requests_a_day", "linkedin_messages_a_day", "emails_a_day", "campaign_messages_a_day", "random_delays",
    "account_health_blocks", "pause_at_once", "sixty_days_across_campaigns", "sixty_days_across_accounts",
    "sixty_days_across_channels", "eligible_for_outreach", "business_hours_boundaries", "business_hours_days_off",
    "business_hours_clock_changes", "recipients_time_zone",
]  # fmt: skip


@pytest.fixture
def temporary(memory_path: Path) -> Iterator[Path]:
    """Where the command keeps what it needs: the database's user can enter it, and its path is short enough for a socket's."""
    folder = Path(tempfile.mkdtemp(dir=memory_path))
    folder.chmod(0o711)
    yield folder
    folder.rmdir()  # it is empty again, or this fails


@asynccontextmanager
async def verifying(folder: Path) -> AsyncIterator[Process]:
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "leadloop", "outreach", "verify", "--json",
        env={**os.environ, "TMPDIR": str(folder), "LEADLOOP_KMS_URI": "file:///nowhere"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield started
    finally:
        if started.returncode is None:
            started.terminate()
            await started.wait()


def processes(folder: Path) -> list[str]:
    """The processes that work in a folder, or were told of it."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        command, environment = process.info["cmdline"] or [], process.info["environ"] or {}
        if any(str(folder) in word for word in [*command, *environment.values()]):
            found.append(" ".join(command))
    return found


def has_database(folder: Path) -> bool:
    """Whether one runs in a folder. To look for it among all processes of the machine, again and again, takes more than to start it."""
    return any(folder.rglob("postmaster.pid"))


@pytest.mark.timeout(300)
async def test_every_line_of_the_checklist_is_proven(temporary: Path) -> None:
    async with verifying(temporary) as started:
        out, err = await started.communicate()
    checks = json.loads(out)["checks"]
    assert [check for check in checks if not check["pass"]] == []
    assert [check["name"] for check in checks] == CHECKS
    assert all(set(check) == {"name", "pass", "evidence"} and check["evidence"] for check in checks)
    assert started.returncode == 0
    assert err.decode().splitlines()[0] == "starting a scratch installation"
    assert processes(temporary) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_nothing_is_left_of_it_when_it_is_stopped(temporary: Path, number: signal.Signals) -> None:
    async def serves() -> bool:
        return has_database(temporary)

    async with verifying(temporary) as started:
        await until(serves, seconds=60, what="its database runs")
        started.send_signal(number)
        out, _ = await started.communicate()
    assert (started.returncode, json.loads(out)) == (130, {"error": "stopped"})
    assert processes(temporary) == []


def test_a_check_that_fails_is_the_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def play(_: object) -> list[Check]:
        return [Check("kept", True, "seen"), Check("broken", False, "not seen")]

    monkeypatch.setattr(commands_verify, "play", play)
    assert run(["outreach", "verify", "--json"]) == 1
    assert [check["pass"] for check in json.loads(capsys.readouterr().out)["checks"]] == [True, False]
    assert run(["outreach", "verify"]) == 1
    assert "1 of 2 checks pass" in capsys.readouterr().out
