"""Somebody who makes a tenant's rules, submits leads and looks where they went."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import nats.js.errors

from contracts.intake import routing as messages
from contracts.intake.leads import SubmitLeadNow
from contracts.intake.routing import DecisionView, LeadStatus, RoutingVersionView, WaitingLead
from contracts.message import PLATFORM
from tests.platform import Platform
from tests.waiting import until

ACTOR = "user:7"


@dataclass
class Desk:
    """One tenant's."""

    platform: Platform
    tenant: str

    async def ask(self, request: Any) -> Any:
        return await self.platform.caller.ask(self.tenant, request, seconds=30)

    async def ask_intake(self, request: Any) -> Any:
        """What every service answers."""
        return await self.platform.caller.ask(PLATFORM, request, of="intake", seconds=30)

    async def draft(self, *rules: dict[str, Any], workspaces: tuple[str, ...] = ()) -> RoutingVersionView:
        names = {*workspaces, *(rule["workspace"] for rule in rules)}
        configuration = {"rules": list(rules), "workspaces": {name: {} for name in names}}
        return await self.ask(
            messages.SaveRoutingDraft.model_validate({"configuration": configuration, "actor": ACTOR})
        )

    async def publish(self, *rules: dict[str, Any], workspaces: tuple[str, ...] = ()) -> int:
        """Publish these rules; returns when every lead that was there has been looked at under them."""
        version = (await self.draft(*rules, workspaces=workspaces)).version
        await self.ask(messages.PublishRouting(version=version, expected=await self.published(), actor=ACTOR))
        await self.caught_up()
        return version

    async def published(self) -> int | None:
        versions = (await self.ask(messages.ListRoutingVersions())).versions
        return next((each.version for each in versions if each.status == "published"), None)

    async def caught_up(self) -> None:
        async def done() -> bool:
            return not (await self.ask(messages.GetRouting())).catching_up

        # Sooner than the clock, which starts the job each minute, would see to it.
        await until(done, what="every lead looked at under the published rules", seconds=25)

    async def submit(self, source_id: str, **fields: Any) -> UUID:
        request = SubmitLeadNow(source_system="web", source_id=source_id, full_name="Jane Roe", **fields)
        lead_id = (await self.ask(request)).lead_id
        assert lead_id
        return lead_id

    async def status(self, lead_id: UUID) -> LeadStatus:
        return await self.ask(messages.GetLeadStatus(lead_id=lead_id))

    async def where(self, lead_id: UUID) -> str | None:
        """The workspace a lead waits in."""
        return (await self.status(lead_id)).workspace

    async def queue(self, workspace: str | None = None) -> list[WaitingLead]:
        return (await self.ask(messages.ListWorkQueue(workspace=workspace))).leads

    async def decisions(self, lead_id: UUID) -> list[DecisionView]:
        return (await self.ask(messages.GetLeadDecisions(lead_id=lead_id))).decisions

    async def told(self, name: str, at_least: int = 0) -> list[dict[str, Any]]:
        """The bodies of the tenant's events of this name, once there are so many."""

        async def stored() -> list[dict[str, Any]] | None:
            found: list[dict[str, Any]] = []
            seq = 1
            while True:
                try:
                    message = await self.platform.operator.jetstream().get_msg(
                        "EVENTS", seq, f"intake.event.{name}.v1.{self.tenant}", next=True
                    )
                except nats.js.errors.NotFoundError:
                    return found if len(found) >= at_least else None
                found.append(json.loads(message.data))
                seq = (message.seq or 0) + 1

        return await until(stored, what=f"{at_least} events {name}") if at_least else (await stored() or [])

    async def set_status(self, lead_id: UUID, status: str) -> None:
        """As if somebody had taken it on."""
        async with self.platform.sql() as sql:
            await sql.execute(
                "update intake.work set status = $3 where tenant_id = $1 and lead_id = $2", self.tenant, lead_id, status
            )


def rule(
    name: str, workspace: str, priority: int = 100, sub_vertical: str | None = None, **when: Any
) -> dict[str, Any]:
    return {"name": name, "workspace": workspace, "priority": priority, "sub_vertical": sub_vertical, "when": when}
