"""A service: what it consumes, answers and does by the clock, and the machinery that runs it.

Each service's ``app.py`` builds one; read there, it is the service's table of contents.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
import uvloop
from faststream.asgi import AsgiFastStream
from faststream.asgi.types import ASGIApp
from faststream.nats import NatsBroker, NatsMessage
from faststream.nats.security import NatsNKey
from sqlalchemy import text

from chassis import dead_letters, health, inbox, logs, relay, tenants
from chassis.caller import Caller, inbox_prefix
from chassis.consumer import Consumer
from chassis.dead_letters import DeadLetters
from chassis.failures import is_transient
from chassis.jobs import Counts, Job, Jobs
from chassis.keys import key_service
from chassis.metrics import DEAD_LETTERS
from chassis.processing import Processor
from chassis.received import Answer, Handler, Received
from chassis.relay import Relay
from chassis.requests import Respond, in_unit_of_work, serve
from chassis.settings import Settings
from chassis.tenants import Tenants
from chassis.unit_of_work import Database, UnitOfWork
from contracts import catalogue, gateway, operations
from contracts.message import PLATFORM, Kind, Message

log = logs.get_logger("service")

INBOX_DAYS = 30
"""Longer than the streams keep a message (7 days) and operators publish again (14 days)."""
OUTBOX_DAYS = 14
_FETCH_SILENCE_SECONDS = 15.0

Worker = Callable[[], Awaitable[None]]


class Service:
    """One service, from its settings and its index.

    Parameters:
        name: as in the catalogue.
        settings: where things are.
        consumes: a handler per event and command; exactly what the catalogue says the service reads.
        answers: an answer per request; exactly what the catalogue says the service answers.
        jobs: what it does by the clock.
        workers: what it does all the time; each is run again if it raises.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        consumes: Mapping[type[Message], Handler] | None = None,
        answers: Mapping[type[Message], Answer] | None = None,
        jobs: Sequence[Job] = (),
        workers: Sequence[Worker] = (),
        database: Database | None = None,
    ) -> None:
        self.name = name
        self.settings = settings
        self.database = database or Database(name, settings.database_url)
        self.consumes: dict[type[Message], Handler] = {gateway.TenantChanged: tenants.keep_copy, **(consumes or {})}
        self.broker = _broker(name, settings)
        self.jobs = Jobs(self.database, [*jobs, Job("sweep", "17 3 * * *", self._sweep)])
        self._workers = workers
        self._dead_letters = DeadLetters(key_service(settings.kms_uri))
        known = Tenants(None if name == gateway.ListTenants.topic.owner else self._ask_the_gateway)
        self._processor = Processor(self.database, self.consumes, self._dead_letters, known)
        self._consumers: list[Consumer] = []
        self._consuming: list[asyncio.Task[None]] = []
        self._background: list[asyncio.Task[None]] = []
        responses: dict[type[Message], Respond] = {
            request: in_unit_of_work(self.database, known, answer)
            for request, answer in {**self._operations(), **(answers or {})}.items()
        }
        responses[operations.RunJob] = self._run_job  # a unit of work would lie idle until the job has ended
        for entry in catalogue.read_by(name, Kind.REQUEST):
            serve(self.broker, name, entry, responses[entry.message])

    @property
    def caller(self) -> Caller:
        """Asks other services; usable once the service runs."""
        return Caller(self.broker.connection)

    async def start(self) -> None:
        """Consume, relay, tick and watch from here on; the broker must be connected."""
        client = self.broker.connection
        await client.flush()  # from here on the broker knows that requests are answered here
        outbox = Relay(self.database, _address(self.name, self.settings))
        self.database.after_publishing(outbox.wake)
        self._consumers = [
            Consumer(durable, client, self.database, self._processor) for durable in catalogue.durables_of(self.name)
        ]
        self._consuming = [asyncio.create_task(consumer.run()) for consumer in self._consumers]
        self._background = [
            asyncio.create_task(coroutine)
            for coroutine in (
                health.Watchdog().run(),
                health.exit_when_given_up(client),
                outbox.run(),
                *(self._keep_working(worker) for worker in self._workers),
            )
        ]
        self.jobs.start()

    async def stop(self) -> None:
        """Let the batches under way end, then stop everything."""
        self.jobs.stop()
        for consumer in self._consumers:
            consumer.stop()
        if self._consuming:
            await asyncio.wait(self._consuming, timeout=8)
        tasks = [*self._consuming, *self._background]
        running = set(tasks)
        while running:
            # Until they have: a library's wait that ends at the same moment can swallow a cancellation (bpo-37658).
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=1)
        await asyncio.gather(*tasks, return_exceptions=True)
        self._consumers, self._consuming, self._background = [], [], []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The service with its broker connection, for as long as the block lasts."""
        await self.broker.start()
        await self.start()
        try:
            yield
        finally:
            await self.stop()
            await self.broker.stop()
            await self.database.close()

    def asgi(self) -> AsgiFastStream:
        """The service as an ASGI application: health and metrics, with the service running in its lifespan."""
        return AsgiFastStream(
            self.broker,
            asgi_routes=self.health_routes(),
            after_startup=[self.start],
            on_shutdown=[self.stop],
            after_shutdown=[self.database.close],
            logger=None,
        )

    def health_routes(self) -> list[tuple[str, ASGIApp]]:
        return health.routes([self._broker_heard, self._database_answers])

    def run(self) -> None:
        """Run the service until it is told to stop. This is what ``python -m <service>`` does."""
        logs.configure(self.name, self.settings.log_level)
        serve_asgi(self.asgi(), self.settings)

    async def _broker_heard(self) -> str:
        if not self._consumers:
            return "starting"
        if not self.broker.connection.is_connected:
            return "not connected to the broker"
        # The connection's own word is not enough: it can take itself for connected long after it has died.
        silence = max(consumer.silence for consumer in self._consumers)
        return f"nothing heard from the broker for {silence:.0f} s" if silence > _FETCH_SILENCE_SECONDS else ""

    async def _database_answers(self) -> str:
        try:
            async with asyncio.timeout(2), self.database.engine.connect() as connection:
                await relay.waiting(connection, self.name)
                letters = await connection.execute(text("select count(*) from dead_letter where redriven_at is null"))
                DEAD_LETTERS.labels(self.name).set(letters.scalar_one())
        except Exception as error:  # noqa: BLE001 - whatever it is, the service cannot work
            return f"the database does not answer: {type(error).__name__}"
        return ""

    async def _ask_the_gateway(self, request: gateway.ListTenants) -> gateway.TenantList:
        return await self.caller.ask(PLATFORM, request)

    async def _keep_working(self, worker: Worker) -> None:
        while True:
            try:
                await worker()
            except Exception as error:
                log.warning("a worker pauses", exc_info=None if is_transient(error) else error, error=str(type(error)))
                await asyncio.sleep(1)

    async def _sweep(self, _: Any) -> Counts:
        async with self.database.begin() as uow:
            handled = await inbox.sweep(uow, INBOX_DAYS)
            sent = await uow.execute(
                "delete from outbox where sent_at < now() - make_interval(days => :days)", days=OUTBOX_DAYS
            )
            runs = await uow.execute("delete from job_run where started_at < now() - interval '90 days'")
        return {"inbox": handled, "outbox": sent.rowcount, "job_runs": runs.rowcount}

    def _operations(self) -> dict[type[Message], Answer]:
        return {
            operations.GetStatus: self._status,
            operations.GetTenant: tenants.get_tenant,
            operations.ListDeadLetters: self._list_dead_letters,
            operations.RedriveDeadLetters: self._redrive,
            operations.Republish: self._republish,
            operations.ListJobs: self._list_jobs,
        }

    async def _status(self, uow: UnitOfWork, _: Received[operations.GetStatus]) -> operations.ServiceStatus:
        unsent, oldest = await relay.waiting(uow.connection, self.name)
        letters = await uow.execute("select count(*) from dead_letter where redriven_at is null")
        now = await uow.execute("select clock_timestamp()")
        return operations.ServiceStatus(
            outbox_unsent=unsent, outbox_oldest_at=oldest, dead_letters=letters.scalar_one(), now=now.scalar_one()
        )

    async def _list_dead_letters(
        self, uow: UnitOfWork, request: Received[operations.ListDeadLetters]
    ) -> operations.DeadLetterList:
        return await dead_letters.listing(uow, request.body.limit)

    async def _redrive(self, uow: UnitOfWork, request: Received[operations.RedriveDeadLetters]) -> operations.Redriven:
        opened = await self._dead_letters.open(uow, request.body.dead_letter_ids)
        for letter in opened:
            await dead_letters.mark_redriven(uow, letter.dead_letter_id)
            await inbox.forget(uow, letter.message_id, letter.wire)
            await self._processor.handle(uow, [letter.wire])
        return operations.Redriven(redriven=len(opened))

    async def _republish(self, uow: UnitOfWork, request: Received[operations.Republish]) -> operations.Republished:
        again = await uow.execute(
            "update outbox set sent_at = null where time >= :since and sent_at is not null", since=request.body.since
        )
        return operations.Republished(republished=again.rowcount)

    async def _list_jobs(self, uow: UnitOfWork, _: Received[operations.ListJobs]) -> operations.JobList:
        return await self.jobs.listing(uow)

    async def _run_job(self, request: Received[operations.RunJob]) -> operations.JobRunView:
        return await self.jobs.run_now(request.body.job)


def serve_asgi(app: Any, settings: Settings) -> None:
    """Serve an ASGI application on uvloop, until SIGTERM or SIGINT."""
    config = uvicorn.Config(
        app, host=settings.http_host, port=settings.http_port, log_config=None, access_log=False, lifespan="on",
        timeout_graceful_shutdown=5,
    )  # fmt: skip
    uvloop.run(uvicorn.Server(config).serve())


def _broker(name: str, settings: Settings) -> NatsBroker:
    """The broker connection: it never gives up, and notices within 20 seconds that the other side is gone."""

    async def as_it_is(message: NatsMessage) -> NatsMessage:
        return message

    return NatsBroker(
        settings.nats_url.split(","),
        name=f"leadloop-{name}",
        security=NatsNKey.from_seed(settings.nats_seed.get_secret_value()) if settings.nats_seed else None,
        inbox_prefix=inbox_prefix(name),
        max_reconnect_attempts=-1,
        reconnect_time_wait=1,
        ping_interval=10,
        max_outstanding_pings=2,
        apply_types=False,
        decoder=as_it_is,
        logger=None,
        graceful_timeout=5.0,
    )


def _address(name: str, settings: Settings) -> dict[str, Any]:
    """How the outbox reaches the broker, beside the connection that everything else shares."""
    return {
        "servers": settings.nats_url.split(","),
        "name": f"leadloop-{name}-outbox",
        "nkeys_seed_str": settings.nats_seed.get_secret_value() if settings.nats_seed else None,
        "inbox_prefix": inbox_prefix(name),
        "ping_interval": 10,
        "max_outstanding_pings": 2,
    }
