"""A small service that writes down what it is given: intake's name, credential and schema, handlers of our own.

A message can ask for what is to happen to the one who handles it (see `Mishap`).
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from chassis.jobs import Job
from chassis.keys import TenantKeys, key_service
from chassis.received import Answer, Received
from chassis.service import Service
from chassis.settings import Settings
from chassis.tables import append_only, isolate
from chassis.unit_of_work import Database, UnitOfWork
from contracts import catalogue, operations
from contracts.gateway import TenantChanged, TenantSettings
from contracts.intake.leads import LeadDuplicated, SubmitLead
from contracts.message import Kind, Message, ProblemCode, ProblemError

NAME = "intake"
OWNER = "leadloop_intake_owner"
PHONE = "(614) 555-0142"
"""Personal data that every submission here carries, and that must be found nowhere."""


class Mishap(StrEnum):
    """What a message can ask for."""

    FAILS = "fails"
    EXITS = "exits"
    HANGS = "hangs"
    FAILS_AFTER_WRITING = "fails after writing"
    NEEDS_A_KEY = "needs a key"


def submission(number: int, notes: str = "") -> SubmitLead:
    """A command; its number is its place in the order it is given in."""
    return SubmitLead(source_system="test", source_id=str(number), phone=PHONE, notes=notes)


def change(number: int, notes: str = "") -> TenantChanged:
    """An event; its number is its place in the order it is published in."""
    return TenantChanged(
        version=number, settings=TenantSettings(metadata_allowed=frozenset([notes])), created_at=datetime.now(UTC)
    )


class Ledger:
    """The service's handlers. `replica` is written beside each line, `batches` are the sizes it was handed.

    An `immune` one handles everything.
    """

    def __init__(self, settings: Settings, replica: str = "only", *, immune: bool = False) -> None:
        self._keys = TenantKeys(key_service(settings.kms_uri))
        self._replica = replica
        self._immune = immune
        self.batches: list[int] = []

    async def take_submissions(self, uow: UnitOfWork, received: Sequence[Received[SubmitLead]]) -> None:
        self.batches.append(len(received))
        asked = set() if self._immune else {message.body.notes for message in received}
        if Mishap.FAILS in asked:
            raise ValueError(f"cannot handle {PHONE}")
        if Mishap.EXITS in asked:
            os._exit(1)
        if Mishap.HANGS in asked:
            await _hang()
        for tenant in sorted({message.tenant for message in received if message.body.notes == Mishap.NEEDS_A_KEY}):
            await self._keys.of(uow, tenant)
        await self._write(uow, [(message, int(message.body.source_id)) for message in received])
        for message in received:
            event = LeadDuplicated(
                lead_id=message.id, version=1, submission_id=message.id, source_system="test",
                source_id=message.body.source_id,
            )  # fmt: skip
            uow.publish(message.tenant, event, cause=message.envelope)
        if Mishap.FAILS_AFTER_WRITING in asked:
            raise ValueError(f"cannot handle {PHONE}")

    async def take_changes(self, uow: UnitOfWork, received: Sequence[Received[TenantChanged]]) -> None:
        self.batches.append(len(received))
        if not self._immune and any(Mishap.HANGS in message.body.settings.metadata_allowed for message in received):
            await _hang()
        await self._write(uow, [(message, message.body.version) for message in received])

    async def _write(self, uow: UnitOfWork, lines: Sequence[tuple[Received[Any], int]]) -> None:
        await uow.execute(
            """insert into ledger (tenant_id, message_id, number, replica)
               select *, :replica from unnest(cast(:tenants as text[]), cast(:ids as uuid[]), cast(:numbers as int[]))""",
            tenants=[message.tenant for message, _ in lines],
            ids=[message.id for message, _ in lines],
            numbers=[number for _, number in lines],
            replica=self._replica,
        )


async def _hang() -> None:
    print(Mishap.HANGS, flush=True)
    await asyncio.Event().wait()


async def refuse(_: UnitOfWork, __: Received[Any]) -> Any:
    """Answers whatever a test does not ask."""
    raise ProblemError(ProblemCode.NOT_FOUND, "nothing here")


def build(
    settings: Settings,
    *,
    replica: str = "only",
    ledger: Ledger | None = None,
    consumes: Mapping[type[Message], Any] | None = None,
    answers: Mapping[type[Message], Answer] | None = None,
    jobs: Sequence[Job] = (),
    database: Database | None = None,
) -> Service:
    ledger = ledger or Ledger(settings, replica)
    refusals: dict[type[Message], Answer] = {
        entry.message: refuse
        for entry in catalogue.read_by(NAME, Kind.REQUEST)
        if entry.message not in operations.MESSAGES
    }
    return Service(
        NAME,
        settings,
        consumes={SubmitLead: ledger.take_submissions, TenantChanged: ledger.take_changes, **(consumes or {})},
        answers={**refusals, **(answers or {})},
        jobs=jobs,
        database=database,
    )


async def create_tables(admin_url: str) -> None:
    """The ledger, isolated by tenant, and an archive whose rows stay as they are; made as a migration makes tables."""
    engine = create_async_engine(admin_url, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(_migrate)
    await engine.dispose()


def _migrate(connection: Connection) -> None:
    connection.execute(text(f"set local role {OWNER}"))
    connection.execute(text(f"set local search_path to {NAME}"))
    op = Operations(MigrationContext.configure(connection))
    op.execute(
        """
        create table ledger (
            tenant_id text not null,
            seq bigint generated always as identity,
            message_id uuid not null,
            number integer not null,
            replica text not null,
            primary key (tenant_id, seq)
        )
        """
    )
    op.execute("create table archive (tenant_id text primary key, line text not null)")
    isolate(op, "ledger")
    append_only(op, "archive")
