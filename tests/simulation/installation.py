"""A scratch installation whose outreach goes by a moved clock, and whose processes are killed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from random import Random
from time import monotonic
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from chassis.clock import move
from chassis.keys import TenantKeys, key_service
from chassis.received import encode
from chassis.unit_of_work import Database
from contracts.message import Envelope, Event, ProblemCode, ProblemError, Reply, Request
from outreach.unsubscribing import Links
from tests.platform import Platform
from tests.simulation.replicas import Replica
from tests.simulation.rules import Delivery
from tests.waiting import until

R = TypeVar("R", bound=Reply)

_REPLICAS = 2
_DONE_WITHIN = 60.0
"""Real seconds within which everything that can happen at a moment has happened."""
_GIVEN_UP_AFTER = 0.7
"""Real seconds after a kill until what was in somebody's hand and is still is taken for lost: then all are killed, and it is."""
_LOOKED_AT_FIRST, _LOOKED_AT_LAST = 0.004, 0.05
"""Real seconds between two looks at whether there is anything left to happen, more and more."""
_LOOKED_FOR = 100
"""How often a state that lasts a moment is looked for."""
_BUSY = """
    select (select count(*) from outreach.lane where tenant_id = $1 and ready_at <= $2) as ready,
           (select count(*) from outreach.send_queue where tenant_id = $1 and state in ('claimed', 'sending')
              and (token <> all ($3::uuid[]) or lease_until < $2)) as in_hand,
           (select count(*) from outreach.campaign where tenant_id = $1 and enrolled_through is not null) as enrolling
"""
_IN_HAND = """
    select token, state from outreach.send_queue
    where tenant_id = $1 and state in ('claimed', 'sending') and token <> all ($2::uuid[])
"""
_NEXT = """
    select least((select min(ready_at) from outreach.lane where tenant_id = $1 and ready_at <> 'infinity'),
                 (select min(lease_until) + interval '1 microsecond' from outreach.send_queue
                  where tenant_id = $1 and state in ('claimed', 'sending')))
"""
_LOG = """
    select delivery.*, step from outreach.sandbox_delivery as delivery join outreach.send_queue using (tenant_id, message_id)
    where tenant_id = $1 and delivered_at >= $2 order by delivered_at, message_id
"""


