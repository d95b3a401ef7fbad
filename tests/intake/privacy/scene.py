"""What the vault's tests do again and again: submit people, ask in a service's name, look into what is stored."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg

from chassis.caller import Caller
from contracts.intake.leads import SubmissionResult, SubmitLead, SubmitLeadNow
from contracts.intake.privacy import OnBehalfOf, PersonalField, RevealPii, Revelation
from contracts.message import Request
from contracts.taxonomy import Purpose, Role
from tests.platform import Platform

ADA = {
    "full_name": "Ada Example",
    "phone": "(614) 555-0142",
    "email": "ada@example.com",
    "linkedin_url": "https://www.linkedin.com/in/ada-example/",
    "notes": "Two dogs.",
    "metadata": {"utm_source": "newsletter", "shoe": 40},
    "source": "Open house",
    "geo": "Dublin, OH",
    "tier": "A",
}
AGENT = OnBehalfOf(user="user:7", role=Role.AGENT)
ADMIN = OnBehalfOf(user="user:1", role=Role.ADMIN)


class Vault:
    """One tenant's vault."""

    def __init__(self, platform: Platform, tenant: str) -> None:
        self.platform = platform
        self.tenant = tenant

    async def submit(self, source_id: str = "1", **fields: Any) -> SubmissionResult:
        """Submit a lead and wait for the verdict, as HTTP callers do."""
        return await self.ask("gateway", SubmitLeadNow(source_system="web", source_id=source_id, **fields))

    async def new_lead(self, source_id: str = "1", **fields: Any) -> UUID:
        submitted = await self.submit(source_id, **{**ADA, **fields})
        assert submitted.lead_id
        return submitted.lead_id

    async def import_lead(self, source_id: str, **fields: Any) -> UUID:
        """Submit a lead and go on; returns the submission's id."""
        return await self.platform.publish(
            "operator", self.tenant, SubmitLead(source_system="web", source_id=source_id, **fields), uuid4()
        )

    async def ask(self, sender: str, request: Request[Any]) -> Any:
        """Ask with the credential of a service or the operator."""
        if sender == "operator":
            return await self.platform.caller.ask(self.tenant, request, seconds=30)
        async with self.platform.connect(sender) as client:
            return await Caller(client).ask(self.tenant, request, seconds=30)

    async def reveal(
        self,
        *leads: UUID,
        sender: str = "gateway",
        purpose: Purpose = Purpose.WORK_LEAD,
        who: OnBehalfOf | None = AGENT,
        fields: list[PersonalField] | None = None,
    ) -> Revelation:
        request = RevealPii(lead_ids=list(leads), purpose=purpose, on_behalf_of=who, fields=fields or [])
        answer: Revelation = await self.ask(sender, request)
        return answer

    async def rows(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """Rows as the superuser sees them; ``$1`` is the tenant."""
        async with self.platform.sql() as sql:
            rows: list[asyncpg.Record] = await sql.fetch(query, self.tenant, *arguments)
            return rows
