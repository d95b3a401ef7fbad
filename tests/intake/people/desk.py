"""What tests of people do to intake without its broker: each order is a unit of work of its own, as the service makes it."""

import json
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import RowMapping
from uuid_utils.compat import uuid7

from chassis.keys import TenantKey, TenantKeys, key_service
from chassis.received import Received, Wire
from chassis.unit_of_work import Database, UnitOfWork
from contracts.gateway import TenantChanged, TenantSettings
from contracts.intake.leads import SubmissionResult, SubmitLead
from contracts.intake.people import DismissReview, MergeLeads, UnmergeLead
from contracts.message import Envelope, Message
from contracts.taxonomy import MergePolicy
from intake.leads.store import LEAD
from intake.people import handlers, review
from intake.submissions.submitting import submit
from tests.platform import Platform

ACTOR = "user:7"


@dataclass
class Desk:
    """One tenant of intake."""

    platform: Platform
    tenant: str
    database: Database = field(init=False)
    keys: TenantKeys = field(init=False)
    key: TenantKey = field(init=False)
    version: int = 0

    def __post_init__(self) -> None:
        self.database = Database("intake", self.platform.database_url("leadloop_intake"))
        self.keys = TenantKeys(key_service(f"file://{self.platform.key_file}"))

    async def open(self, policy: MergePolicy) -> None:
        await self.change(merge=policy)

    async def change(self, **changes: Any) -> None:
        """Have the tenant with these settings so that every service hears of it, and intake knows it at once."""
        self.version += 1
        settings = TenantSettings(**changes)
        news = TenantChanged(version=self.version, settings=settings, created_at=datetime.now(UTC))
        await self.platform.publish("gateway", self.tenant, news)
        async with self.database.begin() as uow:
            await uow.execute(
                """insert into tenant (tenant_id, version, settings, created_at)
                   values (:tenant, :version, cast(:settings as jsonb), now())
                   on conflict (tenant_id) do update set version = excluded.version, settings = excluded.settings""",
                tenant=self.tenant, version=self.version, settings=settings.model_dump_json(),
            )  # fmt: skip
            self.key = await self.keys.of(uow, self.tenant)

    async def close(self) -> None:
        await self.database.close()

    async def submit(self, *leads: SubmitLead) -> list[SubmissionResult]:
        async with self.unit() as uow:
            return await self.submit_in(uow, *leads)

    def unit(self) -> AbstractAsyncContextManager[UnitOfWork]:
        return self.database.begin(self.tenant)

    async def submit_in(self, uow: UnitOfWork, *leads: SubmitLead) -> list[SubmissionResult]:
        return await submit(uow, self.key, [self.received(lead) for lead in leads], strict=False)

    async def somebody_waits(self) -> bool:
        """Whether a session of intake waits for another's lock."""
        async with self.platform.sql() as sql:
            waits = (
                "select from pg_stat_activity where application_name = 'leadloop_intake' and wait_event_type = 'Lock'"
            )
            return bool(await sql.fetchval(f"select exists ({waits})"))

    async def merge(self, survivor: UUID, merged: UUID) -> None:
        order = MergeLeads(survivor_id=survivor, merged_id=merged, actor=ACTOR)
        async with self.unit() as uow:
            await handlers.merge_leads(uow, self.received(order))

    async def unmerge(self, lead_id: UUID) -> None:
        async with self.unit() as uow:
            await handlers.unmerge_lead(uow, self.received(UnmergeLead(lead_id=lead_id, actor=ACTOR)))

    async def dismiss(self, one: UUID, other: UUID) -> None:
        order = DismissReview(lead_id=one, other_id=other, actor=ACTOR)
        async with self.unit() as uow:
            await handlers.dismiss_review(self.keys, uow, self.received(order))

    async def compare(self) -> tuple[int, int]:
        """Compare the names of a batch of new leads; how many, and how many pairs were found."""
        async with self.unit() as uow:
            return await review.compare_batch(uow, self.keys, self.tenant)

    async def rows(self) -> dict[UUID, RowMapping]:
        """Every lead as it is stored."""
        async with self.unit() as uow:
            rows = await uow.execute(f"select {LEAD} from lead where tenant_id = :tenant", tenant=self.tenant)
            return {row["lead_id"]: row for row in rows.mappings()}

    async def merges(self) -> dict[UUID, UUID]:
        """The survivor of each lead that is merged."""
        async with self.unit() as uow:
            rows = await uow.execute(
                "select merged_id, survivor_id from merge where tenant_id = :tenant and undone_at is null",
                tenant=self.tenant,
            )
            return {row.merged_id: row.survivor_id for row in rows}

    async def apart(self) -> set[frozenset[UUID]]:
        async with self.unit() as uow:
            rows = await uow.execute(
                "select lead_id, other_id from kept_apart where tenant_id = :tenant", tenant=self.tenant
            )
            return {frozenset((row.lead_id, row.other_id)) for row in rows}

    async def told(self) -> list[tuple[str, dict[str, Any]]]:
        """The events told so far of the tenant's leads, in order: name and body."""
        async with self.platform.sql() as sql:
            rows: Sequence[asyncpg.Record] = await sql.fetch(
                """select split_part(type, '.', 3) as name, convert_from(body, 'utf8') as body
                   from intake.outbox where tenant = $1 order by seq""",
                self.tenant,
            )
        return [(row["name"], json.loads(row["body"])) for row in rows]

    def received(self, body: Message) -> Received[Any]:
        now, id_ = datetime.now(UTC), uuid7()
        envelope = Envelope(id_, body.topic.type, self.tenant, now, id_)
        return Received(envelope, body, Wire(envelope.subject, {}, b"", now))


def lead(source_id: str, **fields: Any) -> SubmitLead:
    return SubmitLead(source_system="crm", source_id=source_id, **fields)
