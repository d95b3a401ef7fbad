"""No service's role sees or changes a row of a tenant that it does not act for, in raw SQL, in whatever table there is.

The tables are the database's own list, so that a new one cannot be forgotten.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

import asyncpg
import pytest

from chassis.schema import role_of
from contracts.catalogue import SERVICES
from tests.platform import Platform

OURS: Final = frozenset({"tenant", "tenant_key", "registered_tenant"})
"""Which tenants there are, with their settings and wrapped keys: read before a service acts for anybody, and nothing of their leads."""
SAID: Final[Mapping[tuple[str, str], str]] = {
    ("standing", "subject"): "settings", ("open_item", "kind"): "reply", ("lead_key", "kind"): "source",
}  # fmt: skip
"""What a column must hold that does not take any value of its type."""
ANY: Final[Mapping[str, str]] = {
    "text": "'x'", "uuid": "gen_random_uuid()", "timestamp with time zone": "now()", "date": "current_date", "integer": "1",
    "bigint": "1", "numeric": "1", "boolean": "true", "jsonb": "'{}'", "bytea": "'x'", "text[]": "'{}'", "real": "1",
    "double precision": "1",
}  # fmt: skip
POLICY: Final = "(tenant_id = ANY ((NULLIF(current_setting('app.tenants'::text, true), ''::text))::text[]))"


class Column(NamedTuple):
    name: str
    type: str


@asynccontextmanager
async def undone(platform: Platform, service: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's transaction in a service's schema, of which nothing stays."""
    async with platform.sql() as sql:
        await sql.execute(f"set search_path to {service}")
        transaction = sql.transaction()
        await transaction.start()
        try:
            yield sql
        finally:
            await transaction.rollback()


async def tenant_tables(sql: asyncpg.Connection, service: str, *, partitions: bool = False) -> list[str]:
    """The service's tables that hold rows of tenants."""
    found = await sql.fetch(
        """select relname from pg_class join pg_attribute on attrelid = pg_class.oid and attname = 'tenant_id'
           where relnamespace = cast(cast($1 as text) as regnamespace) and relkind in ('r', 'p')
             and (not relispartition or $2) order by 1""",
        service,
        partitions,
    )
    return [row["relname"] for row in found if row["relname"] not in OURS]


async def needed(sql: asyncpg.Connection, table: str) -> Sequence[Column]:
    """The columns without which there is no row of the table."""
    found = await sql.fetch(
        """select attname, format_type(atttypid, null) as type from pg_attribute
           where attrelid = cast($1 as regclass) and attnum > 0 and not attisdropped and attnotnull and not atthasdef
             and attidentity = '' and attname <> 'tenant_id'""",
        table,
    )
    return [Column(row["attname"], row["type"]) for row in found]


async def put(sql: asyncpg.Connection, table: str, tenant: str) -> None:
    """A row of the tenant's."""
    columns = await needed(sql, table)
    values = [
        f"'{said}'" if (said := SAID.get((table, column.name))) else ANY[column.type] for column in columns
    ]  # fmt: skip
    names = ", ".join(["tenant_id", *(column.name for column in columns)])
    await sql.execute(f"insert into {table} ({names}) values ({', '.join(['$1', *values])})", tenant)


@pytest.mark.parametrize("service", SERVICES)
async def test_every_table_of_tenants_shows_rows_of_those_acted_for_only(platform: Platform, service: str) -> None:
    async with undone(platform, service) as sql:
        tables = await tenant_tables(sql, service, partitions=True)
        found = await sql.fetch(
            """select relname, relrowsecurity and relforcerowsecurity as holds, pg_get_expr(polqual, pg_class.oid) as shown,
                      cast(polcmd as text) as of, polwithcheck is null as shown_only
               from pg_class left join pg_policy on polrelid = pg_class.oid
               where relnamespace = cast($1 as regnamespace) and relname = any($2::text[])""",
            service, tables,
        )  # fmt: skip
        assert sorted(row["relname"] for row in found) == tables, "one policy each: each more shows more"
        for row in found:
            assert (row["holds"], row["shown"], row["of"], row["shown_only"]) == (True, POLICY, "*", True), row[
                "relname"
            ]
        role = await sql.fetchrow("select rolsuper, rolbypassrls from pg_roles where rolname = $1", role_of(service))
        assert tuple(role) == (False, False)
        views = await sql.fetch(
            """select relname from pg_class where relnamespace = cast($1 as regnamespace) and relkind in ('v', 'm')
               and not coalesce('security_invoker=true' = any(reloptions), false)""",
            service,
        )
        assert views == [], "a view shows what its owner sees"
        definers = await sql.fetch(
            "select proname from pg_proc where pronamespace = cast($1 as regnamespace) and prosecdef", service
        )
        assert {row["proname"] for row in definers} <= {"make_event_months"}, "runs with its owner's rights"


@pytest.mark.parametrize("service", ["aggregator", "outcomes"])
async def test_a_services_role_neither_sees_nor_changes_another_tenant_s_rows(
    platform: Platform, tenant: str, service: str
) -> None:
    mine, other = tenant, f"{tenant[:50]}-x"
    async with undone(platform, service) as sql:
        tables = await tenant_tables(sql, service)
        assert len(tables) > 8
        for table in tables:
            for owner in (mine, other):
                await put(sql, table, owner)
        await sql.execute(f"set local role {role_of(service)}")
        for acting, seen in (("", []), (f"{{{mine}}}", [mine]), (f"{{{other}}}", [other])):
            await sql.execute("select set_config('app.tenants', $1, true)", acting)
            for table in tables:
                rows = await sql.fetch(
                    f"select distinct tenant_id from {table} where tenant_id like $1", f"{tenant[:50]}%"
                )
                assert [row["tenant_id"] for row in rows] == seen, (table, acting)
        await sql.execute("select set_config('app.tenants', $1, true)", f"{{{mine}}}")
        for table in tables:
            for change in (
                f"update {table} set tenant_id = tenant_id where tenant_id = $1", f"delete from {table} where tenant_id = $1",
            ):  # fmt: skip
                await refused_or_nothing(sql, change, other)
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                async with sql.transaction():
                    await put(sql, table, other)


async def refused_or_nothing(sql: asyncpg.Connection, change: str, tenant: str) -> None:
    """A change of rows that are not there changes none; where a table's rows are never changed it is refused for that."""
    try:
        async with sql.transaction():
            assert (await sql.execute(change, tenant)).endswith(" 0"), change
    except asyncpg.RestrictViolationError:
        return
