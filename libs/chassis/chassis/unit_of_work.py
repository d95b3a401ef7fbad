"""One unit of work is one transaction: state, outbox and inbox commit together or not at all.

Handlers are given one, write through it and publish into it; only `Database.begin` commits.

On a busy machine a request takes as long as its turns with the database: for each, either side waits anew for a core. So what a
unit writes without asking for an answer (`UnitOfWork.write`) goes there together, and with what it publishes.
"""

import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import CursorResult, Executable, RowMapping, TextClause, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from uuid_utils.compat import uuid7

from chassis import outbox
from chassis.clock import Clock, real
from chassis.failures import LostRaceError
from contracts.message import Envelope, Event

_ACT_FOR = text("""
    select set_config('app.tenants', :names, true), array(
        select name from unnest(cast(:names as text[])) as named (name)
        where not exists (select from tenant where tenant_id = name)
    ) as unknown, (select settings from tenant where tenant_id = :only) as settings
""")

_ONE_SNAPSHOT = text("set transaction isolation level repeatable read")
_WAIT_AT_MOST = text("select set_config('lock_timeout', :milliseconds, true)")
_LOCK = text("select pg_advisory_lock(hashtextextended(:name, 0))")
_UNLOCK = text("select pg_advisory_unlock(hashtextextended(:name, 0))")
_TRY_LOCK = text("select pg_try_advisory_lock(hashtextextended(:name, 0))")
_LOCK_NOT_AVAILABLE = "55P03"
_read = lru_cache(maxsize=2048)(text)
"""A statement is read for its parameters once: the stores have some hundreds."""
_PARAMETER: Final = re.compile(r"(?<!:):([a-z_]+)")


Row = RowMapping | Mapping[str, Any]
"""Values by their columns' names, as a query finds them or a statement takes them."""


class Expected(NamedTuple):
    """How many rows a statement is to write; with less, another unit of work was there before, as `lost` says."""

    rows: int
    lost: str


class _Write(NamedTuple):
    statement: str
    expected: Expected | None
    parameters: dict[str, Any]


class UnitOfWork:
    """A transaction under way, acting for the tenants it was told.

    Attributes:
        connection: for statements built with SQLAlchemy; `execute` is the shorter way. It knows nothing of what waits to be
            written (`write`).
        now: when the work began (UTC); the one clock of everything in it.
        settings: of the tenant it acts for, where that is one, as it was then: JSON (`tenants.settings_of`).
        has_published: whether events were written into the outbox.
        after_commit: called, in this order, once the unit has committed.
    """

    def __init__(self, service: str, connection: AsyncConnection, now: datetime | None = None) -> None:
        self.service = service
        self.connection = connection
        self.now = now or real()
        self.settings: dict[str, Any] = {}
        self.has_published = False
        self.after_commit: list[Callable[[], None]] = []
        self._outgoing: list[tuple[Envelope, bytes]] = []
        self._writes: list[_Write] = []

    async def act_for(self, tenants: Iterable[str]) -> set[str]:
        """Let row-level security show the rows of these tenants, and no others, until the unit ends.

        Returns:
            Those of them that this service does not know.
        """
        # Quoted, for a tenant may be called null; a slug has nothing in it to escape.
        named = sorted(set(tenants))
        names = "{" + ",".join(f'"{tenant}"' for tenant in named) + "}"
        only = named[0] if len(named) == 1 else None
        acting = (await self._execute(_ACT_FOR, {"names": names, "only": only})).one()
        self.settings = {only: acting.settings} if only and acting.settings is not None else {}
        return set(acting.unknown)

    async def execute(self, statement: str | Executable, **parameters: Any) -> CursorResult[Any]:
        """Execute one statement; a string is SQL with ``:named`` parameters."""
        return await self._execute(_read(statement) if isinstance(statement, str) else statement, parameters)

    async def _execute(self, statement: Executable, parameters: dict[str, Any]) -> CursorResult[Any]:
        await self._write()
        return await self.connection.execute(statement, parameters)

    def write(self, statement: str, expected: Expected | None = None, /, **parameters: Any) -> None:
        """Write before anything else is executed, in one statement with what else is to be written by then.

        Parameters:
            statement: an `insert`, `update` or `delete` without `returning`. What is written with it sees none of its rows, and
                touches none of them.
            expected: how much it is to write. With less, a `LostRaceError` is raised by whatever has it written: the next
                statement, or the end of the savepoint or unit.
        """
        self._writes.append(_Write(statement, expected, parameters))

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
        await self._write()
        published = len(self._outgoing)
        try:
            async with self.connection.begin_nested():
                yield
                await self.write_outbox()
        except BaseException:
            del self._outgoing[published:]
            self._writes.clear()
            raise

    async def write_outbox(self) -> None:
        """Write the events published since it was last done into the outbox, and what else waits to be written."""
        await self._write(self._outgoing)
        if self._outgoing:
            self._outgoing.clear()
            self.has_published = True

    async def _write(self, events: Sequence[tuple[Envelope, bytes]] = ()) -> None:
        """Write what waits for it, and events, in one statement."""
        if not self._writes and not events:
            return
        writes, self._writes = self._writes, []
        parameters = {
            f"{name}_{n}": value for n, write in enumerate(writes) for name, value in write.parameters.items()
        }
        if events:
            parameters |= outbox.columns(events)
        statement = _together(tuple(write.statement for write in writes), bool(events))
        written = (await self.connection.execute(statement, parameters)).one()
        for write, rows in zip(writes, written, strict=False):
            if write.expected and rows < write.expected.rows:
                raise LostRaceError(write.expected.lost)


@lru_cache(maxsize=1024)
def _together(statements: tuple[str, ...], with_events: bool) -> TextClause:
    """Statements as one, and the outbox's if need be: returns how many rows each of them wrote. Each one's parameters bear its number."""
    numbered = [_PARAMETER.sub(rf":\1_{n}", statement) for n, statement in enumerate(statements)]
    parts = [f"write_{n} as ({statement} returning 1)" for n, statement in enumerate(numbered)]
    if with_events:
        parts.append(outbox.WRITE)
    counts = ", ".join(f"(select count(*) from write_{n})" for n in range(len(statements)))
    return text(f"with {', '.join(parts)} select {counts or 1}")


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
