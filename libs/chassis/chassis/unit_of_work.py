"""One unit of work is one transaction: state, outbox and inbox commit together or not at all.

Handlers are given one, write through it and publish into it; only `Database.begin` commits.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import CursorResult, Executable, RowMapping, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from uuid_utils.compat import uuid7

from chassis import outbox
from chassis.clock import Clock, real
from contracts.message import Envelope, Event

_ACT_FOR = text("""
    select set_config('app.tenants', :names, true), array(
        select name from unnest(cast(:names as text[])) as named (name)
        where not exists (select from tenant where tenant_id = name)
    ) as unknown
""")

_ONE_SNAPSHOT = text("set transaction isolation level repeatable read")
_WAIT_AT_MOST = text("select set_config('lock_timeout', :milliseconds, true)")
_LOCK = text("select pg_advisory_lock(hashtextextended(:name, 0))")
_UNLOCK = text("select pg_advisory_unlock(hashtextextended(:name, 0))")
_TRY_LOCK = text("select pg_try_advisory_lock(hashtextextended(:name, 0))")
_LOCK_NOT_AVAILABLE = "55P03"
_read = lru_cache(maxsize=2048)(text)
"""A statement is read for its parameters once: the stores have some hundreds."""


Row = RowMapping | Mapping[str, Any]
"""Values by their columns' names, as a query finds them or a statement takes them."""


class UnitOfWork:
    """A transaction under way, acting for the tenants it was told.

    Attributes:
        connection: for statements built with SQLAlchemy; `execute` is the shorter way.
        now: when the work began (UTC); the one clock of everything in it.
        has_published: whether events were written into the outbox.
        after_commit: called, in this order, once the unit has committed.
    """

    def __init__(self, service: str, connection: AsyncConnection, now: datetime | None = None) -> None:
        self.service = service
        self.connection = connection
        self.now = now or real()
        self.has_published = False
        self.after_commit: list[Callable[[], None]] = []
        self._outgoing: list[tuple[Envelope, bytes]] = []

    async def act_for(self, tenants: Iterable[str]) -> set[str]:
        """Let row-level security show the rows of these tenants, and no others, until the unit ends.

        Returns:
            Those of them that this service does not know.
        """
        # Quoted, for a tenant may be called null; a slug has nothing in it to escape.
        names = "{" + ",".join(f'"{tenant}"' for tenant in sorted(set(tenants))) + "}"
        acting = await self.connection.execute(_ACT_FOR, {"names": names})
        return set(acting.one().unknown)

    async def execute(self, statement: str | Executable, **parameters: Any) -> CursorResult[Any]:
        """Execute one statement; a string is SQL with ``:named`` parameters."""
        executable = _read(statement) if isinstance(statement, str) else statement
        return await self.connection.execute(executable, parameters)

    def publish(self, tenant: str, event: Event, cause: Envelope | None = None) -> UUID:
        """Publish an event once this unit has committed, by way of the outbox; returns the event's id.

        `cause` is the message that led to it; the event joins its correlation and trace.
        """
        id_ = uuid7()
        envelope = Envelope(
            id=id_,
            type=event.topic.owned_by(self.service).type,
            tenant=tenant,
            time=self.now,
            correlation_id=cause.correlation_id if cause else id_,
            causation_id=cause.id if cause else None,
            traceparent=cause.traceparent if cause else None,
        )
        self._outgoing.append((envelope, event.__pydantic_serializer__.to_json(event)))
        return id_

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Undo what happens inside, published events included, if it raises; the unit itself goes on.

        Events are written here too: one that the database does not take fails what published it, and not the unit.
        """
        published = len(self._outgoing)
        try:
            async with self.connection.begin_nested():
                yield
                await self.write_outbox()
        except BaseException:
            del self._outgoing[published:]
            raise

    async def write_outbox(self) -> None:
        """Write the events published since it was last done into the outbox."""
        if self._outgoing:
            await outbox.write(self.connection, self._outgoing)
            self._outgoing.clear()
            self.has_published = True


class Database:
    """A service's own schema. Every transaction is begun, and committed, here.

    Parameters:
        clock: what the units of work take for now.
    """

    def __init__(self, service: str, url: str, pool_size: int = 8, clock: Clock = real) -> None:
        self.service = service
        self.clock = clock
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=8,
            pool_timeout=10,
            hide_parameters=True,  # an error's text must not quote the values it failed on
            connect_args={
                "timeout": 5,
                "command_timeout": 120,
                "server_settings": {
                    "search_path": service,
                    "application_name": f"leadloop_{service}",
                    # A replica that was stopped in the middle of its turn loses the turn, wherever the database runs.
                    "idle_in_transaction_session_timeout": "60s",
                },
            },
        )
        self._after_publishing: list[Callable[[], None]] = []

    def after_publishing(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever a unit of work that published something has committed."""
        self._after_publishing.append(wake)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncConnection]:
        """A connection of one's own, for locks that outlast a transaction (`lock`): they end with the block, or when the database
        has heard nothing for 15 s between transactions."""
        async with self.engine.connect() as connection:
            try:
                async with connection.begin():
                    await connection.execute(text("set idle_session_timeout = '15s'"))
                yield connection
            finally:
                await connection.invalidate()  # instead of going back to the pool with locks and setting

    @asynccontextmanager
    async def begin(
        self, *tenants: str, session: AsyncConnection | None = None, snapshot: bool = False
    ) -> AsyncIterator[UnitOfWork]:
        """A unit of work acting for `tenants`, on a `session` of the caller's or any connection; it commits when the block ends
        and rolls back when it raises. All its statements see one `snapshot` of the database, or each what is committed by then."""
        async with self.engine.begin() if session is None else _transaction(session) as connection:
            if snapshot:
                await connection.execute(_ONE_SNAPSHOT)
            uow = UnitOfWork(self.service, connection, self.clock())
            if tenants:
                await uow.act_for(tenants)
            yield uow
            await uow.write_outbox()
        for wake in (*(self._after_publishing if uow.has_published else ()), *uow.after_commit):
            wake()

    async def close(self) -> None:
        await self.engine.dispose()


async def try_lock(session: AsyncConnection, name: str) -> bool:
    """Take a lock for as long as the session lasts; false if another session has it."""
    async with session.begin():
        return bool((await session.execute(_TRY_LOCK, {"name": name})).scalar_one())


async def lock(session: AsyncConnection, name: str, seconds: float) -> bool:
    """Take a lock until `unlock`, or the session's end; false if another session has it for so long."""
    try:
        async with session.begin():
            await session.execute(_WAIT_AT_MOST, {"milliseconds": str(round(seconds * 1000))})
            await session.execute(_LOCK, {"name": name})
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            return False
        raise
    return True


async def unlock(session: AsyncConnection, name: str) -> None:
    async with session.begin():
        await session.execute(_UNLOCK, {"name": name})


@asynccontextmanager
async def _transaction(session: AsyncConnection) -> AsyncIterator[AsyncConnection]:
    async with session.begin():
        yield session


def columns(rows: Sequence[Row], *names: str) -> dict[str, list[Any]]:
    """Rows turned into one list per column, as ``unnest`` takes them."""
    return {name: [row[name] for row in rows] for name in names}
