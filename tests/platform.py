"""A provisioned installation for tests: embedded servers, roles, schemas, streams, credentials, and running services."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from uuid import UUID

import asyncpg
import nats
import psycopg
from nats.aio.client import Client
from nats.aio.msg import Msg
from uuid_utils.compat import uuid7

from chassis import schema, topology
from chassis.caller import Caller, inbox_prefix
from chassis.keys import FileKeyService
from chassis.received import encode
from chassis.service import Service
from chassis.settings import Settings
from contracts.catalogue import OPERATOR, SERVICES
from contracts.gateway import ListTenants, TenantChanged, TenantList, TenantSettings, TenantView
from contracts.message import Command, Envelope, Event, ProblemError
from contracts.operations import GetTenant
from leadloop import embedded
from leadloop.embedded import Nats, Postgres
from leadloop.nkey import new_seed, public_key
from tests.waiting import until


@dataclass
class Platform:
    """What a test needs of an installation.

    `operator` is connected with the operator's credential; `caller` asks requests over it.
    """

    path: Path
    postgres: Postgres
    broker: Nats
    seeds: dict[str, str]
    operator: Client = field(init=False)
    _upstreams: list[topology.User] = field(default_factory=list)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    _sessions: asyncpg.Pool = field(init=False)
    _janitor: psycopg.Connection | None = None

    @classmethod
    @asynccontextmanager
    async def start(cls, path: Path) -> AsyncIterator["Platform"]:
        """An installation in a folder of its own, which is made if need be."""
        _make(path)
        seeds = {name: new_seed() for name in (*SERVICES, OPERATOR, "admin")}
        users = _insiders(seeds)
        async with AsyncExitStack() as stack:
            postgres = await stack.enter_async_context(embedded.postgres(path))
            broker = await stack.enter_async_context(embedded.nats(path, topology.authorization(users)))
            platform = cls(path, postgres, broker, seeds)
            FileKeyService.create(platform.key_file)
            for service in SERVICES:
                if (Path(import_module(service).__file__).parent / "migrations").exists():
                    await schema.prepare(platform.database_url("postgres"), service)
            platform._sessions = await stack.enter_async_context(
                asyncpg.create_pool(postgres.dsn(), min_size=0, max_size=40, statement_cache_size=0, reset=_as_new)
            )
            async with platform.connect(OPERATOR) as platform.operator:
                await topology.declare(platform.operator)
                yield platform
                if platform._janitor is not None:
                    platform._janitor.close()

    @property
    def key_file(self) -> Path:
        return self.path / "kms.json"

    @property
    def caller(self) -> Caller:
        return Caller(self.operator, patience=30)  # other tests load the machine meanwhile

    def database_url(self, role: str) -> str:
        return self.postgres.dsn(role).replace("postgresql://", "postgresql+asyncpg://", 1)

    @asynccontextmanager
    async def connect(self, user: str) -> AsyncIterator[Client]:
        """A broker connection with a user's credential."""
        client = await nats.connect(self.broker.url, nkeys_seed_str=self.seeds[user], inbox_prefix=inbox_prefix(user))
        try:
            yield client
        finally:
            await client.close()

    @asynccontextmanager
    async def upstream(self, tenant: str) -> AsyncIterator[Client]:
        """A broker connection with a new upstream's credential, as `leadloop key create --nats` makes one."""
        seed = new_seed()
        user = topology.User(f"upstream-{uuid7().hex[-12:]}", public_key(seed), tenant)
        self._upstreams.append(user)
        self.broker.configure(topology.authorization([*_insiders(self.seeds), *self._upstreams]))
        await self.broker.reload()
        client = await nats.connect(self.broker.url, nkeys_seed_str=seed, inbox_prefix=inbox_prefix(user.name))
        try:
            yield client
        finally:
            await client.close()

    async def publish(self, sender: str, tenant: str, message: Event | Command, id_: UUID | None = None) -> UUID:
        """Publish a message as `sender` would; returns its id."""
        id_ = id_ or uuid7()
        envelope = Envelope(id_, message.topic.owned_by(sender).type, tenant, datetime.now(UTC), id_)
        async with self.connect(sender) as client:
            await client.jetstream().publish(envelope.subject, encode(message), headers=envelope.headers)
        return id_

    async def introduce(self, tenant: str, *services: str, **settings: object) -> None:
        """Make a tenant known to running services, as the gateway's event would; returns when all know it."""
        news = TenantChanged(version=1, settings=TenantSettings(**settings), created_at=datetime.now(UTC))
        await self.publish("gateway", tenant, news)
        for service in services:
            known = f"{service} knowing the tenant"
            await until(lambda service=service: self._knows(service, tenant), seconds=60, what=known)

    def forget(self, tenant: str) -> None:
        """Have no service know a tenant any more, nor those whose names contain its name."""
        try:
            self._forget(tenant)
        except psycopg.OperationalError:  # the database was taken down since
            self._janitor.close()
            self._janitor = None
            self._forget(tenant)

    def _forget(self, tenant: str) -> None:
        if self._janitor is None:
            self._janitor = psycopg.connect(self.postgres.dsn(), autocommit=True)
        # Not outcomes: the notifier hears of a tenant whenever it runs next, and asks outcomes about it.
        for service in ("intake", "outreach", "aggregator"):
            # What a service that runs in this process has in hand is left: it goes on only once this is over.
            self._janitor.execute(
                f"""delete from {service}.tenant where tenant_id in (
                        select tenant_id from {service}.tenant where position(%s in tenant_id) > 0 for update skip locked)""",
                [tenant],
            )

    async def _knows(self, service: str, tenant: str) -> bool:
        try:
            # A copy that the service asked for before the event came is older, see `every_name_a_tenants`.
            return (await self.caller.ask(tenant, GetTenant(), of=service)).version >= 1
        except ProblemError:
            return False

    def settings(self, service: str) -> Settings:
        return Settings(
            database_url=self.database_url(schema.role_of(service)),
            nats_url=self.broker.url,
            nats_seed=self.seeds[service],
            kms_uri=f"file://{self.key_file}",
        )

    def build(self, service: str) -> Service:
        """A service as its own composition root builds it."""
        built: Service = import_module(f"{service}.app").build(self.settings(service))
        return built

    @asynccontextmanager
    async def running(self, *services: str, gateway: bool = False) -> AsyncIterator[None]:
        """These services, running in this process.

        Where the gateway is not among them, every name is a tenant's, unless `gateway` says that one runs elsewhere.
        """
        async with AsyncExitStack() as stack:
            if not gateway and "gateway" not in services:
                await stack.enter_async_context(self.every_name_a_tenants())
            for service in services:
                await stack.enter_async_context(self.build(service).running())
            yield

    @asynccontextmanager
    async def every_name_a_tenants(self) -> AsyncIterator[None]:
        """In the gateway's place: whatever tenant a service asks for, it exists."""

        async def answer(request: Msg) -> None:
            names = ListTenants.model_validate_json(request.data).only
            created = datetime(2026, 1, 5, tzinfo=UTC)
            views = [
                TenantView(tenant=name, version=0, settings=TenantSettings(), created_at=created) for name in names
            ]
            await request.respond(encode(TenantList(tenants=views)))

        async with self.connect("gateway") as client:
            await client.subscribe(ListTenants.topic.every_tenant, queue="gateway", cb=answer)
            await client.flush()
            yield

    @asynccontextmanager
    async def sql(self, role: str = "postgres") -> AsyncIterator[asyncpg.Connection]:
        """A database session, the superuser's unless another role is named.

        His are kept, for who works in the platform's own loop: to begin one takes longer than most queries.
        """
        if role == "postgres" and asyncio.get_running_loop() is self._loop:
            async with self._sessions.acquire() as connection:
                yield connection
            return
        connection = await asyncpg.connect(self.postgres.dsn(role))
        try:
            yield connection
        finally:
            await connection.close()


def _make(folder: Path) -> None:
    """Make a folder, if need be, that the database's user can enter."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o711)


async def _as_new(session: asyncpg.Connection) -> None:
    """The role that a test took on is not among what asyncpg itself resets."""
    await session.execute("discard all")


def _insiders(seeds: dict[str, str]) -> list[topology.User]:
    """Everybody with a credential in the services' account."""
    return [topology.User(name, public_key(seed)) for name, seed in seeds.items() if name != "admin"]
