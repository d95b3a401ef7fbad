"""What a test says to outcomes and sees of it, for one tenant."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import nats.js.errors

from chassis.received import encode
from contracts.gateway import TenantChanged, TenantSettings
from contracts.intake.leads import LeadAccepted, LeadDuplicated, LeadRejected, LeadUpdated
from contracts.message import Command, Event, ProblemError
from contracts.operations import GetTenant
from contracts.outcomes import (
    GetRecordings,
    LeadState,
    LeadStateView,
    Outcome,
    OutcomeHistory,
    OutcomeRecorded,
    OutcomeRefused,
    OutcomeResult,
    OutcomeVerdict,
    OutcomeView,
    OutcomeVoided,
    RecordOutcomes,
)
from contracts.values import Attribution, LeadRef
from tests.platform import Platform
from tests.waiting import until

CREATED_AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def accepted(source_id: str = "1", **fields: Any) -> LeadAccepted:
    """A lead's arrival; `fields` of the event or of its attribution."""
    return LeadAccepted(**_snapshot(source_id, fields))


def updated(lead: LeadAccepted | LeadUpdated, **fields: Any) -> LeadUpdated:
    """The lead's next version."""
    given = {"lead_id": lead.lead_id, "version": lead.version + 1, "created_at": lead.created_at, **fields}
    return LeadUpdated(changed=["geo"], **_snapshot(lead.source_id, given))


def duplicated(lead: LeadAccepted | LeadUpdated) -> LeadDuplicated:
    return LeadDuplicated(
        lead_id=lead.lead_id, version=lead.version, submission_id=uuid4(), source_system="crm", source_id=lead.source_id
    )


def rejected(source_id: str = "1") -> LeadRejected:
    """The rejection of a source's submission while there is no lead."""
    return LeadRejected(submission_id=uuid4(), source_system="crm", source_id=source_id, reasons=[])


def spoilt(lead: LeadAccepted | LeadUpdated) -> LeadRejected:
    """The rejection of another submission of a lead, which stays as it is."""
    left = {"lead_id": lead.lead_id, "version": lead.version}
    return rejected(lead.source_id).model_copy(update=left)


def of_source(source_id: str = "1", submission_id: UUID | None = None) -> LeadRef:
    return LeadRef(source_system="crm", source_id=source_id, submission_id=submission_id)


def outcomes(*types: str, **fields: Any) -> list[Outcome]:
    return [Outcome(type=type_, **fields) for type_ in types]


def order(lead: LeadRef, *types: str, **fields: Any) -> RecordOutcomes:
    return RecordOutcomes(lead=lead, outcomes=outcomes(*types, **fields), recorded_by="user:7")


def _snapshot(source_id: str, fields: dict[str, Any]) -> dict[str, Any]:
    attribution = {name: fields.pop(name) for name in Attribution.model_fields if name in fields}
    return {
        "lead_id": uuid4(),
        "version": 1,
        "submission_id": uuid4(),
        "source_system": "crm",
        "source_id": source_id,
        "person_id": uuid4(),
        "attribution": Attribution(**attribution),
        "created_at": CREATED_AT,
        **fields,
    }


@dataclass
class Desk:
    """One tenant's way to outcomes."""

    platform: Platform
    tenant: str

    async def hear(self, *events: Event, sender: str = "intake") -> None:
        """Have other services' events published."""
        for event in events:
            await self.platform.publish(sender, self.tenant, event)

    async def arrive(self, *leads: LeadAccepted | LeadUpdated) -> None:
        """Have leads published, and wait until they are known."""
        await self.hear(*leads)
        for lead in leads:
            await until(lambda lead=lead: self._knows(lead.lead_id), what="the lead being known")

    async def give(self, *orders: Command) -> list[UUID]:
        """Publish orders; returns their ids."""
        return [await self.platform.publish("operator", self.tenant, command) for command in orders]

    async def give_again(self, id_: UUID, command: Command) -> None:
        """Publish an order once more when the inbox has forgotten it, and wait until it is handled."""
        async with self.platform.sql() as sql:
            await sql.execute("delete from outcomes.inbox where message_id = $1", id_)
        async with self.platform.connect("operator") as client:
            for ce_id in (id_, uuid4()):
                headers = {"ce-id": str(ce_id)}
                await client.jetstream().publish(command.topic.subject(self.tenant), encode(command), headers=headers)
        await self.results(ce_id, waiting=True)

    async def results(self, *ids: UUID, waiting: bool = False) -> list[list[OutcomeResult]]:
        """The results of these orders, once all are there and, unless `waiting`, none waits."""

        async def known() -> list[list[OutcomeResult]]:
            found = await self.ask(GetRecordings(command_ids=list(ids)))
            by_id = {view.command_id: view.results for view in found.recordings}
            verdicts = {result.verdict for results in by_id.values() for result in results}
            done = len(by_id) == len(set(ids)) and (waiting or OutcomeVerdict.WAITING not in verdicts)
            return [by_id[id_] for id_ in ids] if done else []

        return await until(known, what="every result")

    async def verdicts(self, *ids: UUID, waiting: bool = False) -> list[list[str]]:
        return [[result.verdict for result in results] for results in await self.results(*ids, waiting=waiting)]

    async def ask(self, request: Any) -> Any:
        return await self.platform.caller.ask(self.tenant, request)

    async def history(self, lead_id: UUID) -> Sequence[OutcomeView]:
        return (await self.ask(OutcomeHistory(lead_id=lead_id))).outcomes

    async def state(self, lead_id: UUID) -> LeadStateView:
        return await self.ask(LeadState(lead_id=lead_id))

    async def stored(self, name: str, at_least: int) -> list[bytes]:
        """The bodies of the tenant's outcomes events of this name, ``*`` for all, once the broker stores so many."""

        async def stored() -> list[bytes]:
            found, seq = [], 1
            stream = self.platform.operator.jetstream()
            while True:
                try:
                    message = await stream.get_msg("EVENTS", seq, f"outcomes.event.{name}.v1.{self.tenant}", next=True)
                except nats.js.errors.NotFoundError:
                    return found if len(found) >= at_least else []
                found.append(message.data)
                seq = message.seq + 1

        return await until(stored, what=f"{at_least} events {name}")

    async def recorded(self, at_least: int) -> list[OutcomeRecorded]:
        return [
            OutcomeRecorded.model_validate_json(body)
            for body in await self.stored(OutcomeRecorded.topic.name, at_least)
        ]

    async def voided(self, at_least: int) -> list[OutcomeVoided]:
        return [
            OutcomeVoided.model_validate_json(body) for body in await self.stored(OutcomeVoided.topic.name, at_least)
        ]

    async def refused(self, at_least: int) -> list[OutcomeRefused]:
        return [
            OutcomeRefused.model_validate_json(body) for body in await self.stored(OutcomeRefused.topic.name, at_least)
        ]

    async def change_settings(self, **settings: Any) -> None:
        """Have the gateway tell that the tenant's settings changed, and wait until outcomes knows."""
        event = TenantChanged(version=2, settings=TenantSettings(**settings), created_at=CREATED_AT)
        await self.hear(event, sender="gateway")

        async def known() -> bool:
            return bool((await self.platform.caller.ask(self.tenant, GetTenant(), of="outcomes")).version == 2)

        await until(known, what="the settings being known")

    async def _knows(self, lead_id: UUID) -> bool:
        try:
            return bool(await self.state(lead_id))
        except ProblemError:
            return False
