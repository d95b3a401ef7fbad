"""A home from before there were users: its keys and links go on to work, its sessions end."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from uuid_utils.compat import uuid7

from chassis import schema
from chassis.unit_of_work import Database
from gateway.identity import credentials, store_sessions
from gateway.identity.domain_session import IDLE
from tests.platform import Platform

upgrade = command.upgrade


@pytest.fixture
async def old(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A database whose gateway knows no users; its name."""
    name = f"old_{uuid7().hex}"
    async with platform.sql() as sql:
        await sql.execute(f"create database {name}")

    def up_to_the_first(config: Config, _: str) -> None:
        upgrade(config, "0001")

    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", up_to_the_first)
        await schema.prepare(url(platform, "postgres", name), "gateway")
    yield name
    async with platform.sql() as sql:
        await sql.execute(f"drop database {name} with (force)")


def url(platform: Platform, role: str, database: str) -> str:
    return platform.postgres.dsn(role, database).replace("postgresql://", "postgresql+asyncpg://", 1)


async def test_keys_and_links_from_before_there_were_users_work_and_sessions_end(platform: Platform, old: str) -> None:
    key_id, digest = uuid7(), credentials.digest("secret")
    connection = await asyncpg.connect(platform.postgres.dsn("postgres", old))
    await connection.execute("set search_path to gateway")
    await connection.execute("insert into registered_tenant values ('acme', 1, '{}', now())")
    await connection.execute(
        "insert into api_key (tenant_id, key_id, label, digest) values ('acme', $1, 'crm', $2)", key_id, digest
    )
    later = "now() + interval '1 hour'"
    await connection.execute(f"insert into sign_in_link values ('acme', $1, {later})", digest)
    await connection.execute(f"insert into session values ('acme', $1, gen_random_uuid(), {later})", digest)
    await connection.close()

    (migrated,) = await schema.prepare(url(platform, "postgres", old), "gateway")
    assert migrated.startswith("migrated schema gateway from 0001 to ")
    database = Database("gateway", url(platform, "leadloop_gateway", old))
    try:
        async with database.begin("acme") as uow:
            key = await store_sessions.key(uow, "acme", key_id)
            assert key is not None and key["valid"] and key["scopes"] is None
            assert await store_sessions.session(uow, "acme", digest, IDLE) is None
            used = await store_sessions.use_sign_in_link(uow, "acme", digest)
            assert used is not None and used.user_id is None
    finally:
        await database.close()
