"""A tenant with published workspaces, leads that wait and agents, in intake's own database; time is the test's."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.received import Received, Wire, encode
from chassis.unit_of_work import Database, UnitOfWork
from contracts.intake import distribution as messages
from contracts.message import Envelope, Event, Message
from contracts.outcomes import OutcomeRecorded, OutcomeVoided
from contracts.outreach.sending import MessageSent
from contracts.taxonomy import STAGE_OF, OutcomeType
from contracts.values import Attribution
from intake.distribution import handlers
from intake.distribution.assigning import BATCH, fill
from intake.distribution.catching_up import CatchingUp
from intake.distribution.jobs import distribute, distribute_tenant
from intake.distribution.progress import follow
from intake.distribution.reopening import reopen
from intake.routing import store_decisions
from tests.outreach.told import message_sent

BEGIN = datetime(2026, 11, 2, 9, tzinfo=UTC)
"""A Monday morning."""


@dataclass
class Scene:
    """One tenant's intake. `now` is what every unit of work takes for the time."""

    database: Database
    tenant: str
    now: datetime = BEGIN
    told: list[Event] = field(default_factory=list)

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[UnitOfWork]:
        async with self.database.begin(self.tenant) as uow:
            uow.now = self.now
            publish = uow.publish

            def tell(tenant: str, event: Event, cause: Envelope | None = None) -> UUID:
                self.told.append(event)
                return publish(tenant, event, cause)

            uow.publish = tell  # type: ignore[method-assign]
            yield uow

    def pass_time(self, **of: float) -> None:
        self.now += timedelta(**of)

    async def know(self) -> None:
        """Make the tenant known."""
        async with self.database.begin() as uow:
            await uow.execute(
                "insert into tenant (tenant_id, version, settings, created_at) values (:tenant, 1, '{}', now())",
                tenant=self.tenant,
            )

    async def publish(self, rules: Sequence[dict[str, Any]] = (), **workspaces: dict[str, Any]) -> None:
        """Publish these workspaces, and rules that send leads to them."""
        async with self.unit() as uow:
            await uow.execute(
                "update routing_version set status = 'superseded' where tenant_id = :tenant", tenant=self.tenant
            )
            await uow.execute(
                """insert into routing_version (tenant_id, version, status, configuration, created_by, published_at)
                   select :tenant, coalesce(max(version), 0) + 1, 'published', cast(:configuration as jsonb), 'test', now()
                   from routing_version where tenant_id = :tenant""",
                tenant=self.tenant, configuration=json.dumps({"rules": list(rules), "workspaces": workspaces}),
            )  # fmt: skip

    async def leads(self, count: int, workspace: str | None = "desk", geo: str | None = None) -> list[UUID]:
        """New leads that wait in a workspace, or that no rule matched; a second between one and the next."""
        ids = [uuid7() for _ in range(count)]
        async with self.unit() as uow:
            await uow.execute(
                """insert into lead (tenant_id, lead_id, source_system, source_id, version, person_id, submission_id, digest,
                                     field_digests, geo_key, created_at, warnings, metadata)
                   select :tenant, id, 'test', id::text, 1, id, id, '', '{}', :geo, :now, '[]', '{}'
                   from unnest(cast(:ids as uuid[])) as given (id)""",
                tenant=self.tenant, ids=ids, geo=geo, now=self.now,
            )  # fmt: skip
            await uow.execute(
                """insert into work (tenant_id, lead_id, status, workspace, waiting_since)
                   select :tenant, id, :status, :workspace, cast(:now as timestamptz) + make_interval(secs => number)
                   from unnest(cast(:ids as uuid[])) with ordinality as given (id, number)""",
                tenant=self.tenant, ids=ids, status="routed" if workspace else "unrouted", workspace=workspace, now=self.now,
            )  # fmt: skip
        return ids

    def received(self, message: Message) -> Received[Any]:
        envelope = Envelope(uuid7(), message.topic.type, self.tenant, self.now, uuid7())
        return Received(envelope, message, Wire(envelope.subject, {}, encode(message), self.now))

    async def ask(self, request: Message) -> Any:
        """What is answered to a request about agents or assignments."""
        answer = getattr(handlers, request.topic.name)
        async with self.unit() as uow:
            return await answer(uow, self.received(request))

    async def agent(self, user: str, capacity: int = 10, **profile: Any) -> messages.AgentView:
        profile = {"workspaces": ["desk"], **profile}
        view: messages.AgentView = await self.ask(messages.UpsertAgent(user_id=user, capacity=capacity, **profile))
        return view

    async def fill(self, *workspaces: str, limit: int = BATCH) -> set[UUID]:
        async with self.unit() as uow:
            given, _ = await fill(uow, self.tenant, workspaces or None, limit)
            return given

    async def minute(self) -> dict[str, int]:
        """What the job of every minute does."""
        return await distribute_tenant(_Timed(self), self.tenant, self.now)  # type: ignore[arg-type]

    async def every_minute(self, behind: int = 0) -> dict[str, int]:
        """The job itself, of a service that is so many events behind."""

        async def waiting() -> int:
            return behind

        return await distribute(_Timed(self), waiting, self.now)  # type: ignore[arg-type]

    async def apply_routing(self) -> dict[str, int]:
        """What the job does that applies what was published to the leads that were there."""
        await self.rows(
            "update routing_version set catching_up = 'all' where tenant_id = :tenant and status = 'published' returning 1"
        )
        return await CatchingUp(_Timed(self)).run(self.now)  # type: ignore[arg-type]

    async def hear(self, *events: Event) -> None:
        async with self.unit() as uow:
            received = [self.received(event) for event in events]
            for handle, is_void in ((follow, False), (reopen, True)):
                if own := [message for message in received if isinstance(message.body, OutcomeVoided) == is_void]:
                    await handle(uow, own)

    def outcome(self, lead: UUID, type_: OutcomeType, at: datetime | None = None) -> OutcomeRecorded:
        return OutcomeRecorded(
            outcome_id=uuid7(), lead_id=lead, sequence=1, type=type_, stage=STAGE_OF[type_], occurred_at=self.now,
            recorded_at=at or self.now, recorded_by="test", attribution=Attribution(),
        )  # fmt: skip

    def void(self, outcome: OutcomeRecorded) -> OutcomeVoided:
        return OutcomeVoided(
            outcome_id=outcome.outcome_id, lead_id=outcome.lead_id, type=outcome.type, occurred_at=outcome.occurred_at,
            attribution=outcome.attribution, voided_at=self.now, voided_by="test",
        )  # fmt: skip

    def sent(self, lead: UUID, at: datetime | None = None) -> MessageSent:
        return message_sent(lead, at or self.now)

    async def owners(self) -> dict[UUID, str]:
        """Who owns which lead."""
        rows = await self.rows("select lead_id, user_id from assignment where tenant_id = :tenant and ended_at is null")
        return {row["lead_id"]: row["user_id"] for row in rows}

    async def work(self) -> dict[UUID, Any]:
        """The work on each lead."""
        rows = await self.rows("select * from work where tenant_id = :tenant")
        return {row["lead_id"]: row for row in rows}

    async def traces(self, lead: UUID) -> list[tuple[str, dict[str, Any]]]:
        """The decisions about a lead, the first first."""
        async with self.unit() as uow:
            decisions = await store_decisions.of_lead(uow, self.tenant, lead, None, 100)
        return [(decision["kind"], decision["trace"]) for decision in reversed(decisions)]

    async def rows(self, statement: str, **parameters: Any) -> Sequence[Any]:
        async with self.unit() as uow:
            return list((await uow.execute(statement, tenant=self.tenant, **parameters)).mappings())

    def events(self, type_: type[Event]) -> list[Any]:
        """What was published of one kind."""
        return [event for event in self.told if isinstance(event, type_)]


@dataclass
class _Timed:
    """The scene's database, on the scene's clock."""

    scene: Scene

    def begin(self, *_: str) -> Any:
        return self.scene.unit()
