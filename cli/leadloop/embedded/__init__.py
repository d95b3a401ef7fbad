"""The servers that LeadLoop brings along, and a way to have them for the length of a test."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from leadloop.embedded.broker import BrokerError, Nats
from leadloop.embedded.database import DatabaseError, Postgres
from leadloop.embedded.server import Server
from leadloop.embedded.valkey import Valkey, ValkeyError
from leadloop.home import Home

__all__ = ["BrokerError", "DatabaseError", "Nats", "Postgres", "Valkey", "ValkeyError", "nats", "postgres", "valkey"]


@asynccontextmanager
async def postgres(path: Path, settings: Mapping[str, str] | None = None) -> AsyncIterator[Postgres]:
    """A running database for a test, in a home of its own below `path`; nothing of it is left afterwards."""
    home = Home.open(path / "postgres")
    server = Postgres(home, settings)
    server.prepare()
    async with _running(home, server):
        yield server


@asynccontextmanager
async def nats(path: Path, authorization: str = "") -> AsyncIterator[Nats]:
    """A running broker for a test, in a home of its own below `path`; nothing of it is left afterwards.

    `authorization` is the part of its configuration that says who is let in; without it everybody may do everything.
    """
    home = Home.open(path / "nats")
    server = Nats(home)
    server.prepare(authorization)
    async with _running(home, server):
        yield server


@asynccontextmanager
async def valkey(path: Path) -> AsyncIterator[Valkey]:
    """A running Valkey for a test, in a home of its own below `path`; nothing of it is left afterwards."""
    home = Home.open(path / "valkey")
    server = Valkey(home)
    server.prepare()
    async with _running(home, server):
        yield server


@asynccontextmanager
async def _running(home: Home, server: Server) -> AsyncIterator[None]:
    try:
        await server.start()
        yield
    finally:
        await server.stop()
        home.remove()
