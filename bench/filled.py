"""A service's database that is filled by SQL with what would have been stored there, and gone afterwards."""

import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from chassis import schema
from chassis.service import collect_seldom
from chassis.unit_of_work import Database
from leadloop import embedded

TENANT = "bench"
MEMORY = Path("/dev/shm")

Fill = Callable[[asyncpg.Connection], Awaitable[None]]


@asynccontextmanager
async def filled(service: str, fill: Fill, folder: Path = MEMORY) -> AsyncIterator[tuple[Database, asyncpg.Connection]]:
    """A service's database, as its own role sees it, and a connection of its owner's that sees all tenants' rows.

    Parameters:
        fill: fills it by way of that connection.
        folder: where its files lie; in memory, unless said otherwise.
    """
    with tempfile.TemporaryDirectory(prefix="leadloop-bench-", dir=folder) as own:
        os.chmod(own, 0o711)  # noqa: PTH101 - the database's user must be able to pass
        async with embedded.postgres(Path(own)) as postgres:
            await schema.prepare(_url(postgres, "postgres"), service)
            sql = await asyncpg.connect(postgres.dsn(), server_settings={"search_path": service})
            database = Database(service, _url(postgres, schema.role_of(service)))
            try:
                await fill(sql)
                collect_seldom()
                yield database, sql
            finally:
                await database.close()
                await sql.close()


async def seed(sql: asyncpg.Connection, statements: str, *values: object) -> None:
    """Execute statements, a semicolon at the end of a line between them, that share their parameters; each may use some of them."""
    for statement in statements.split(";\n"):
        used = [number for number in range(1, len(values) + 1) if f"${number}" in statement]
        for place, number in enumerate(used, 1):
            statement = statement.replace(f"${number}", f"${place}")
        await sql.execute(statement, *(values[number - 1] for number in used))


def _url(postgres: embedded.Postgres, role: str) -> str:
    return postgres.dsn(role).replace("postgresql://", "postgresql+asyncpg://", 1)
