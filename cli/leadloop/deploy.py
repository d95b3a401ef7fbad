"""An installation of containers: what Compose or Kubernetes start is told and provisioned by ``python -m leadloop.deploy``.

`credentials` makes a folder of credentials, one folder in it for each who is given some:

    <service>/, operator/   LEADLOOP_NATS_SEED, PGPASSWORD: files that become environment variables (deploy/entrypoint.py)
    postgres/               password: the superuser's, for the database itself
    broker/                 authorization.conf, store.conf, cluster.conf: included by deploy/nats.conf
    valkey/                 password and valkey.conf: Valkey's; gateway/ and intake/ have LEADLOOP_VALKEY_URL, its address
    keys/                   kms.json: the key that wraps all others

`declare` makes roles, schemas, streams and durables. The other commands are the operator's. Those that speak to the
installation take its addresses and the operator's credential from the environment (`Operator`).
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from uuid import UUID

import nats
import nats.errors
from cyclopts import App, Parameter
from nats.aio.client import Client
from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.exc import DBAPIError

from chassis import schema, topology
from chassis.caller import Caller, inbox_prefix
from chassis.exports.errors import LeadLoopError
from chassis.failures import describe
from chassis.keys import FileKeyService
from contracts.catalogue import OPERATOR, SERVICES
from contracts.gateway.keys import CreateApiKey, RevokeApiKey
from contracts.gateway.sign_in import CreateSignInLink
from contracts.message import ProblemError
from leadloop import commands_tenants, nkey
from leadloop.embedded.valkey import valkey_configuration
from leadloop.home import write_atomically
from leadloop.output import fail

NODES = ("nats-1:6222", "nats-2:6222", "nats-3:6222")
"""Where the broker's nodes listen for each other."""
VALKEY = "valkey:6379"
"""Where Valkey listens."""
COUNTING = ("gateway", "intake")
"""Whose replicas count rates together in it."""

app = App(name="python -m leadloop.deploy", help="Prepare and operate an installation of containers.", version_flags=[])


class Operator(BaseSettings):
    """How the operator reaches the installation: environment variables with the prefix ``LEADLOOP_``, as a service's.

    Attributes:
        database_url: the superuser's, e.g. ``postgresql+asyncpg://postgres@postgres/leadloop``; the password comes from
            ``PGPASSWORD``. Only `declare` needs it.
        nats_url: one or several addresses, separated by commas.
        nats_seed: the seed of the operator's credential.
    """

    model_config = SettingsConfigDict(env_prefix="LEADLOOP_", frozen=True, extra="ignore")

    database_url: str = ""
    nats_url: str
    nats_seed: SecretStr