class Installation:
    """Outreach's processes, its database, and the ways to both.

    Attributes:
        now: where the clock stands.
        sql: a session of the superuser's, for one at a time.
        counts: what was done to it.
    """

    def __init__(self, platform: Platform, now: datetime, seed: int, sql: asyncpg.Connection) -> None:
        self.tenant = f"simulated-{seed}"
        self.now = now
        self.seed = seed
        self.sql = sql
        self.platform = platform
        self.counts: Counter[str] = Counter()
        self._clock = platform.path / "clock"
        self._replicas: list[Replica] = []
        self._lost: set[UUID] = set()

    @classmethod
    @asynccontextmanager
    async def running(cls, platform: Platform, now: datetime, seed: int, region: str) -> AsyncIterator["Installation"]:
        """The clock stands at `now`, the processes run and know the tenant."""
        async with AsyncExitStack() as stack:
            there = cls(platform, now, seed, await stack.enter_async_context(platform.sql()))
            move(there._clock, now)
            await stack.enter_async_context(platform.running("intake"))
            log = stack.enter_context((platform.path / "replicas.log").open("wb"))
            for number in range(_REPLICAS):
                replica = Replica.running(platform, there._clock, log, seed + number)
                there._replicas.append(await stack.enter_async_context(replica))
            await platform.introduce(there.tenant, "intake", "outreach", region=region)
            yield there

    def move(self, moment: datetime) -> None:
        """Have the clock stand at a moment."""
        self.now = moment
        self.counts["moves"] += 1
        move(self._clock, moment)

    async def next_due(self) -> datetime | None:
        """When something is due next; none where nothing has a date."""
        due: datetime | None = await self.sql.fetchval(_NEXT, self.tenant)
        return due

    async def settle(self, *, after_a_kill: bool = False) -> None:
        """Wait until nothing more can happen at this moment."""
        if after_a_kill and not await self._settles(_DONE_WITHIN / 4):
            await self.kill(self.sql)  # one died when it had just written what it took in hand
        if not await self._settles(_DONE_WITHIN):
            busy = await self.sql.fetchrow(_BUSY, self.tenant, self.now, list(self._lost))
            raise AssertionError(f"at {self.now} something is never done (seed {self.seed}): {dict(busy)}")

    async def _settles(self, seconds: float) -> bool:
        """Wait until nothing more can happen at this moment; whether that was so within seconds."""
        deadline, pause = monotonic() + seconds, _LOOKED_AT_FIRST
        while any(await self.sql.fetchrow(_BUSY, self.tenant, self.now, list(self._lost))):
            if monotonic() > deadline:
                return False
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LOOKED_AT_LAST)
        return True

    async def strike(self, chance: Random) -> None:
        """Kill a process, or all of them, at a random moment or when a message is in somebody's hand, and start them again."""
        state, all_of_them = chance.choice((None, "claimed", "sending")), chance.random() < 0.5
        async with self.platform.sql() as sql:
            if state is None:
                await asyncio.sleep(chance.uniform(0, 0.03))
            else:
                await self._is_seen(sql, state)
            if all_of_them:
                await self.kill(sql)
                return
            replica = chance.choice(self._replicas)
            await replica.kill()
            self.counts["kills"] += 1
            await replica.start()
            # What the others have in hand they hand over at once; it is lost if they do not.
            in_hand = [row["token"] for row in await sql.fetch(_IN_HAND, self.tenant, list(self._lost))]
            deadline = monotonic() + _GIVEN_UP_AFTER
            while any(row["token"] in in_hand for row in await sql.fetch(_IN_HAND, self.tenant, list(self._lost))):
                if monotonic() > deadline:
                    await self.kill(sql)
                    return
                await asyncio.sleep(_LOOKED_AT_FIRST)

    async def _is_seen(self, sql: asyncpg.Connection, state: str) -> None:
        """Return when a message is in a state, or a moment has passed without one."""
        for _ in range(_LOOKED_FOR):
            if state in [row["state"] for row in await sql.fetch(_IN_HAND, self.tenant, list(self._lost))]:
                return

    async def kill(self, sql: asyncpg.Connection) -> None:
        """Kill every process: whatever is in hand then is lost, whoever had it."""
        for replica in self._replicas:
            await replica.kill()
            self.counts["kills"] += 1
        gone = "select not exists (select from pg_stat_activity where application_name = 'leadloop_outreach')"
        await until(lambda: sql.fetchval(gone), what="the database having noticed that the processes are gone")
        rows = await sql.fetch(_IN_HAND, self.tenant, list(self._lost))
        self._lost |= {row["token"] for row in rows}
        self.counts.update(f"lost when {row['state']}" for row in rows)
        for replica in self._replicas:
            await replica.start()

    async def ask(self, request: Request[R], *, done: ProblemCode | None = None) -> R:
        """Ask until somebody answers: who was asked may be killed in the middle of it.

        Parameters:
            done: the refusal that says that it has been done already.
        """
        refused: list[ProblemError] = []

        async def answered() -> R | list[ProblemError] | None:
            try:
                return await self.platform.caller.ask(self.tenant, request, seconds=3)
            except ProblemError as error:
                if error.problem.code is ProblemCode.UNAVAILABLE:
                    return None
                if error.problem.code is not done:
                    raise
                refused.append(error)
                return refused

        return await until(answered, seconds=_DONE_WITHIN, what=f"an answer to {type(request).__name__}")  # type: ignore[return-value]

    async def token(self, message_id: UUID) -> str:
        """That of the link by which a message's person unsubscribes."""
        settings = self.platform.settings("outreach")
        database = Database("outreach", settings.database_url)
        try:
            links = Links(TenantKeys(key_service(settings.kms_uri)), "https://out.example")
            return (await links.of(database, self.tenant, [message_id]))[message_id].rsplit("/", 1)[1]
        finally:
            await database.close()

    async def publish(self, events: Sequence[Event]) -> None:
        """Publish events as intake, and wait until outreach has handled them."""
        ids = [uuid7() for _ in events]
        async with self.platform.connect("intake") as intake:
            stream = intake.jetstream()
            for some in _in_parts(list(zip(ids, events, strict=True)), 200):
                envelopes = [
                    (Envelope(id_, event.topic.type, self.tenant, datetime.now(UTC), id_), event) for id_, event in some
                ]
                await asyncio.gather(
                    *(stream.publish(e.subject, encode(event), headers=e.headers) for e, event in envelopes)
                )

        async def handled() -> bool:
            number = await self.sql.fetchval("select count(*) from outreach.inbox where message_id = any($1)", ids)
            return bool(number == len(ids))

        await until(handled, seconds=_DONE_WITHIN * 3, what="outreach having handled what was published")

    async def taken_since(self, moment: datetime) -> list[Delivery]:
        rows = await self.sql.fetch(_LOG, self.tenant, moment)
        return [
            Delivery(
                row["message_id"], row["account_id"], row["campaign_id"], row["lead_id"], row["kind"], row["step"],
                row["delivered_at"], row["deliveries"],
            )
            for row in rows
        ]  # fmt: skip

    async def states(self) -> dict[UUID, str]:
        """What outreach says became of its messages."""
        rows = await self.sql.fetch(
            "select message_id, state from outreach.send_queue where tenant_id = $1", self.tenant
        )
        return {row["message_id"]: row["state"] for row in rows}


def _in_parts(things: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for first in range(0, len(things), size):
        yield things[first : first + size]
