"""The outbox: what units of work published, for the relay to give to the broker, and for a while afterwards.

An event's row is written once. Beside it `outbox_unsent` has the place of each that is still to be published: telling that one was sent
removes its place and touches no body.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from asyncpg import InterfaceError, InternalClientError, PostgresError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.message import Envelope

WRITE: Final = """
    written as (
        insert into outbox (id, type, tenant, time, correlation_id, causation_id, traceparent, body)
        select * from unnest(cast(:ids as uuid[]), cast(:types as text[]), cast(:tenants as text[]),
                             cast(:times as timestamptz[]), cast(:correlations as uuid[]), cast(:causes as uuid[]),
                             cast(:traces as text[]), cast(:bodies as bytea[]))
        returning seq
    ), unsent as (insert into outbox_unsent select seq from written)
"""
"""Writes events, in the `with` of a statement; its parameters are their `columns`."""
# A place's event is looked up by it (`offset 0`): nobody has analysed tables whose rows come and go within a second, and the planner
# would read all that is kept of the last days to find the few that wait.
_OF_PLACE = """
    outbox_unsent cross join lateral (select * from outbox where outbox.seq = outbox_unsent.seq offset 0) as written
"""
# The places first, and then their events: or those of all that waits are looked up, and the first few taken.
_UNSENT = text("""
    select next.seq, id, type, tenant, time, correlation_id, causation_id, traceparent, body
    from (
        select seq from outbox_unsent where seq <> all(cast(:but as bigint[])) order by seq limit :limit
    ) as next
    left join lateral (select * from outbox where outbox.seq = next.seq offset 0) as written on true
    order by next.seq
""")
_ANY_WAITS: Final = "select exists (select from outbox_unsent)"
_SENT = text("delete from outbox_unsent where seq = any(cast(:seqs as bigint[]))")
_PARK = text("""
    with out as (delete from outbox_unsent where seq = :seq) update outbox set parked = :reason where seq = :seq
""")
_WAITING = text(f"""
    select count(*) as unsent, (select time from {_OF_PLACE} order by outbox_unsent.seq limit 1) as oldest
    from outbox_unsent
""")
_HOLDS = text("select exists (select from outbox where tenant = :tenant)")
_SPAN = text(f"""
    select (select max(seq) from outbox) as last,
           (select written.seq from {_OF_PLACE} order by outbox_unsent.seq limit 1) as first_unsent
""")
_AGAIN = text("""
    insert into outbox_unsent select seq from outbox where time >= :since and parked is null on conflict do nothing
""")
_SWEEP = text("""
    with of_none as (
        delete from outbox_unsent where not exists (select from outbox where outbox.seq = outbox_unsent.seq)
    )
    delete from outbox where time < now() - make_interval(days => :days) and parked is null
    and not exists (select from outbox_unsent where outbox_unsent.seq = outbox.seq)
""")


@dataclass(frozen=True, slots=True)
class Unsent:
    """An event that waits to be published; `seq` is its place in the order."""

    seq: int
    envelope: Envelope
    body: bytes


def columns(events: Sequence[tuple[Envelope, bytes]]) -> dict[str, list[Any]]:
    """Events, each with its body, in the order they are to be published in: what `WRITE` takes."""
    envelopes = [envelope for envelope, _ in events]
    return {
        "ids": [e.id for e in envelopes],
        "types": [e.type for e in envelopes],
        "tenants": [e.tenant for e in envelopes],
        "times": [e.time for e in envelopes],
        "correlations": [e.correlation_id for e in envelopes],
        "causes": [e.causation_id for e in envelopes],
        "traces": [e.traceparent for e in envelopes],
        "bodies": [body for _, body in events],
    }


async def unsent(connection: AsyncConnection, limit: int, but: Sequence[int] = ()) -> list[Unsent]:
    """The first events that wait, in order, `but` those at these places."""
    while True:
        found = list(await connection.execute(_UNSENT, {"limit": limit, "but": list(but)}))
        if of_none := [row.seq for row in found if row.id is None]:  # a tenant was taken out by hand
            await mark_sent(connection, of_none)
        events = [Unsent(seq, Envelope(*attributes), body) for seq, *attributes, body in found if body is not None]
        if events or not of_none:
            return events


async def lookout(connection: AsyncConnection) -> Callable[[], Awaitable[bool]]:
    """Tells whether any event waits; the connection must be in no transaction when it is asked.

    It asks the driver itself: an idle service asks this ten times a second, and hardly anything else.
    """
    driver: Any = (await connection.get_raw_connection()).driver_connection
    statement = await driver.prepare(_ANY_WAITS)

    async def any_waits() -> bool:
        try:
            return bool(await statement.fetchval())
        except (PostgresError, InterfaceError, InternalClientError):
            return True  # whoever reads what waits is told what is wrong

    return any_waits


async def mark_sent(connection: AsyncConnection, seqs: Sequence[int]) -> None:
    await connection.execute(_SENT, {"seqs": list(seqs)})


async def park(connection: AsyncConnection, seq: int, reason: str) -> None:
    """Take an event out of the way of the others: it can never be published."""
    await connection.execute(_PARK, {"seq": seq, "reason": reason})


async def waiting(connection: AsyncConnection) -> tuple[int, datetime | None]:
    """How many events wait to be published, and since when the oldest does."""
    unsent, oldest = (await connection.execute(_WAITING)).one()
    return unsent, oldest


async def holds(connection: AsyncConnection, tenant: str) -> bool:
    """Whether anything was written for a tenant and not swept since; all that is held is looked through."""
    return bool((await connection.execute(_HOLDS, {"tenant": tenant})).scalar_one())


async def span(connection: AsyncConnection) -> tuple[int, int | None]:
    """The place of the last event that was written (0: there is none), and of the first that waits to be published."""
    last, first_unsent = (await connection.execute(_SPAN)).one()
    return last or 0, first_unsent


async def again(connection: AsyncConnection, since: datetime) -> int:
    """Have every event written from this moment on published again; returns how many."""
    return (await connection.execute(_AGAIN, {"since": since})).rowcount


async def sweep(connection: AsyncConnection, days: int) -> int:
    """Delete what was written longer ago than that, and published; returns how many."""
    return (await connection.execute(_SWEEP, {"days": days})).rowcount
