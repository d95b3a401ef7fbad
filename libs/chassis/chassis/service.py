"""A service: what it consumes, answers and does by the clock, and the machinery that runs it.

Each service's ``app.py`` builds one; read there, it is the service's table of contents.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial

import uvicorn
import uvloop
from faststream.asgi import AsgiFastStream
from faststream.asgi.types import ASGIApp

from chassis import health, inbox, logs, tenants
from chassis.broker import broker, outlet_address
from chassis.caller import Caller
from chassis.consumer import Consumer
from chassis.dead_letters import DeadLetters
from chassis.failures import is_transient
from chassis.ids import MessageIds
from chassis.jobs import Job, Jobs
from chassis.keys import Resealing, Sealed, TenantKeys, key_service
from chassis.operations import Operations, measure, sweep
from chassis.processing import Processor
from chassis.received import Answer, Handler, Wire
from chassis.relay import Relay
from chassis.requests import Respond, in_unit_of_work, serve
from chassis.settings import Settings
from chassis.tenants import Tenants
from chassis.unit_of_work import Database, UnitOfWork
from contracts import catalogue
from contracts.catalogue import Stream
from contracts.gateway import ListTenants, TenantChanged, TenantList
from contracts.message import PLATFORM, Kind, Message
from contracts.operations import RunJob

log = logs.get_logger("service")

_FETCH_SILENCE_SECONDS = 15.0

Worker = Callable[[], Awaitable[None]]


def collect_seldom() -> None:
    """Have Python look for cycles seldom, and not among what is loaded by now.

    A batch makes some hundred thousand objects and leaves hardly a cycle; and whoever looks through all modules stands still for
    some 70 ms meanwhile.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


class Service:
    """One service, from its settings and its index.

    Parameters:
        name: as in the catalogue.
        settings: where things are.
        consumes: a handler per event and command; exactly what the catalogue says the service reads. The service's copy of the
            tenants is kept whether or not `TenantChanged` is among them.
        answers: an answer per request; exactly what the catalogue says the service answers.
        jobs: what it does by the clock.
        workers: what it does all the time; each is run again if it raises.
        closes: called when it has stopped: for connections of its own.
        keys: the tenants', shared with the handlers that seal and open.
        sealed: all that the service holds sealed under them, to be sealed anew after a rotation.
        admit: which messages are to be handled; the inbox remembers those that were.
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
        closes: Sequence[Worker] = (),
        keys: TenantKeys | None = None,
        sealed: Sequence[Sealed] = (),
        database: Database | None = None,
        admit: inbox.Admit = inbox.admit,
    ) -> None:
        self.name = name
        self.settings = settings
        self.sealed = tuple(sealed)
        self.database = database or Database(name, settings.database_url)
        others = dict(consumes or {})
        own_handler = others.pop(TenantChanged, None)
        keep = tenants.keeping_copy(own_handler) if own_handler else tenants.keep_copy
        # First, for the handlers of a batch are called in this order: what is told of a tenant rests on its settings.
        self.consumes: dict[type[Message], Handler] = {TenantChanged: keep, **others}
        self.broker = broker(name, settings)
        service_of_keys = key_service(settings.kms_uri)
        keys = keys or TenantKeys(service_of_keys)
        resealing = Resealing(self.database, keys, sealed)
        every_service = [
            Job("sweep", "17 3 * * *", partial(sweep, self.database)),
            Job("reseal", "*/10 * * * *", resealing.run),
        ]
        self.jobs = Jobs(self.database, [*jobs, *every_service])
        self._workers = workers
        self._closes = closes
        ids = MessageIds(keys)
        letters = DeadLetters(service_of_keys, ids)
        known = Tenants(None if name == ListTenants.topic.owner else self._ask_the_gateway)
        self._processor = Processor(self.database, self.consumes, letters, ids, known, admit)
        self._consumers: list[Consumer] = []
        self._consuming: list[asyncio.Task[None]] = []
        self._background: list[asyncio.Task[None]] = []
        operations = Operations(self.jobs, letters, self._processor, keys, self._lags)
        responses: dict[type[Message], Respond] = {
            request: in_unit_of_work(self.database, known, answer)
            for request, answer in {**operations.answers(), **(answers or {})}.items()
        }
        responses[RunJob] = operations.run_job
        for entry in catalogue.read_by(name, Kind.REQUEST):
            serve(self.broker, name, entry, responses[entry.message])

    @property
    def caller(self) -> Caller:
        """Asks other services; usable once the service runs."""
        return Caller(self.broker.connection)

    async def behind(self, stream: Stream) -> int:
        """How many messages of a stream the service has not handled; usable once the service runs."""
        (consumer,) = (consumer for consumer in self._consumers if consumer.stream == stream)
        return await consumer.behind()

    async def _lags(self) -> list[tuple[str, int]]:
        return [(consumer.stream.name, await consumer.behind()) for consumer in self._consumers]

    async def start(self) -> None:
        """Consume, relay, tick and watch from here on; the broker must be connected."""
        client = self.broker.connection
        await client.flush()  # from here on the broker knows that requests are answered here
        relay = Relay(self.database, outlet_address(self.name, self.settings))
        self.database.after_publishing(relay.wake)
        self._consumers = [
            Consumer(durable, client, self.database, self._processor) for durable in catalogue.durables_of(self.name)
        ]
        self._consuming = [asyncio.create_task(consumer.run()) for consumer in self._consumers]
        self._background = [
            asyncio.create_task(coroutine)
            for coroutine in (
                health.Watchdog().run(),
                health.exit_when_given_up(client),
                relay.run(),
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
            await self._close()

    def asgi(self) -> AsgiFastStream:
        """The service as an ASGI application: health and metrics, with the service running in its lifespan."""
        return AsgiFastStream(
            self.broker,
            asgi_routes=self.health_routes(),
            after_startup=[self.start],
            on_shutdown=[self.stop],
            after_shutdown=[self._close],
            logger=None,
        )

    def health_routes(self) -> list[tuple[str, ASGIApp]]:
        return health.routes([self._broker_heard, self._database_answers])

    def run(self, app: ASGIApp | None = None) -> None:
        """Run the service, or an application that runs it in its lifespan, on uvloop until SIGTERM or SIGINT.

        This is what ``python -m <service>`` does.
        """
        logs.configure(self.name, self.settings.log_level)
        collect_seldom()
        config = uvicorn.Config(
            app or self.asgi(), host=self.settings.http_host, port=self.settings.http_port, log_config=None,
            access_log=False, lifespan="on", timeout_graceful_shutdown=5,
        )  # fmt: skip
        uvloop.run(uvicorn.Server(config).serve())

    async def handle_kept(self, uow: UnitOfWork, wires: Sequence[Wire]) -> None:
        """Handle messages that a handler kept for later; poison among them is buried as any other (`Processor`)."""
        await self._processor.handle_kept(uow, wires)

    async def _close(self) -> None:
        for close in (*self._closes, self.database.close):
            await close()

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
                await measure(connection, self.name)
        except Exception as error:  # noqa: BLE001 - whatever it is, the service cannot work
            return f"the database does not answer: {type(error).__name__}"
        return ""

    async def _ask_the_gateway(self, request: ListTenants) -> TenantList:
        return await self.caller.ask(PLATFORM, request)

    async def _keep_working(self, worker: Worker) -> None:
        while True:
            try:
                await worker()
            except Exception as error:
                log.warning("a worker pauses", exc_info=None if is_transient(error) else error, error=str(type(error)))
                await asyncio.sleep(1)
