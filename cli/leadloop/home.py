"""The home: one folder with everything that belongs to one installation of LeadLoop.

    home.json   recorded facts: where the data is, the ports, the installation's id
    keys/       key files and credential seeds, made once (0700, files 0600)
    logs/       one log per process
    run/        locks, a record of every running process, the broker's configuration
    data/       the database's and the broker's files, unless they had to go under a short path

Two homes run side by side: they share no path and no port.
"""

import fcntl
import json
import os
import random
import shutil
import socket
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from chassis.exports.errors import LeadLoopError
from leadloop import dbuser

FORMAT = 1
ENVIRONMENT_VARIABLE = "LEADLOOP_HOME"
DEFAULT = Path("~/.leadloop")
LOWEST_PORT = 20_000


class HomeError(LeadLoopError):
    """The home cannot be used as it is; the message says why and what to do."""


class HomeInUse(HomeError):
    """Another process runs this home at the moment."""


class Home:
    """One installation's folder. Open it with `Home.open`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.keys = root / "keys"
        self.logs = root / "logs"
        self.run = root / "run"

    @classmethod
    def locate(cls, path: Path | None = None) -> Path:
        """The home's absolute path: the one given, else $LEADLOOP_HOME, else ~/.leadloop."""
        return Path(path or os.environ.get(ENVIRONMENT_VARIABLE) or DEFAULT).expanduser().resolve()

    @classmethod
    def open(cls, path: Path | None = None, *, create: bool = True) -> "Home":
        """The home at `path` (see `locate`), made ready on first use; opening it again changes nothing.

        Raises HomeError when there is no home and `create` is false, or when home.json cannot be read.
        """
        home = cls(cls.locate(path))
        if not home._json.exists():
            if not create:
                raise HomeError(
                    f"there is no LeadLoop home at {home.root}: start one with `leadloop up`, or name it with --home"
                )
            home._create()
        if not home.data.exists():
            raise HomeError(
                f"the data of {home.root} is gone from {home.data}: restore it, or delete the home to start anew"
            )
        return home

    @property
    def id(self) -> str:
        """The installation's random id."""
        return str(self._read()["id"])

    @property
    def data(self) -> Path:
        """The folder of the database's and the broker's files."""
        return Path(self._read()["data"])

    @property
    def ports(self) -> dict[str, int]:
        """Every port of 127.0.0.1 that this home has claimed, by name."""
        return dict(self._read()["ports"])

    def claim_port(self, name: str, wanted: int | None = None) -> int:
        """The port that the server `name` is to listen on, for the one who is about to start it.

        The recorded port stays as long as it is free; one that a stranger has taken is chosen anew. `wanted` records
        that very port instead, and HomeError is raised when it is taken.
        """
        with self._facts() as facts:
            ports = facts["ports"]
            if wanted is not None and not _is_free(wanted):
                raise HomeError(f"port {wanted} for {name} is taken by another process: choose another one")
            if wanted is not None:
                ports[name] = wanted
            elif name not in ports or not _is_free(ports[name]):
                ports[name] = _choose_port(set(ports.values()))
            return int(ports[name])

    def keep(self, name: str, make: Callable[[], bytes]) -> Path:
        """The key file `name` in keys/, filled by `make` on first use and never again."""
        path = self.keys / name
        with self._exclusive():
            if not path.exists():
                write_atomically(path, make())
        return path

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keeps this home for the process that runs it. The kernel lets go when that process dies, however it dies.

        Raises HomeInUse at once when another process holds it.
        """
        with (self.run / "home.lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise HomeInUse(f"another process is running the home {self.root}") from error
            yield

    def remove(self) -> None:
        """Deletes the home with its data and its keys, for good. Raises HomeInUse while it runs."""
        with self.hold():
            for folder in (self.data, self.logs, self.keys, self.run):
                shutil.rmtree(folder)
        self._json.unlink()
        # What somebody else put into the folder is not ours to delete.
        with suppress(OSError):
            self.root.rmdir()

    @property
    def _json(self) -> Path:
        return self.root / "home.json"

    def _create(self) -> None:
        # A folder that was there keeps its mode: it may be somebody's who has reasons for it.
        with suppress(FileExistsError):
            self.root.mkdir(parents=True)
            self.root.chmod(_passable())
        for folder in (self.keys, self.logs, self.run):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o700)
        with self._exclusive():
            if not self._json.exists():
                facts = {"format": FORMAT, "id": str(uuid.uuid4()), "data": str(_place_data(self.root)), "ports": {}}
                self._write(facts)

    def _read(self) -> dict[str, Any]:
        try:
            facts: dict[str, Any] = json.loads(self._json.read_bytes())
        except ValueError as error:
            raise HomeError(
                f"{self._json} is damaged ({error}): restore it, it says where this home's data is"
            ) from error
        if facts["format"] != FORMAT:
            raise HomeError(
                f"{self._json} has format {facts['format']}, this version of leadloop knows {FORMAT}: update it"
            )
        return facts

    def _write(self, facts: dict[str, Any]) -> None:
        write_atomically(self._json, json.dumps(facts, indent=2).encode())

    @contextmanager
    def _facts(self) -> Iterator[dict[str, Any]]:
        """The recorded facts, to be changed: no other process reads or writes them in between."""
        with self._exclusive():
            facts = self._read()
            yield facts
            self._write(facts)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        with (self.run / "facts.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def write_atomically(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Writes a private file (0600) so that a reader, or a crash, sees the old content or the new, never half of it."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(descriptor)
        draft.replace(path)
    except BaseException:
        draft.unlink()
        raise


def _passable() -> int:
    """The mode of a folder that the database's user must pass through: nobody else may list or write it."""
    return 0o700 if dbuser.name() is None else 0o711


def _place_data(root: Path) -> Path:
    """A folder for the data: in the home where the database can live there, else under a short path of its own.

    The short path is random: a home that is deleted and made again must not find the data of its predecessor, whose
    keys are gone.
    """
    preferred = root / "data"
    if dbuser.can_serve_from(preferred):
        preferred.mkdir()
        preferred.chmod(_passable())
        return preferred
    parent = dbuser.state_folder()
    parent.mkdir(parents=True, exist_ok=True)
    data = Path(tempfile.mkdtemp(dir=parent, prefix="home-"))
    data.chmod(_passable())
    if not dbuser.can_serve_from(data):
        data.rmdir()
        raise HomeError(
            f"neither {root} nor {parent} can hold the database: its user cannot enter them or the path is too long"
        )
    return data


def _choose_port(taken: set[int]) -> int:
    """A free port below the range from which the kernel gives ports to outgoing connections.

    A server whose port is inside that range can lose it to any client while it restarts, even to its own client,
    which then is connected to itself.
    """
    lowest_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    candidates = set(range(LOWEST_PORT, lowest_outgoing)) - taken
    while candidates:
        port = random.choice(tuple(candidates))
        if _is_free(port):
            return port
        candidates.discard(port)
    raise HomeError(f"no port of 127.0.0.1 between {LOWEST_PORT} and {lowest_outgoing} is free")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a connection that has just been closed does not keep its port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
