"""A tenant with providers: a directory of companies, one of people, and a finder of addresses, all on the test's web server."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from contracts.intake.enrichment import (
    CancelRun,
    ContactSubmissionResult,
    GetRun,
    ResumeRun,
    RunDetails,
    RunStartResult,
    StartRun,
    SubmitContacts,
)
from contracts.intake.providers import CsvSettings, HttpSettings, PatternSettings, SetProvider
from tests.intake.enrichment.web import Answer, Asked, Web
from tests.platform import Platform
from tests.waiting import until

CRITERIA = {"industry": "roofing", "state": "OH"}
PROVIDERS = {"find_companies": ["directory"], "find_contacts": ["people"], "enrich_emails": ["finder"]}
COMPANIES = [
    {"title": "Acme Roofing", "web": "https://www.acme.test/home", "place": {"city": "Dublin", "state": "OH"}},
    {"title": "Best Roofs", "web": "best.test", "place": {"city": "Columbus", "state": "OH"}},
]
PEOPLE = {
    "acme.test": [{"name": "Ada Canary", "role": "Owner"}, {"name": "Bob Canary", "role": "CEO"}],
    "best.test": [{"name": "Eve Canary", "role": "Owner", "mails": [{"value": "eve.canary@best.test"}]}],
}


@dataclass
class Scene:
    platform: Platform
    tenant: str
    web: Web
    files: Path

    def ask(self, request: Any) -> Any:
        return self.platform.caller.ask(self.tenant, request)

    async def set(self, provider: str, settings: HttpSettings | CsvSettings | PatternSettings) -> None:
        kind = {HttpSettings: "http", CsvSettings: "csv", PatternSettings: "pattern"}[type(settings)]
        await self.ask(SetProvider.model_validate({"provider": provider, kind: settings}))

    async def three_providers(self, price: str = "0.10") -> None:
        """Set all three, on a web server that knows two companies and three people."""
        cost = Decimal(price)
        await self.set(
            "directory",
            HttpSettings(
                url=f"{self.web.url}/companies", query={"industry": "{criteria.industry}", "state": "{criteria.state?}"},
                results="data.items", price=cost,
                fields={
                    "name": "title", "domain": "web", "city": "place.city", "region": "place.state",
                    "country": "place.country",
                },
            ),
        )  # fmt: skip
        await self.set(
            "people",
            HttpSettings(
                url=f"{self.web.url}/companies/{{company.domain}}/people", results="people", price=cost,
                fields={"full_name": "name", "title": "role", "email": "mails.0.value"},
            ),
        )  # fmt: skip
        await self.set(
            "finder",
            HttpSettings(
                url=f"{self.web.url}/find", method="POST", price=cost,
                body={"name": "{contact.full_name}", "domain": "{company.domain}"},
                fields={"email": "address", "confidence": "score"},
            ),
        )  # fmt: skip
        self.web.answering = answer

    async def people_with_phones(self) -> None:
        """Set all three, the one of people so that it tells their numbers."""
        await self.three_providers()
        fields = {"full_name": "name", "phone": "phone", "email": "mails.0.value"}
        url = f"{self.web.url}/companies/{{company.domain}}/people"
        await self.set("people", HttpSettings(url=url, results="people", fields=fields))

    async def start(self, **changes: Any) -> RunStartResult:
        order: dict[str, Any] = {
            "criteria": CRITERIA, "providers": PROVIDERS, "budget": Decimal(10), "currency": "USD", "actor": "user:7",
        }  # fmt: skip
        return await self.ask(StartRun(**{**order, **changes}))

    async def run(self, run_id: UUID) -> RunDetails:
        return await self.ask(GetRun(run_id=run_id))

    async def cancel(self, run_id: UUID) -> Any:
        return await self.ask(CancelRun(run_id=run_id, actor="user:8"))

    async def resume(self, run_id: UUID, **changes: Any) -> Any:
        return await self.ask(ResumeRun(run_id=run_id, actor="user:9", **changes))

    async def submit(self, run_id: UUID, **more: Any) -> ContactSubmissionResult:
        return await self.ask(SubmitContacts(run_id=run_id, actor="user:7", **more))

    async def standing(self, run_id: UUID, status: str) -> RunDetails:
        """The run, once it stands so."""

        async def stands() -> RunDetails | None:
            run = await self.run(run_id)
            assert run.status in (status, "pending", "running"), (run.status, run.error)
            return run if run.status == status else None

        return await until(stands, what=f"the run being {status}", seconds=30)

    async def executed(self, status: str = "succeeded", **changes: Any) -> RunDetails:
        return await self.standing((await self.start(**changes)).run_id, status)

    async def told(self, *names: str) -> list[dict[str, Any]]:
        """Bodies of the events of these names, in the order they were published, of all if none is given."""
        types = [f"intake.event.{name}.v1" for name in names]
        async with self.platform.sql() as sql:
            rows = await sql.fetch(
                """select type, body from intake.outbox where tenant = $1 and (type = any($2) or $2 = '{}')
                   order by seq""",
                self.tenant, types,
            )  # fmt: skip
        return [{"event": row["type"].split(".")[2], **json.loads(row["body"])} for row in rows]

    async def sql(self, statement: str, *values: Any) -> Sequence[Any]:
        async with self.platform.sql() as sql:
            return await sql.fetch(statement, *values)


LONDON = "+442079460958"


async def london(asked: Asked) -> Answer:
    """A company of London, and its one contact, with a number as it is dialled there."""
    if asked.path == "/companies":
        place = {"city": "London", "country": "United Kingdom"}
        return Answer({"data": {"items": [{"title": "Acme Roofing", "web": "acme.test", "place": place}]}})
    if asked.path.endswith("/people"):
        return Answer({"people": [{"name": "Ada Canary", "phone": "020 7946 0958"}]})
    return await answer(asked)


async def answer(asked: Asked) -> Answer:
    if asked.path == "/companies":
        return Answer({"data": {"items": COMPANIES}})
    if asked.path == "/find":
        first = asked.body["name"].split()[0].lower()
        return Answer({"address": f"{first}@{asked.body['domain']}", "score": 90})
    return Answer({"people": PEOPLE[asked.path.split("/")[2]]})