@app.command
def credentials(
    folder: Path, *, nodes: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = NODES, valkey: str = VALKEY
) -> None:
    """Make what is missing of the credentials, and write the broker's permissions anew: an upgrade may change them.

    Parameters
    ----------
    folder: where they are kept; it must stay, and stay private.
    nodes: HOST:PORT at which each node of the broker listens for the others.
    valkey: HOST:PORT of Valkey.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for user in (*SERVICES, OPERATOR):
        _keep(folder / user / "LEADLOOP_NATS_SEED", nkey.new_seed)
        _keep(folder / user / "PGPASSWORD", secrets.token_urlsafe)
    _write(folder / "postgres" / "password", (folder / OPERATOR / "PGPASSWORD").read_text())
    FileKeyService.create(folder / "keys" / "kms.json")
    broker = folder / "broker"
    _keep(broker / "store.conf", lambda: f'key: "{secrets.token_hex(32)}"\n')
    password = _keep(broker / "cluster.password", secrets.token_hex)
    routes = ", ".join(f'"nats-route://node:{password}@{node}"' for node in nodes)
    _write(broker / "cluster.conf", f'authorization {{ user: node, password: "{password}" }}\nroutes: [{routes}]\n')
    password = _keep(folder / "valkey" / "password", lambda: secrets.token_hex(32))
    _write(folder / "valkey" / "valkey.conf", valkey_configuration({"requirepass": password, "save": '""'}))
    for service in COUNTING:
        _write(folder / service / "LEADLOOP_VALKEY_URL", f"valkey://:{password}@{valkey}")
    _write_authorization(folder)


@app.command
async def declare(folder: Path, *, replicas: int = len(NODES)) -> None:
    """Bring roles, schemas, streams and durables to what this version needs, and say what was done.

    Parameters
    ----------
    folder: the folder of credentials.
    replicas: on how many of the broker's nodes each stream is stored.
    """
    done = []
    try:
        for service in SERVICES:
            password = (folder / service / "PGPASSWORD").read_text()
            done += await schema.prepare(_operator().database_url, service, password)
    except DBAPIError as error:
        raise LeadLoopError(f"the database: {describe(error)}: {error.orig}") from None
    async with _connected() as client:
        done += await topology.declare(client, replicas)
    print("\n".join(done) or "nothing to do: everything is as it should be")


@app.command
def upstream(folder: Path, tenant: str) -> None:
    """Make a broker credential for an upstream of one tenant and show it this once; it works once the broker's nodes
    have been reloaded twice (see `RELOADS` in leadloop/embedded/broker.py).

    Parameters
    ----------
    folder: the folder of credentials.
    tenant: the only tenant it may speak for.
    """
    seed = nkey.new_seed()
    user = topology.User(f"upstream-{secrets.token_hex(6)}", nkey.public_key(seed), tenant)
    try:
        topology.permissions(user)
    except ValueError as error:
        raise LeadLoopError(str(error)) from None
    _write(_upstreams_file(folder), json.dumps([asdict(known) for known in (*_upstreams(folder), user)]))
    _write_authorization(folder)
    print(f"seed:         {seed}\ninbox prefix: {inbox_prefix(user.name)}\nkeep the seed now: it is not shown again")


@app.command
async def tenant(name: str, *, region: str = "US", time_zone: str = "UTC") -> None:
    """Create a tenant; returns when every service knows it. Creating it again changes nothing.

    Parameters
    ----------
    name: 1 to 63 lower-case letters, digits and hyphens.
    region: how national phone numbers are read (ISO 3166, e.g. US).
    time_zone: where the tenant's day begins (IANA, e.g. Europe/Berlin).
    """
    async with _connected() as client:
        await commands_tenants.create(Caller(client), name, region=region, time_zone=time_zone)
    print(f"{name} is known to every service")


@app.command
async def key(tenant: str, *, label: str = "default") -> None:
    """Make a key for the HTTP API and show it this once.

    Parameters
    ----------
    tenant: whom it speaks for.
    label: what it is for.
    """
    async with _connected() as client:
        made = await Caller(client).ask(tenant, CreateApiKey(label=label))
    print(f"{made.secret}\nkeep it now: it is not shown again; its id is {made.key_id}")


@app.command
async def revoke(tenant: str, key_id: UUID) -> None:
    """Revoke a key for the HTTP API.

    Parameters
    ----------
    tenant: whose key it is.
    key_id: as `key` said it; a key holds it too, between its first and its second underscore.
    """
    async with _connected() as client:
        await Caller(client).ask(tenant, RevokeApiKey(key_id=key_id))
    print(f"{key_id} opens nothing any more")


@app.command
async def sign_in(tenant: str) -> None:
    """Make a link that signs in once to a tenant's pages; it is relative to the gateway's address.

    Parameters
    ----------
    tenant: whose pages.
    """
    async with _connected() as client:
        link = await Caller(client).ask(tenant, CreateSignInLink())
    print(f"{link.path}\nit works once, until {link.expires_at:%Y-%m-%d %H:%M} UTC")


def _operator() -> Operator:
    try:
        return Operator()
    except ValidationError as error:
        missing = ", ".join(f"LEADLOOP_{place}".upper() for detail in error.errors() for place in detail["loc"])
        raise LeadLoopError(f"set {missing}: see `Operator` in leadloop/deploy.py") from None


@asynccontextmanager
async def _connected() -> AsyncIterator[Client]:
    operator = _operator()
    try:
        client = await nats.connect(
            operator.nats_url.split(","), nkeys_seed_str=operator.nats_seed.get_secret_value(),
            inbox_prefix=inbox_prefix(OPERATOR), name="leadloop", max_reconnect_attempts=5, error_cb=_quiet,
        )  # fmt: skip
    except (nats.errors.Error, OSError) as error:
        raise LeadLoopError(f"the broker at {operator.nats_url}: {error}") from None
    try:
        yield client
    finally:
        await client.close()


async def _quiet(_: Exception) -> None:
    """The library would log a stack trace for each address that does not answer; the command says it in a line."""


def _write_authorization(folder: Path) -> None:
    seeds = {user: (folder / user / "LEADLOOP_NATS_SEED").read_text() for user in (*SERVICES, OPERATOR)}
    users = [topology.User(name, nkey.public_key(seed)) for name, seed in seeds.items()]
    _write(folder / "broker" / "authorization.conf", topology.authorization([*users, *_upstreams(folder)]))


def _upstreams_file(folder: Path) -> Path:
    return folder / "broker" / "upstreams.json"


def _upstreams(folder: Path) -> list[topology.User]:
    path = _upstreams_file(folder)
    return [topology.User(**user) for user in json.loads(path.read_text())] if path.exists() else []


def _keep(path: Path, make: Callable[[], str]) -> str:
    """The content of a file, made by `make` on first use and never again."""
    if not path.exists():
        _write(path, make())
    return path.read_text()


def _write(path: Path, content: str) -> None:
    """Write a file that any user may read who gets as far as its folder: database and broker have users of their own."""
    path.parent.mkdir(mode=0o755, exist_ok=True)
    write_atomically(path, content.encode())
    path.chmod(0o444)


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command, of this process by default; returns the exit status, 0 only when it is done."""
    command, bound, _ = app.parse_args(arguments)
    try:
        result = command(*bound.args, **bound.kwargs)
        if asyncio.iscoroutine(result):
            asyncio.run(result)
    except (LeadLoopError, ProblemError) as error:
        return fail(error, False)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
