"""What a test of the chassis gives to the ledger service, and what it sees of it."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from chassis import topology
from chassis.received import encode
from chassis.service import Service
from contracts import catalogue
from contracts.catalogue import COMMANDS, EVENTS, OPERATOR, Stream
from contracts.intake.leads import SubmitLead
from contracts.message import Command, Envelope, Event, Reply, Request
from contracts.operations import DeadLetterList, ListDeadLetters
from tests.chassis import ledger
from tests.platform import Platform
from tests.waiting import until


class Scene:
    """One tenant's view of a platform on which the ledger service runs or does not run."""

    def __init__(self, platform: Platform, tenant: str) -> None:
        self.platform = platform
        self.tenant = tenant

    def service(self, **parts: Any) -> Service:
        return ledger.build(self.platform.settings(ledger.NAME), **parts)

    async def know(self) -> None:
        """Have the service know the tenant, as if it had been told."""
        await self.select("insert into tenant values ($1, 1, '{}', now()) on conflict do nothing", self.tenant)

    async def give(self, *messages: Event | Command) -> list[UUID]:
        """Publish messages in this order; returns their ids."""
        ids = []
        sender = messages[0].topic.owner if isinstance(messages[0], Event) else OPERATOR
        async with self.platform.connect(sender) as client, asyncio.timeout(10):
            js, stored = client.jetstream(), []
            for message in messages:
                id_ = uuid7()
                envelope = Envelope(id_, message.topic.type, self.tenant, datetime.now(UTC), id_)
                stored.append(await js.publish_async(envelope.subject, encode(message), headers=envelope.headers))
                ids.append(id_)
            await asyncio.gather(*stored)
        return ids

    async def give_raw(self, body: bytes, headers: Mapping[str, str] | None = None, tenant: str = "") -> None:
        """Publish anything as a submission."""
        async with self.platform.connect(OPERATOR) as client:
            subject = f"{SubmitLead.topic.type}.{tenant or self.tenant}"
            await client.jetstream().publish(subject, body, headers=dict(headers) if headers else None)

    async def ask(self, request: Request[Any], *, of: str = "", seconds: float = 5.0) -> Any:
        reply: Reply = await self.platform.caller.ask(self.tenant, request, of=of, seconds=seconds)
        return reply

    async def select(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """Rows of the service's schema, seen by the superuser."""
        async with self.platform.sql() as connection:
            await connection.execute(f"set search_path to {ledger.NAME}")
            rows: list[asyncpg.Record] = await connection.fetch(query, *arguments)
            return rows

    async def lines(self) -> list[int]:
        """The numbers in the tenant's ledger, in the order they were written."""
        rows = await self.select("select number from ledger where tenant_id = $1 order by seq", self.tenant)
        return [row["number"] for row in rows]

    async def written(self, count: int, seconds: float = 15.0) -> list[int]:
        """The ledger, once it has so many lines."""

        async def enough() -> bool:
            return len(await self.lines()) >= count

        await until(enough, seconds=seconds, what=f"{count} lines in the ledger")
        return await self.lines()

    async def letters(self) -> list[asyncpg.Record]:
        """The tenant's dead letters, oldest first."""
        return await self.select("select * from dead_letter where tenant = $1 order by dead_letter_id", self.tenant)

    async def buried(self, count: int, seconds: float = 15.0) -> list[asyncpg.Record]:
        """The tenant's dead letters, once there are so many."""

        async def enough() -> list[asyncpg.Record]:
            letters = await self.letters()
            return letters if len(letters) >= count else []

        return await until(enough, seconds=seconds, what=f"{count} dead letters")

    async def listed(self) -> DeadLetterList:
        listing: DeadLetterList = await self.ask(ListDeadLetters(), of=ledger.NAME)
        return listing

    async def drained(self, stream: Stream, seconds: float = 15.0) -> None:
        """Return when the service's durable has nothing left, delivered or not."""

        async def empty() -> bool:
            info = await self.platform.operator.jetstream().consumer_info(stream.name, ledger.NAME)
            return not info.num_pending and not info.num_ack_pending

        await until(empty, seconds=seconds, what=f"{stream.name} drained")

    async def waited_for(self, stream: Stream) -> None:
        """Return when a replica waits for the durable's next message."""

        async def waiting() -> int:
            info = await self.platform.operator.jetstream().consumer_info(stream.name, ledger.NAME)
            return info.num_waiting or 0

        await until(waiting, what=f"somebody waiting for {stream.name}")

    async def deliveries(self, stream: Stream) -> int:
        """How many deliveries the broker has made since the durable was declared, repeated ones included."""
        info = await self.platform.operator.jetstream().consumer_info(stream.name, ledger.NAME)
        return info.delivered.consumer_seq if info.delivered else 0

    async def delivered(self, stream: Stream, count: int, seconds: float = 15.0) -> None:
        """Return when there have been so many `deliveries`."""

        async def enough() -> bool:
            return await self.deliveries(stream) >= count

        await until(enough, seconds=seconds, what=f"{count} deliveries from {stream.name}")

    async def redeliver_after(self, seconds: float) -> None:
        """Declare the durables anew, to wait only so long for an acknowledgement; `restore` undoes it."""
        for durable in catalogue.durables_of(ledger.NAME):
            config = topology.consumer_config(durable)
            config.ack_wait = seconds
            await self.platform.operator.jetstream().delete_consumer(durable.stream.name, ledger.NAME)
            await self.platform.operator.jetstream().add_consumer(durable.stream.name, config)

    async def restore(self) -> None:
        """Leave the next test empty streams, and durables as they are declared."""
        for stream in (EVENTS, COMMANDS):
            await self.platform.operator.jetstream().purge_stream(stream.name)
        await self.declare()

    async def declare(self) -> None:
        """Bring streams and durables back to what the catalogue says."""
        await topology.declare(self.platform.operator)
