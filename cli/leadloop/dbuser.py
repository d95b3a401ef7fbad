"""The system account that the embedded database runs under.

Postgres refuses to run as root (postgresql.org/docs/18, "The PostgreSQL User Account"), so root starts it as a system
user of its own; anybody else starts it as himself.
"""

import os
import pwd
import subprocess
from functools import cache
from pathlib import Path

from chassis.exports.errors import LeadLoopError
from leadloop.process import run_as

USER = "leadloop-db"
SOCKET_NAME = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH = 107
"""Bytes; sun_path holds 108 with the closing NUL (unix(7))."""


class AccountError(LeadLoopError):
    """The database's system user is missing and cannot be made."""


@cache
def name() -> str | None:
    """The user to run the database as: None for the one who runs this process, else a user made on first use.

    Raises AccountError when it cannot be made.
    """
    if os.geteuid() != 0:
        return None
    if not _exists():
        command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
        try:
            made = subprocess.run([*command, "--shell", "/usr/sbin/nologin", USER], capture_output=True, text=True)
        except OSError as error:
            raise AccountError(f"cannot create the system user {USER} for the database: {error}") from error
        # Another process may have been first; then useradd fails and all is well.
        if made.returncode != 0 and not _exists():
            raise AccountError(f"cannot create the system user {USER} for the database: {made.stderr.strip()}")
    return USER


def _exists() -> bool:
    try:
        pwd.getpwnam(USER)
    except KeyError:
        return False
    return True


def prefix() -> list[str]:
    """The words before a command that make it run under this account."""
    return ["setpriv", *run_as(name()), "--"]


def can_use(folder: Path) -> bool:
    """Whether this account may pass through `folder` and everything above it; the kernel is asked, not the mode bits."""
    return subprocess.run([*prefix(), "test", "-x", folder], check=False).returncode == 0


def can_serve_from(data: Path) -> bool:
    """Whether the database can live in `data`, a folder that may not exist yet but whose parent does."""
    longest = data / "postgres" / SOCKET_NAME
    return len(os.fsencode(longest)) <= LONGEST_SOCKET_PATH and can_use(data if data.exists() else data.parent)


def state_folder() -> Path:
    """A folder with a short path that this account can enter and that no cleaner of temporary files visits (FHS 3.0, XDG)."""
    if os.geteuid() == 0:
        return Path("/var/lib/leadloop")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "leadloop"
