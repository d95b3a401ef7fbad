"""A tenant, and what is done with its imports."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID, uuid4

from contracts.intake import imports as messages
from contracts.intake.imports import CHUNK_BYTES, ImportDetails, ImportState, ImportView
from contracts.message import Reply, Request
from tests.platform import Platform
from tests.waiting import until

R = TypeVar("R", bound=Reply)
ACTOR = "user:7"
MAPPING = """
source_system: crm
lead:
  source_id: {column: Id}
  full_name: {column: Name}
  email: {column: Email}
  source: {column: Source}
  tier: {column: Tier}
outcomes:
  - type: {column: Outcome}
    occurred_at: {column: At}
"""
HEADER = "Id,Name,Email,Source,Tier,Outcome,At"
AT = "2026-11-02T09:30:00Z"


def row(number: int, *, tier: str = "A", outcome: str = "", name: str = "") -> str:
    """A row of the file: lead `number`, with an outcome or none."""
    return f"L-{number},{name or f'Ada {number}'},ada{number}@example.com,Open house,{tier},{outcome},{AT if outcome else ''}"


def file_of(rows: Sequence[str]) -> bytes:
    return "\n".join([HEADER, *rows, ""]).encode()


@dataclass(frozen=True, slots=True)
class Scene:
    platform: Platform
    tenant: str

    async def ask(self, request: Request[R], seconds: float = 10.0) -> R:
        return await self.platform.caller.ask(self.tenant, request, seconds=seconds)

    async def uploaded(self, content: bytes, mapping: str | None = MAPPING, chunk: int = CHUNK_BYTES) -> UUID:
        """An import of a file, mapped and ready."""
        run_id = (await self.ask(messages.CreateImport(run_id=uuid4(), file_name="leads.csv", actor=ACTOR))).run_id
        chunks = [content[at : at + chunk] for at in range(0, len(content), chunk)]
        for number, part in enumerate(chunks):
            await self.ask(chunk_of(run_id, number, part))
        await self.ask(messages.FinishUpload(run_id=run_id, chunks=len(chunks)))
        if mapping:
            await self.ask(messages.SetImportMapping(run_id=run_id, mapping=mapping))
        return run_id

    async def imported(self, content: bytes, **more: Any) -> ImportView:
        """A file's import, come to its end."""
        run_id = await self.uploaded(content)
        return await self.started(run_id, **more)

    async def started(self, run_id: UUID, **more: Any) -> ImportView:
        await self.ask(messages.StartImport(run_id=run_id, actor=ACTOR, **more))
        return await self.stands(run_id, ImportState.COMPLETED)

    async def reverted(self, run_id: UUID) -> ImportView:
        await self.ask(messages.RevertImport(run_id=run_id, actor=ACTOR))
        return await self.stands(run_id, ImportState.REVERTED)

    async def stands(self, run_id: UUID, state: ImportState, seconds: float = 30.0) -> ImportDetails:
        """The import, once it stands so."""

        async def looked() -> ImportDetails | None:
            view = await self.ask(messages.GetImport(run_id=run_id))
            return view if view.state is state else None

        found = await until(looked, seconds=seconds, what=f"the import being {state}")
        assert found
        return found

    async def errors(self, run_id: UUID) -> list[tuple[int, int, str, str]]:
        page = await self.ask(messages.ListImportErrors(run_id=run_id))
        return [(each.row, each.line, each.field, each.reason) for each in page.errors]

    async def rows(self, query: str, *more: object) -> list[dict[str, Any]]:
        async with self.platform.sql() as sql:
            return [dict(found) for found in await sql.fetch(query, self.tenant, *more)]

    async def leads(self) -> dict[str, dict[str, Any]]:
        """What stands of the tenant's leads, by their sources' ids."""
        found = await self.rows(
            "select source_id, lead_id, version, tier, source_key from intake.lead where tenant_id = $1 and erased_at is null"
        )
        return {each["source_id"]: each for each in found}

    async def outcomes(self) -> list[tuple[str, str]]:
        """The outcomes that stand: of which lead, and what."""
        found = await self.rows(
            """select lead.source_id, outcome.type from outcomes.outcome join outcomes.lead using (tenant_id, lead_id)
               where tenant_id = $1 and not exists (select from outcomes.outcome_void as void
                   where (void.tenant_id, void.lead_id, void.sequence) = (outcome.tenant_id, outcome.lead_id, outcome.sequence))
               order by 1, 2"""
        )
        return [(each["source_id"], each["type"]) for each in found]

    async def told(self, name: str) -> list[dict[str, Any]]:
        """The events of intake of this name, in their order."""
        found = await self.rows(
            "select body from intake.outbox where tenant = $1 and type = $2 order by seq", f"intake.event.{name}.v1"
        )
        return [json.loads(each["body"]) for each in found]


def chunk_of(run_id: UUID, number: int, content: bytes) -> messages.AddImportChunk:
    return messages.AddImportChunk(run_id=run_id, number=number, content=base64.b64encode(content))
