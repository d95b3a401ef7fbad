"""The database's side: each service's roles, schema and migrations.

Two roles per service: ``leadloop_<service>_owner`` owns the schema and migrates it, ``leadloop_<service>`` is what the
service connects as: it owns nothing and cannot bypass row-level security.
"""

import importlib.resources
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

_ROLES = """
do $$ begin
    if not exists (select from pg_roles where rolname = '{owner}') then
        create role {owner} nologin nobypassrls;
    end if;
    if not exists (select from pg_roles where rolname = '{role}') then
        create role {role} login nobypassrls;
        -- What belongs to a tenant is read by an index, however few the tenants are (see tables.isolate).
        alter role {role} set enable_seqscan = off;
        -- A plan that was made while a table was small, and kept, would make a large import quadratic.
        alter role {role} set plan_cache_mode = force_custom_plan;
    end if;
end $$
"""


def role_of(service: str) -> str:
    """The role a service connects as."""
    return f"leadloop_{service}"


async def prepare(admin_url: str, service: str, password: str | None = None) -> list[str]:
    """Create a service's roles and schema and bring its tables up to date; returns what was done, one line each.

    `admin_url` connects as a superuser to the database that holds the schemas. `password` becomes the role's.
    """
    engine = create_async_engine(admin_url, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(_prepare, service, password)
    finally:
        await engine.dispose()


def _prepare(connection: Connection, service: str, password: str | None) -> list[str]:
    role, owner = role_of(service), f"{role_of(service)}_owner"
    # Two installations' steps at once would create the same things; one waits for the other.
    connection.execute(text("select pg_advisory_xact_lock(hashtextextended('leadloop/schema', 0))"))
    config = _alembic(service, connection)
    context = MigrationContext.configure(connection, opts={"version_table_schema": service})
    exists = connection.execute(text("select 1 from pg_namespace where nspname = :name"), {"name": service}).first()
    current = context.get_current_revision() if exists else None
    head = ScriptDirectory.from_config(config).get_current_head()
    if password is not None:
        connection.execute(text(_ROLES.format(owner=owner, role=role)))
        secret = connection.execute(text("select quote_literal(:password)"), {"password": password}).scalar_one()
        connection.execute(text(f"alter role {role} password {secret}"))
    if current == head:
        return []
    connection.execute(text(_ROLES.format(owner=owner, role=role)))
    connection.execute(text(f"create schema if not exists {service} authorization {owner}"))
    connection.execute(text(f"grant usage on schema {service} to {role}"))
    connection.execute(text(f"set local role {owner}"))
    connection.execute(text(f"set local search_path to {service}"))
    connection.execute(
        text(f"alter default privileges in schema {service} grant select, insert, update, delete on tables to {role}")
    )
    connection.execute(text(f"alter default privileges in schema {service} grant usage on sequences to {role}"))
    command.upgrade(config, "head")
    connection.execute(text("reset role"))
    return [f"migrated schema {service} from {current or 'nothing'} to {head}"]


def _alembic(service: str, connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migration_environment"))
    config.set_main_option("version_locations", str(importlib.resources.files(service) / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes.update(connection=connection, schema=service)
    return config
