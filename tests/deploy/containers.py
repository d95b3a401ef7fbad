"""What docker-compose.yml starts, started here as processes: the same commands and environments, the same files.

A container's addresses and paths become this machine's; nothing else is changed, so what runs is what the file says.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import yaml

from contracts.catalogue import OPERATOR, SERVICES
from leadloop import deploy, embedded
from leadloop.embedded import Postgres
from leadloop.embedded.broker import RELOADS, server_binary
from leadloop.home import Home
from leadloop.process import Child, ChildSpec
from tests.waiting import until

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
NODES = [node.partition(":")[0] for node in deploy.NODES]


@dataclass
class Containers:
    """The blocks of docker-compose.yml in a folder, with a database that asks for passwords."""

    path: Path
    postgres: Postgres
    ports: dict[str, int]
    children: dict[str, Child] = field(default_factory=dict)

    @classmethod
    @asynccontextmanager
    async def prepare(cls, path: Path) -> AsyncIterator["Containers"]:
        """Credentials, database and broker; nothing is provisioned yet."""
        home = Home.open(path / "ports")
        ports = {
            f"{name}:{port}": home.claim_port(f"{name}-{port}")
            for names, numbers in ((NODES, (4222, 6222, 8222)), (SERVICES, (8080,)))
            for name in names
            for port in numbers
        }
        async with AsyncExitStack() as stack:
            deploy.credentials(path / "credentials", nodes=tuple(f"127.0.0.1:{ports[node]}" for node in deploy.NODES))
            postgres = await stack.enter_async_context(embedded.postgres(path))
            containers = cls(path, postgres, ports)
            stack.push_async_callback(containers._stop)
            await asyncio.gather(containers._ask_for_passwords(), *(containers.start_node(node) for node in NODES))
            yield containers

    @property
    def credentials(self) -> Path:
        return self.path / "credentials"

    @property
    def gateway(self) -> str:
        return f"http://127.0.0.1:{self.ports['gateway:8080']}"

    @property
    def nats_urls(self) -> list[str]:
        return [f"nats://127.0.0.1:{self.ports[f'{node}:4222']}" for node in NODES]

    def environment(self, block: str) -> dict[str, str]:
        """A block's environment as it is in its container, with this machine's addresses."""
        there = COMPOSE["services"][block].get("environment", {})
        here = {name: self._here(value) for name, value in there.items()}
        if f"{block}:8080" in self.ports:
            here |= {"LEADLOOP_HTTP_HOST": "127.0.0.1", "LEADLOOP_HTTP_PORT": str(self.ports[f"{block}:8080"])}
        return {"PATH": os.defpath, "SECRETS": str(self.credentials / block), **here}

    @property
    def operator(self) -> dict[str, str]:
        """The operator's environment, with his credential in it."""
        return self.environment("operator") | {
            file.name: file.read_text() for file in (self.credentials / OPERATOR).iterdir()
        }

    async def provision(self) -> str:
        """Run the block `provision` to its end; returns what it printed."""
        argv = self._argv(["python", "/entrypoint.py", *COMPOSE["services"]["provision"]["command"]])
        environment = self.environment("provision") | {"SECRETS": str(self.credentials / OPERATOR)}
        process = await asyncio.create_subprocess_exec(
            *argv, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await process.communicate()
        if process.returncode:
            raise AssertionError(f"{' '.join(argv)} failed:\n{output.decode()}")
        return output.decode()

    async def start_service(self, service: str) -> None:
        """Start a service's block and wait until it is ready."""
        argv = ["python", "/entrypoint.py", *COMPOSE["services"][service]["command"]]
        ready = f"http://127.0.0.1:{self.ports[f'{service}:8080']}/readyz"
        await self._start(ChildSpec(service, self._argv(argv), ready, self.environment(service)))

    async def start_node(self, node: str) -> None:
        """Start a node of the broker with deploy/nats.conf and wait until it works with the others."""
        folder = self.path / node
        folder.mkdir()
        (folder / "credentials").symlink_to(self.credentials / "broker")
        configuration = (ROOT / "deploy/nats.conf").read_text().replace('"/data"', f'"{folder / "data"}"')
        for port in (4222, 6222, 8222):
            configuration = configuration.replace(f"0.0.0.0:{port}", f"127.0.0.1:{self.ports[f'{node}:{port}']}")
        (folder / "nats.conf").write_text(configuration)
        ready = f"http://127.0.0.1:{self.ports[f'{node}:8222']}/healthz"
        argv = [server_binary(), "--config", str(folder / "nats.conf")]
        await self._start(ChildSpec(node, argv, ready, self.environment(node)))

    async def reload_nodes(self) -> None:
        """What docs/operations.md says of an upstream's credential: have each node read its configuration, twice."""
        async with httpx.AsyncClient() as monitor:

            async def loaded() -> list[str]:
                urls = [f"http://127.0.0.1:{self.ports[f'{node}:8222']}/varz" for node in NODES]
                return [(await monitor.get(url)).json()["config_load_time"] for url in urls]

            for _ in range(RELOADS):
                before = await loaded()

                async def again(before: Sequence[str] = before) -> bool:
                    return all(now != then for now, then in zip(await loaded(), before, strict=True))

                for node in NODES:
                    assert self.children[node].identity.send(signal.SIGHUP)
                await until(again, what="every node having read its configuration")

    async def _start(self, spec: ChildSpec) -> None:
        child = self.children[spec.name] = await Child.spawn(spec, self.path / f"{spec.name}.log")
        await child.until_ready(30)

    async def _stop(self) -> None:
        for names in (SERVICES, NODES):
            await asyncio.gather(*(self.children[name].stop() for name in names if name in self.children))

    async def _ask_for_passwords(self) -> None:
        """Make of the embedded database, which trusts everybody, what the image makes of its own."""
        connection = await asyncpg.connect(self.postgres.dsn())
        password = (self.credentials / "postgres" / "password").read_text()
        await connection.execute(f"alter role postgres password '{password}'")
        await connection.execute("create database leadloop")
        (self.postgres.cluster / "pg_hba.conf").write_text("local all all scram-sha-256\n")
        await connection.execute("select pg_reload_conf()")
        await connection.close()

    def _argv(self, argv: Sequence[str]) -> list[str]:
        here = {"python": sys.executable, "/entrypoint.py": str(ROOT / "deploy/entrypoint.py")}
        return [here.get(word, word.replace("/credentials", str(self.credentials))) for word in argv]

    def _here(self, value: str) -> str:
        for address, port in self.ports.items():
            value = value.replace(address, f"127.0.0.1:{port}")
        value = value.replace("@postgres/leadloop", f"@/leadloop?host={self.postgres.folder}")
        return value.replace("/run/keys", str(self.credentials / "keys"))
