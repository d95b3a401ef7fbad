"""A tenant whose every free text is an attack: on the pages that show it, and on the spreadsheets that read what is exported."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from contracts.aggregator.win_rates import WinRates
from contracts.gateway.users import CreateUser
from contracts.outreach.sending import LeadMessages
from contracts.taxonomy import OutcomeType, Role
from tests.aggregator.recorded import recorded
from tests.gateway.conftest import Gateway, Tenancy, each_page
from tests.waiting import until

_ENDS: Final = "\"'><img src=x onerror=alert(1)><script>alert(2)</script>"
"""Ends an attribute of either quotation, and begins an element with a handler, and a script."""
ATTACK: Final = f'=HYPERLINK("//evil.example"){_ENDS}'
"""And a formula before it."""
SIGNS: Final = ("<img src=x", "<script>alert", "onerror=alert(1)>")
"""What is nowhere in a page on which none of it works: it would have to be there as it was given."""


@dataclass(frozen=True)
class Attacked:
    """The tenant, and what the parameters of its pages' paths are filled in with."""

    tenancy: Tenancy
    parameters: Mapping[str, str]

    def pages(self, gateway: Gateway) -> list[str]:
        """The address of every page that it has."""
        return each_page(gateway.app, self.parameters)


@asynccontextmanager
async def attacked(gateway: Gateway, tenant: str) -> AsyncIterator[Attacked]:
    """A tenant that is full of it."""
    made = await gateway.tenant(tenant)
    async with made.client:
        yield Attacked(made, {"tenant": tenant, "kpi": "conversions"} | await _attack(gateway, made))


async def _attack(gateway: Gateway, made: Tenancy) -> dict[str, str]:
    """Fill the tenant with it; returns what can be opened there, by the parameter of the path it is opened by."""
    await gateway.platform.caller.ask(made.name, CreateUser(role=Role.AGENT, name=ATTACK, email="ada@example.com"))

    async def send(path: str, body: Any, method: str = "POST") -> Any:
        response = await made.client.request(method, made.path(path), json=body)
        assert response.is_success, (path, response.text)
        return response.json() if response.content else None

    lead = {
        "source_system": "crm", "source_id": ATTACK, "full_name": ATTACK, "source": ATTACK, "geo": ATTACK, "email": "ada@example.com",
        "product_interest": ATTACK, "partner": ATTACK, "tier": "A", "timeline": "0-30", "created_at": "2026-01-05T12:00:00Z",
    }  # fmt: skip
    lead_id = (await send("/leads", lead))["lead_id"]
    await send("/outcomes", {"lead": {"lead_id": lead_id}, "outcomes": [{"type": "contacted", "notes": ATTACK}]})
    template = await send("/templates", {"name": "hostile", "kind": "email", "subject": ATTACK, "body": ATTACK})
    settings = {"daily_limits": {"email": 100}, "least_gap_minutes": 0, "most_gap_minutes": 0}
    account = await send(
        "/accounts",
        {
            "title": ATTACK, "channel": "email", "address": "sales@example.com", "sender_name": ATTACK, "sandbox": {"refuses": 0},
            "settings": settings,
        },
    )  # fmt: skip
    always = {"opens": "00:00", "closes": "24:00", "weekdays": [1, 2, 3, 4, 5, 6, 7], "holidays": "none"}
    campaign = await send(
        "/campaigns",
        {
            "title": ATTACK,
            "settings": {"hours": always},
            "steps": [{"kind": "email", "variants": [{"template_id": template["template_id"]}]}],
        },
    )

    async def sent() -> str:
        found = await gateway.platform.caller.ask(made.name, LeadMessages(lead_id=lead_id))
        return next((str(message.message_id) for message in found.messages if message.state == "sent"), "")

    message_id = await until(sent, what="a message that can be replied to", seconds=30)
    reply = await send(f"/messages/{message_id}/replies", {"source_key": "1", "text": ATTACK})
    await send("/suppressions", {"lead_id": lead_id, "note": ATTACK})
    await send("/keys", {"label": ATTACK})
    # Intake makes keys of sources; what comes to the aggregator otherwise must be harmless too.
    won = recorded(OutcomeType.CLOSED_WON, lead_id=UUID(lead_id), source_key=ATTACK, geo_key=ATTACK)
    await gateway.platform.publish("outcomes", made.name, won)

    async def counted() -> bool:
        rates = await gateway.platform.caller.ask(made.name, WinRates())
        return any(row.key == ATTACK for row in rates.rows)

    await until(counted, what="the source's arrival in the win rates")
    run_id = (await send("/imports", {"file_name": ATTACK}))["run_id"]
    cells = ",".join('"' + ATTACK.replace('"', '""') + '"' for _ in range(2))
    file = f"{cells}\n{cells}\n".replace("src=x", "src=y", 1)  # two columns of one name would be refused
    uploaded = await made.client.put(
        made.path(f"/imports/{run_id}/file"), content=file.encode(), headers={"Content-Type": "text/csv"}
    )
    assert uploaded.is_success, uploaded.text
    draft = {"rules": [{"name": "ohio", "workspace": "ohio"}], "workspaces": {"ohio": {}}}
    version = await send("/routing/versions", {"configuration": draft})
    await send("/agents/user:7", {"workspaces": ["ohio"], "capacity": 5}, "PUT")
    return {
        "lead_id": lead_id, "template_id": template["template_id"], "account_id": account["account_id"],
        "campaign_id": campaign["campaign_id"], "message_id": message_id, "reply_id": reply["reply_id"], "version": str(version["version"]), "run_id": run_id,
        "rule": "ohio", "workspace": "ohio", "user_id": "user:7", "operation": "submit_lead", "message": "intake.event.lead_accepted.v1",
        "owner": "intake", "service": "intake",
    }  # fmt: skip
