"""The home keeps what it was told, keeps its secrets to itself, and does not get in the way of another home."""

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from leadloop import dbuser
from leadloop.home import Home, HomeError, HomeInUse, write_atomically


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home.open(tmp_path / "home")
    yield home
    home.remove()


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_home_is_the_one_named_then_the_environments_then_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADLOOP_HOME", str(tmp_path / "environment"))
    assert Home.locate(tmp_path / "named") == tmp_path / "named"
    assert Home.locate() == tmp_path / "environment"
    monkeypatch.delenv("LEADLOOP_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Home.locate() == tmp_path / ".leadloop"


def test_opening_a_home_again_changes_nothing(home: Home) -> None:
    before = (home.root / "home.json").read_bytes()
    again = Home.open(home.root)
    assert (again.id, again.data) == (home.id, home.data)
    assert (home.root / "home.json").read_bytes() == before


def test_two_homes_share_neither_data_nor_ports(home: Home, tmp_path: Path) -> None:
    other = Home.open(tmp_path / "other")
    assert other.id != home.id
    assert other.data != home.data
    other.remove()


def test_a_command_that_needs_a_home_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(HomeError, match="leadloop up"):
        Home.open(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()


def test_a_damaged_home_is_refused_not_made_anew(home: Home) -> None:
    content = (home.root / "home.json").read_bytes()
    (home.root / "home.json").write_bytes(content[:-5])
    with pytest.raises(HomeError, match=r"home\.json is damaged"):
        Home.open(home.root)
    (home.root / "home.json").write_bytes(content)


def test_a_home_whose_data_is_gone_is_refused_not_made_anew(home: Home) -> None:
    home.data.rename(home.data.with_name("elsewhere"))
    with pytest.raises(HomeError, match="is gone"):
        Home.open(home.root)
    home.data.with_name("elsewhere").rename(home.data)


def test_only_the_owner_reads_keys_logs_and_records(home: Home) -> None:
    key = home.keep("kms.key", lambda: b"secret")
    assert [_mode(folder) for folder in (home.keys, home.logs, home.run)] == [0o700] * 3
    assert _mode(key) == _mode(home.root / "home.json") == 0o600


def test_a_key_is_made_once(home: Home) -> None:
    assert home.keep("kms.key", lambda: b"first").read_bytes() == b"first"
    assert home.keep("kms.key", lambda: b"second").read_bytes() == b"first"


def test_a_folder_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o700)
    home = Home.open(tmp_path / "mine")
    assert _mode(tmp_path / "mine") == 0o700
    home.remove()


def test_the_database_can_enter_the_data_wherever_it_is(home: Home) -> None:
    assert dbuser.can_use(home.data)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the database as another user")
def test_a_home_that_the_databases_user_cannot_enter_keeps_its_data_elsewhere(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    home = Home.open(closed / "home")
    assert not home.data.is_relative_to(closed)
    assert dbuser.can_use(home.data)
    assert json.loads((home.root / "home.json").read_bytes())["data"] == str(home.data)
    assert _mode(closed) == 0o700
    data = home.data
    home.remove()
    assert not data.exists()


def test_a_socket_path_too_long_for_the_kernel_keeps_the_data_elsewhere(tmp_path: Path) -> None:
    home = Home.open(tmp_path / ("long" * 25))
    assert not home.data.is_relative_to(home.root)
    assert len(os.fsencode(home.data / "postgres" / dbuser.SOCKET_NAME)) <= dbuser.LONGEST_SOCKET_PATH
    home.remove()


def test_a_home_made_again_in_the_same_place_does_not_find_old_data(tmp_path: Path) -> None:
    home = Home.open(tmp_path / ("long" * 25))
    first = home.data
    (home.root / "home.json").unlink()
    again = Home.open(home.root)
    assert again.data != first
    first.rmdir()
    again.remove()


def test_removing_a_home_leaves_what_others_put_there(home: Home, tmp_path: Path) -> None:
    other = Home.open(tmp_path / "shared")
    (other.root / "notes.txt").write_text("mine")
    other.remove()
    assert [path.name for path in other.root.iterdir()] == ["notes.txt"]


def test_a_claimed_port_is_recorded_and_stays(home: Home) -> None:
    port = home.claim_port("nats")
    assert home.claim_port("nats") == port
    assert Home.open(home.root).ports == {"nats": port}


def test_a_port_that_a_stranger_took_is_chosen_anew(home: Home) -> None:
    port = home.claim_port("nats")
    with socket.create_server(("127.0.0.1", port)):
        moved = home.claim_port("nats")
    assert moved != port
    assert home.ports["nats"] == moved


def test_a_wanted_port_that_is_taken_is_refused(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        with pytest.raises(HomeError, match=f"port {port} for gateway is taken"):
            home.claim_port("gateway", port)
    assert home.claim_port("gateway", port) == port


def test_no_claimed_port_can_be_lost_to_an_outgoing_connection(home: Home) -> None:
    lowest_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = [home.claim_port(str(name)) for name in range(20)]
    assert len(set(ports)) == 20
    assert max(ports) < lowest_outgoing


def test_processes_that_open_and_claim_at_once_lose_nothing(tmp_path: Path) -> None:
    root = tmp_path / "home"
    script = "import sys; from pathlib import Path; from leadloop.home import Home; Home.open(Path(sys.argv[1])).claim_port(sys.argv[2])"
    processes = [subprocess.Popen([sys.executable, "-c", script, root, str(number)]) for number in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    home = Home.open(root)
    assert len(set(home.ports.values())) == 4
    home.remove()


def test_a_home_is_held_by_one_process_at_a_time(home: Home) -> None:
    with home.hold(), pytest.raises(HomeInUse, match="running"), home.hold():
        pass
    with home.hold():
        pass


def test_a_write_that_fails_leaves_no_litter(tmp_path: Path) -> None:
    (tmp_path / "busy").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomically(tmp_path / "busy", b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["busy"]
