"""The supervisor starts everything in order, brings back what dies, and leaves nothing behind."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from leadloop import keeper, process
from leadloop.home import Home, HomeError, HomeInUse
from leadloop.process import ChildSpec, Identity, ProcessFailed
from leadloop.running import SUPERVISOR, Record, Status, down, status, stop_leftovers, until_up
from leadloop.supervisor import Stage, Supervisor, detach
from tests.cli import supervised
from tests.cli.supervised import service


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    home = Home.open(tmp_path / "home")
    yield home
    await down(home)
    home.remove()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses and probes of hundredths of a second."""
    monkeypatch.setattr(keeper, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(keeper, "LONGEST_PAUSE", 0.04)
    monkeypatch.setattr(keeper, "PROBE_EVERY", 0.01)


def supervisor(home: Home, stages: Sequence[Stage]) -> Supervisor:
    async def plan() -> Sequence[Stage]:
        return stages

    return Supervisor(home, plan)


async def until(condition: Callable[[], bool], timeout: float = 10.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        await asyncio.sleep(0.01)


def line(home: Home, name: str) -> Status:
    return next(line for line in status(home) if line.name == name)


def running(home: Home, name: str) -> Identity:
    found = next(record.process for record in Record.read_all(home) if record.name == name)
    assert found is not None
    return found


async def test_stages_start_in_order_and_stop_in_reverse(home: Home, tmp_path: Path) -> None:
    journal = tmp_path / "journal"

    async def provision() -> None:
        with journal.open("a") as file:
            file.write("provision\n")

    early, late = service(home, "early", journal=journal), service(home, "late", journal=journal)
    async with supervisor(home, [[early], provision, [late]]):
        pass
    assert journal.read_text().split("\n")[:-1] == ["start early", "provision", "start late", "stop late", "stop early"]


async def test_status_names_every_process_while_it_runs_and_nothing_afterwards(home: Home) -> None:
    async with supervisor(home, [[service(home, "first")], [service(home, "second")]]):
        lines = status(home)
        assert [(line.name, line.state, line.ready) for line in lines] == [
            ("supervisor", "ready", True),
            ("first", "ready", True),
            ("second", "ready", True),
        ]
        assert lines[0].pid == os.getpid()
        assert all(line.uptime > 0 for line in lines)
    assert status(home) == []


@pytest.mark.usefixtures("hasty")
async def test_a_killed_process_comes_back_on_the_same_port(home: Home) -> None:
    spec = service(home, "first")
    async with supervisor(home, [[spec]]):
        killed = running(home, "first")
        killed.send(signal.SIGKILL)
        await until(lambda: (now := line(home, "first")).ready and now.restarts == 1)
        assert line(home, "first").pid != killed.pid
        assert isinstance(spec.ready, str)
        assert await process.answers_ok(spec.ready)


@pytest.mark.usefixtures("hasty")
async def test_a_process_that_hangs_is_not_ready_until_it_goes_on(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PROBE_TIMEOUT", 0.05)
    async with supervisor(home, [[service(home, "first")]]):
        hanging = running(home, "first")
        hanging.send(signal.SIGSTOP)
        await until(lambda: line(home, "first").state == "unready")
        hanging.send(signal.SIGCONT)
        await until(lambda: line(home, "first").state == "ready")
        assert line(home, "first").pid == hanging.pid


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("steady_after", "pauses"),
    [
        pytest.param(30.0, [0.01, 0.02, 0.04, 0.04], id="doubles up to its limit"),
        pytest.param(0.0, [0.01, 0.01, 0.01, 0.01], id="is short again after a steady life"),
    ],
)
async def test_the_pause_before_a_restart(
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    steady_after: float,
    pauses: list[float],
) -> None:
    monkeypatch.setattr(keeper, "STEADY_AFTER", steady_after)
    async with supervisor(home, [[service(home, "first")]]):
        for deaths in range(1, 5):
            running(home, "first").send(signal.SIGKILL)
            await until(lambda deaths=deaths: (now := line(home, "first")).ready and now.restarts == deaths)
    assert [record.args[-1] for record in caplog.records if record.name == keeper.__name__] == pauses


@pytest.mark.usefixtures("hasty")
async def test_a_process_that_never_works_fails_the_start_with_the_end_of_its_log(home: Home) -> None:
    broken = ChildSpec("broken", [sys.executable, "-c", "raise SystemExit('no settings')"], ready="http://127.0.0.1:9/")
    first = service(home, "first")
    with pytest.raises(ProcessFailed, match=r"broken ended with exit status 1(.|\n)*no settings"):
        async with supervisor(home, [[first], [broken]]):
            pass
    assert status(home) == []
    with pytest.raises(ConnectionRefusedError):
        await process.answers_ok(str(first.ready))


async def test_a_process_that_is_never_ready_fails_the_start(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "START_TIMEOUT", 0.1)

    async def never() -> bool:
        return False

    with pytest.raises(ProcessFailed, match="first is not ready after"):
        async with supervisor(home, [[replace(service(home, "first"), ready=never)]]):
            pass


async def test_a_program_that_does_not_exist_is_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "START_ATTEMPTS", 1)
    with pytest.raises(ProcessFailed, match="/no/such/program"):
        async with supervisor(home, [[ChildSpec("absent", ["/no/such/program"], ready="http://127.0.0.1:9/")]]):
            pass


async def test_a_process_that_does_not_stop_is_killed(home: Home) -> None:
    async with supervisor(home, [[service(home, "first", stubborn=True, stop_timeout=0.05)]]):
        first = running(home, "first")
    assert not first.alive


async def test_a_home_is_supervised_once(home: Home) -> None:
    async with supervisor(home, []):
        with pytest.raises(HomeInUse):
            await supervisor(home, []).start()
        assert line(home, SUPERVISOR).ready


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_stops_everything(home: Home, number: signal.Signals) -> None:
    running_supervisor = asyncio.create_task(supervisor(home, [[service(home, "first")]]).run())
    await until(lambda: any(line.name == SUPERVISOR and line.ready for line in status(home)))
    first = running(home, "first")
    os.kill(os.getpid(), number)
    await running_supervisor
    assert not first.alive
    assert status(home) == []


async def test_a_signal_stops_a_start_that_is_under_way(home: Home) -> None:
    async def never() -> bool:
        return False

    running_supervisor = asyncio.create_task(supervisor(home, [[replace(service(home, "first"), ready=never)]]).run())
    await until(lambda: any(line.name == "first" and line.pid for line in status(home)))
    first = running(home, "first")
    os.kill(os.getpid(), signal.SIGTERM)
    await running_supervisor
    assert not first.alive


async def test_a_log_is_capped_while_it_is_written(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LOG_LIMIT", 100)
    log = home.logs / "first.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"x" * 101)
        process.cap(log)
        writer.write(b"after")
        process.cap(log)
    assert log.read_bytes() == b"after"
    assert log.with_name("first.log.1").read_bytes() == b"x" * 101


async def test_a_pid_given_to_another_process_is_not_taken_for_the_one_that_had_it() -> None:
    me = Identity.of(os.getpid())
    assert me is not None
    assert me.alive
    predecessor = replace(me, started=me.started - 1)
    assert not predecessor.alive
    assert not predecessor.send(signal.SIGKILL)
    assert await predecessor.gone(0)


async def test_a_record_of_another_process_stops_nothing(home: Home) -> None:
    me = Identity.of(os.getpid())
    assert me is not None
    Record("first", ["python", "-m", "intake"], me, "ready").write(home)
    Record("second", me.argv, replace(me, boot="another"), "ready").write(home)
    assert not await stop_leftovers(home)
    assert status(home) == []


# From here on the supervisor is a process of its own.


async def up(home: Home, *words: str) -> None:
    await asyncio.to_thread(detach, home, supervised.command(home, *words))


async def kill(home: Home) -> None:
    """Ends the detached supervisor with SIGKILL."""
    killed = running(home, SUPERVISOR)
    killed.send(signal.SIGKILL)
    assert await killed.gone(5)


async def test_a_detached_supervisor_is_ready_when_the_command_returns_and_down_stops_all(home: Home) -> None:
    await up(home)
    lines = status(home)
    assert [line.name for line in lines] == ["supervisor", "first", "second"]
    assert all(line.ready for line in lines)
    processes = [running(home, line.name) for line in lines]
    assert os.getsid(processes[0].pid) != os.getsid(0)
    assert await down(home)
    assert not any(process.alive for process in processes)
    assert status(home) == []
    assert not await down(home)


async def test_a_detached_supervisor_that_fails_says_why(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProcessFailed, match=r"broken ended with exit status 1(.|\n)*no settings"):
        await up(home, "broken")
    assert status(home) == []


async def test_a_detached_command_that_ends_too_early_shows_its_log(home: Home) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such option')"]
    with pytest.raises(ProcessFailed, match="no such option"):
        await asyncio.to_thread(detach, home, command)


async def test_a_second_up_finds_the_home_in_use_and_can_wait_for_it(home: Home) -> None:
    with pytest.raises(HomeError, match="leadloop up"):
        await until_up(home)
    await up(home)
    with pytest.raises(HomeInUse):
        await up(home)
    await until_up(home)
    assert line(home, "first").ready


async def test_no_process_outlives_a_killed_supervisor(home: Home) -> None:
    await up(home)
    first, second = running(home, "first"), running(home, "second")
    await kill(home)
    assert await first.gone(5)
    assert await second.gone(5)
    assert {line.state for line in status(home)} == {"dead"}


async def test_the_next_up_stops_what_a_killed_supervisor_left_and_keeps_its_ports(home: Home) -> None:
    await up(home, "stubborn")
    left, ports = running(home, "first"), home.ports
    await kill(home)
    assert line(home, "first").state == "orphaned"
    await up(home)
    assert not left.alive
    assert line(home, "first").ready
    assert home.ports == ports


async def test_down_stops_what_a_killed_supervisor_left(home: Home) -> None:
    await up(home, "stubborn")
    left = running(home, "first")
    await kill(home)
    assert await down(home)
    assert not left.alive
    assert status(home) == []
