"""The tutorial: the lead path as the documentation of FastStream and SQLAlchemy shows it, one message at a time.

A JetStream subscriber with a pydantic parameter works in an ORM session of its own, commits and publishes the event, and
the framework acknowledges the command; a second process stores the event the same way. The pages followed are FastStream's
"NATS JetStream" and "Publishing" and SQLAlchemy's "Asynchronous I/O" (synopsis, ORM). Between commit and publish an event
can be lost: the tutorials have no outbox, and this peer does less work than the floor for it.
"""

import logging
import uuid
from datetime import datetime
from typing import Any

import asyncpg
from faststream import FastStream
from faststream.nats import JStream, NatsBroker, NatsNKey
from lead import SubmitLead, protect
from protocol import INBOX_PREFIX, NKEYS_SEED, Peer, main
from pydantic import BaseModel
from sqlalchemy import Index, UniqueConstraint, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The same tables and indexes as the floor's, without inbox and outbox."""

    type_annotation_map = {dict[str, Any]: JSONB}


class Lead(Base):
    __tablename__ = "lead"
    __table_args__ = (
        UniqueConstraint("tenant_id", "source_system", "source_id"),
        Index("lead_by_email", "tenant_id", "email_token"),
        Index("lead_by_phone", "tenant_id", "phone_token"),
        {"schema": "tutorial_intake"},
    )

    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    source_system: Mapped[str]
    source_id: Mapped[str]
    phone_token: Mapped[bytes]
    email_token: Mapped[bytes]
    product_interest: Mapped[str]
    details: Mapped[dict[str, Any]] = mapped_column("metadata")


class Vault(Base):
    __tablename__ = "vault"
    __table_args__ = {"schema": "tutorial_intake"}

    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    token: Mapped[bytes] = mapped_column(primary_key=True)
    sealed: Mapped[bytes]


class Event(Base):
    __tablename__ = "event"
    __table_args__ = (Index("event_by_time", "tenant_id", "stored_at"), {"schema": "tutorial_store"})

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[str]
    kind: Mapped[str]
    body: Mapped[dict[str, Any]]
    stored_at: Mapped[datetime] = mapped_column(server_default=func.now())


class LeadAccepted(BaseModel):
    """The event of an accepted lead."""

    event_id: uuid.UUID
    lead_id: uuid.UUID
    tenant_id: str
    phone_token: str
    email_token: str
    source_key: str
    product_interest: str
    metadata: dict[str, Any]


def connect_database(dsn: str) -> AsyncEngine:
    """An engine for a DSN as asyncpg reads it, so that both peers take the same argument."""
    return create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(dsn))


def make_broker(nats_url: str) -> NatsBroker:
    """A broker that logs errors, but not each message, as the floor does not either."""
    security = NatsNKey.from_seed(NKEYS_SEED) if NKEYS_SEED else None
    return NatsBroker(nats_url, security=security, inbox_prefix=INBOX_PREFIX, log_level=logging.DEBUG)


async def prepare(nats_url: str, dsn: str) -> None:
    """Make the tables; FastStream makes the durables when it subscribes."""
    engine = connect_database(dsn)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    await engine.dispose()


async def intake(nats_url: str, dsn: str) -> None:
    """Turn each command into a lead and an event."""
    broker = make_broker(nats_url)
    async_session = async_sessionmaker(connect_database(dsn), expire_on_commit=False)
    commands = JStream("tutorial_commands", declare=False)

    @broker.subscriber("tutorial_commands.lead", stream=commands, queue="tutorial_intake")
    async def submit_lead(command: SubmitLead) -> None:
        contact = protect(command)
        async with async_session() as session:
            same_lead = select(Lead.id).where(
                Lead.tenant_id == command.tenant_id,
                Lead.source_system == command.source_system,
                Lead.source_id == command.source_id,
            )
            if await session.scalar(same_lead):
                return
            sealed_before = await session.scalars(
                select(Vault.token).where(
                    Vault.tenant_id == command.tenant_id, Vault.token.in_([entry.token for entry in contact.vault])
                )
            )
            known = set(sealed_before)
            session.add_all(Vault(**entry._asdict()) for entry in contact.vault if entry.token not in known)
            lead = Lead(
                id=uuid.uuid4(),
                tenant_id=command.tenant_id,
                source_system=command.source_system,
                source_id=command.source_id,
                phone_token=contact.phone_token,
                email_token=contact.email_token,
                product_interest=command.product_interest,
                details=command.metadata,
            )
            session.add(lead)
            await session.commit()
        event = LeadAccepted(
            event_id=uuid.uuid4(),
            lead_id=lead.id,
            tenant_id=lead.tenant_id,
            phone_token=contact.phone_token.hex(),
            email_token=contact.email_token.hex(),
            source_key=lead.source_system,
            product_interest=lead.product_interest,
            metadata=lead.details,
        )
        # `stream` waits for the broker's acknowledgement; the default of 0.5 s would drop the lead when a disk is slow.
        await broker.publish(event, "tutorial_events.lead", stream="tutorial_events", timeout=10)

    await FastStream(broker, logger=None).run()


async def store(nats_url: str, dsn: str) -> None:
    """Write each event to the event table."""
    broker = make_broker(nats_url)
    async_session = async_sessionmaker(connect_database(dsn), expire_on_commit=False)
    events = JStream("tutorial_events", declare=False)

    @broker.subscriber("tutorial_events.lead", stream=events, queue="tutorial_store")
    async def store_event(event: LeadAccepted) -> None:
        async with async_session() as session:
            session.add(
                Event(
                    id=event.event_id,
                    tenant_id=event.tenant_id,
                    kind="lead_accepted",
                    body=event.model_dump(mode="json"),
                )
            )
            await session.commit()

    await FastStream(broker, logger=None).run()


if __name__ == "__main__":
    main(
        Peer("tutorial", 3_000, prepare, intake, store),
        "Measure the lead path as the tutorials of FastStream and SQLAlchemy write it.",
    )
