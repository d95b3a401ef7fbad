"""The audit, for those who may read it: who changed what, who was shown whose values, and what was done in spite of a warning."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from contracts.cells import harmless
from contracts.gateway.audit import Change, ListChanges
from contracts.intake.memory import ListActions
from contracts.intake.privacy import ListReveals, RevealView
from contracts.message import ProblemCode, ProblemError
from contracts.taxonomy import ActionType, Purpose
from gateway.gate import Admitted, Principal
from gateway.pages.actors import actors
from gateway.pages.dashboard import time_zone
from gateway.pages.filled_in import Chosen
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/audit")

_ROWS: Final = 100
_ROWS_OF_A_FILE: Final = 500
"""Asked for at once; a file has all there are."""
Word = Chosen[Annotated[str, Field(max_length=100)]]
Cursor = Chosen[Annotated[str, Field(max_length=200)]]


class Between(BaseModel):
    """What the address says about when, by the tenant's clock where a moment names no time zone."""

    model_config = ConfigDict(frozen=True)

    since: Chosen[datetime] = None
    until: Chosen[datetime] = None
    cursor: Cursor = None

    def query(self, **changes: Any) -> str:
        """This page's address behind its path, changed as given."""
        shown = self.model_dump(mode="json", exclude_none=True, exclude={"cursor"}) | changes
        return f"?{urlencode({name: value for name, value in shown.items() if value})}"

    @property
    def filtered(self) -> bool:
        return bool(self.model_dump(exclude_none=True, exclude={"cursor"}))


class Changes(Between):
    """Which changes are shown."""

    actor: Word = None
    subject: Word = None

    def asked(self, zone: str, limit: int) -> ListChanges:
        between = {"since": _moment(self.since, zone), "until": _moment(self.until, zone)}
        return ListChanges(actor=self.actor, subject=self.subject, cursor=self.cursor, limit=limit, **between)


class Reveals(Between):
    """Which reveals are shown."""

    actor: Word = None
    purpose: Chosen[Purpose] = None
    lead_id: Chosen[UUID] = None

    def asked(self, zone: str, limit: int) -> ListReveals:
        between = {"since": _moment(self.since, zone), "until": _moment(self.until, zone)}
        return ListReveals(
            actor=self.actor, purpose=self.purpose, lead_id=self.lead_id, cursor=self.cursor, limit=limit, **between
        )


class Actions(BaseModel):
    """Which actions are shown."""

    model_config = ConfigDict(frozen=True)

    action_type: Chosen[ActionType] = None
    all: bool = False
    """Those, too, before which nothing similar was known."""
    cursor: Cursor = None


@router.get("")
async def changes(principal: Admitted, shown: Annotated[Changes, Query()], request: Request) -> Response:
    """Who changed what about the tenant, its users, its keys and how they sign in."""
    zone = await time_zone(request, principal.tenant)
    found = await principal.ask(shown.asked(zone, _ROWS))
    who = [name for each in found.changes for name in (each.actor, each.subject)]
    return await _page(principal, "audit.html", shown, found, zone, who)


@router.get("/changes.csv")
async def changes_file(principal: Admitted, shown: Annotated[Changes, Query()], request: Request) -> Response:
    """Every change that is asked for, as a file."""
    zone = await time_zone(request, principal.tenant)

    async def following(cursor: str | None) -> tuple[Sequence[BaseModel], str | None]:
        found = await principal.ask(shown.model_copy(update={"cursor": cursor}).asked(zone, _ROWS_OF_A_FILE))
        return found.changes, found.next_cursor

    return await _file(principal, "changes", list(Change.model_fields), following)


@router.get("/reveals")
async def reveals(principal: Admitted, shown: Annotated[Reveals, Query()], request: Request) -> Response:
    """Who was shown whose personal values, and why."""
    zone = await time_zone(request, principal.tenant)
    found = await principal.ask(shown.asked(zone, _ROWS))
    return await _page(principal, "audit_reveals.html", shown, found, zone, [each.actor for each in found.reveals])


@router.get("/reveals.csv")
async def reveals_file(principal: Admitted, shown: Annotated[Reveals, Query()], request: Request) -> Response:
    """Every reveal that is asked for, as a file."""
    zone = await time_zone(request, principal.tenant)

    async def following(cursor: str | None) -> tuple[Sequence[BaseModel], str | None]:
        found = await principal.ask(shown.model_copy(update={"cursor": cursor}).asked(zone, _ROWS_OF_A_FILE))
        return found.reveals, found.next_cursor

    return await _file(principal, "reveals", list(RevealView.model_fields), following)


@router.get("/actions")
async def actions(principal: Admitted, shown: Annotated[Actions, Query()], request: Request) -> Response:
    """What was done although something similar was known, or all that was done."""
    found, zone = await asyncio.gather(
        principal.ask(
            ListActions(
                action_type=shown.action_type, proceeded_anyway=None if shown.all else True, limit=_ROWS,
                cursor=shown.cursor,
            )
        ),
        time_zone(request, principal.tenant),
    )  # fmt: skip
    return await _page(principal, "audit_actions.html", shown, found, zone, [each.actor for each in found.actions])


async def _page(
    principal: Principal, template: str, shown: BaseModel, found: Any, zone: str, who: Sequence[str | None]
) -> Response:
    return page(
        template,
        principal=principal,
        shown=shown,
        found=found,
        purposes=[("", "Any"), *((each.value, each.value.replace("_", " ").capitalize()) for each in Purpose)],
        types=[("", "Any"), *((each.value, each.value.capitalize()) for each in ActionType)],
        named=await actors(principal, who),
        zone=zone,
        now=datetime.now(UTC),
    )


async def _file(
    principal: Principal,
    what: str,
    columns: Sequence[str],
    following: Callable[[str | None], Awaitable[tuple[Sequence[BaseModel], str | None]]],
) -> Response:
    """Rows as CSV, a page of them at a time; the first page is asked for before anything is sent, so that a refusal is told as one."""
    first, cursor = await following(None)

    async def lines() -> AsyncIterator[str]:
        yield _csv([columns])
        rows, after = first, cursor
        while True:
            yield _csv([_cells(row) for row in rows])
            if after is None:
                return
            rows, after = await following(after)

    headers = {"Content-Disposition": f'attachment; filename="{principal.tenant}-{what}.csv"'}
    return StreamingResponse(lines(), media_type="text/csv", headers=headers)


def _cells(row: BaseModel) -> list[str]:
    return [_cell(value) for value in row.model_dump(mode="json").values()]


def _cell(value: Any) -> str:
    """A value as a cell has it: what a row lacks is empty."""
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def _csv(rows: Sequence[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([harmless(cell) for cell in row] for row in rows)
    return out.getvalue()


def _moment(typed: datetime | None, zone: str) -> datetime | None:
    """A moment that was typed.

    Raises:
        ProblemError: `invalid`, it is none of this time.
    """
    try:
        return typed.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) if typed and typed.tzinfo is None else typed
    except OverflowError:
        raise ProblemError(ProblemCode.INVALID, "there is nothing at this moment", "since") from None
