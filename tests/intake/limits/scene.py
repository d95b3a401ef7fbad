"""Intake with a clock of the test's own, upstreams that send, and what became of what they sent."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from nats.aio.client import Client
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from chassis.service import Service
from contracts.intake.leads import SubmitLead
from contracts.intake.limits import ListParked
from intake.app import build
from tests.chassis.limits.clock import Clock
from tests.platform import Platform
from tests.waiting import until

Event = tuple[str, dict[str, Any], Mapping[str, Any]]
"""An event's name, body and envelope."""


@dataclass
class Scene:
    """One tenant's view of a platform on which intake runs."""

    platform: Platform
    tenant: str
    clock: Clock = field(default_factory=Clock)

    def service(self, valkey_url: str | None = None) -> Service:
        """A replica, which counts for itself unless there is a Valkey."""
        secret = SecretStr(valkey_url) if valkey_url else None
        return build(self.platform.settings("intake").model_copy(update={"valkey_url": secret}), self.clock)

    @asynccontextmanager
    async def running(self, **settings: object) -> AsyncIterator["Scene"]:
        """Intake, knowing the tenant and how it wants to be served."""
        async with self.platform.every_name_a_tenants(), self.service().running():
            await self.platform.introduce(self.tenant, "intake", **settings)
            yield self

    async def parked(self) -> dict[str, int]:
        """How many are parked, by source."""
        reply = await self.platform.caller.ask(self.tenant, ListParked())
        return {source.source_system: source.parked for source in reply.sources}

    @asynccontextmanager
    async def nobody_releases(self, source: str) -> AsyncIterator[None]:
        """While the block lasts another replica, as it were, is about to release what is parked of a source."""
        async with self.platform.sql() as sql, sql.transaction():
            name = f"parked/{self.tenant}/{source}"
            await sql.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", name)
            yield

    async def until_parked(self, **counts: int) -> None:
        """Wait until so many of these sources are parked."""

        async def there() -> bool:
            return await self.parked() == counts

        await until(there, seconds=30, what=f"{counts} parked")

    async def settled(self, count: int) -> list[Event]:
        """The tenant's events of intake, in the order they were published, once there are so many."""

        async def enough() -> list[Event]:
            found = await self.events()
            return found if len(found) >= count else []

        return await until(enough, seconds=30, what=f"{count} events")

    async def events(self) -> list[Event]:
        """What the relay has published, and the broker confirmed."""
        async with self.platform.sql() as sql:
            rows = await sql.fetch(
                """select type, body, correlation_id, causation_id, traceparent from intake.outbox
                   where tenant = $1 and not exists (select from intake.outbox_unsent where seq = outbox.seq)
                   order by seq""",
                self.tenant,
            )
        return [(row["type"].split(".")[2], json.loads(row["body"]), row) for row in rows]


def lead(number: int, source: str = "web", **fields: Any) -> SubmitLead:
    return SubmitLead(source_system=source, source_id=f"L-{number}", full_name="Ada Example", **fields)


async def send(
    client: Client, tenant: str, leads: Iterable[SubmitLead], headers: Mapping[str, str] | None = None
) -> list[UUID]:
    """Publish submissions over a connection, in this order; returns their ids when all are stored."""
    ids, stored, js = [], [], client.jetstream()
    for message in leads:
        ids.append(uuid7())
        body, about = message.model_dump_json().encode(), {**(headers or {}), "ce-id": str(ids[-1])}
        stored.append(await js.publish_async(SubmitLead.topic.subject(tenant), body, headers=about))
    await asyncio.gather(*stored)
    return ids


def numbers(events: Iterable[Event]) -> list[int]:
    """Which leads events are about."""
    return [int(body["source_id"].removeprefix("L-")) for _, body, _ in events]
