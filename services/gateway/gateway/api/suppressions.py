"""Suppressions: who is not to be contacted, one by one and as CSV."""

import csv
import io
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ValidationError
from starlette.responses import StreamingResponse

from contracts.intake.people import PersonRef
from contracts.message import ProblemCode, ProblemError
from contracts.outreach.backfill import MOST_ROWS, ImportSuppressions, RowResult, RowVerdict, SuppressionRow
from contracts.outreach.people import ListSuppressions, Suppress, SuppressionList, SuppressionView, Unsuppress
from gateway.api.idempotency import OptionalKey
from gateway.api.orders import order, sent
from gateway.gate import Admitted, Principal

router = APIRouter(prefix="/suppressions", tags=["suppressions"])

_OF_PERSON: Final = tuple(PersonRef.model_fields)
_OF_ENTRY: Final = tuple(name for name in SuppressionRow.model_fields if name != "person")
_WRITTEN: Final = tuple(name for name in SuppressionView.model_fields if name not in ("note", "lift_note"))
"""The columns of an export: notes are free text, and stay where they are."""
_PAGE: Final = 200
_SECONDS: Final = 15.0
"""Of each batch of an import: outreach asks intake who the persons are."""
DryRun = Annotated[bool, Query(description="Whether it is only to be said what would become of each row.")]
_CSV: Final = {"schema": {"type": "string"}, "example": "email,reason\nada@example.com,unsubscribed\n"}


class RefusedRow(BaseModel):
    """A row that was not taken."""

    row: int
    """Which: 1 is the first below the header."""
    field: str | None = None
    """The column that is wrong; empty where the row as a whole is."""
    reason: str
    """Why, and what to do; never what was in it."""


class SuppressionImport(BaseModel):
    """What became of the rows of a file."""

    counts: dict[str, int]
    """How many have which verdict."""
    refused: list[RefusedRow]
    """Those that were not taken."""


@router.get("")
async def list_suppressions(principal: Admitted, query: Annotated[ListSuppressions, Query()]) -> SuppressionList:
    """The suppression ledger, newest first, a page at a time; with `lead_id` what holds for that lead."""
    return await principal.ask(query)


@router.post("", status_code=HTTPStatus.CREATED)
async def suppress(
    principal: Admitted, given: Annotated[BaseModel, sent(Suppress, "suppression_id", "actor")], key: OptionalKey
) -> SuppressionView:
    """Have a lead's person not be contacted, by whatever lead, from the reply on."""
    return await principal.ask(
        order(Suppress, given, suppression_id=key.made_id if key else None, actor=principal.actor)
    )


@router.delete("/{suppression_id}")
async def lift(principal: Admitted, suppression_id: UUID) -> SuppressionView:
    """End an entry, which stays in the ledger; a complaint's is refused."""
    return await principal.ask(Unsuppress(suppression_id=suppression_id, actor=principal.actor))


@router.post("/{suppression_id}/lift")
async def lift_with_note(
    principal: Admitted, suppression_id: UUID, given: Annotated[BaseModel, sent(Unsuppress, "suppression_id", "actor")]
) -> SuppressionView:
    """The same, and say why."""
    return await principal.ask(order(Unsuppress, given, suppression_id=suppression_id, actor=principal.actor))


@router.get("/export", response_class=Response, responses={200: {"content": {"text/csv": _CSV}}})
async def export_suppressions(principal: Admitted) -> StreamingResponse:
    """The whole ledger as CSV, newest first, without its notes."""
    first = await principal.ask(ListSuppressions(limit=_PAGE))
    name = f'attachment; filename="{principal.tenant}-suppressions.csv"'
    return StreamingResponse(_pages(principal, first), media_type="text/csv", headers={"Content-Disposition": name})


@router.post("/import", openapi_extra={"requestBody": {"required": True, "content": {"text/csv": _CSV}}})
async def import_suppressions(principal: Admitted, request: Request, dry_run: DryRun = False) -> SuppressionImport:
    """Have the persons of a CSV file not be contacted, those too of whom there is no lead yet; with `dry_run` only say what would be.

    Its first line names the columns: of the person `email`, `phone`, `linkedin_url`, `country`, `lead_id`, `source_system`, `source_id`; of
    the entry `reason`, `channel`, `campaign_id`, `expires_at`, `note`. To send a file again changes nothing.
    """
    return await imported(principal, await request.body(), dry_run)


async def imported(principal: Principal, file: bytes, dry_run: bool) -> SuppressionImport:
    """What becomes of the rows of a file, a batch at a time.

    Raises:
        ProblemError: it is no CSV file in UTF-8 with columns that we know, or outreach does not answer.
    """
    rows = _read(file)
    results: list[RowResult] = []
    for start in range(0, len(rows), MOST_ROWS):
        batch = rows[start : start + MOST_ROWS]
        good = [row for row in batch if isinstance(row, SuppressionRow)]
        told: Iterator[RowResult] = iter(())
        if good:
            wanted = ImportSuppressions(rows=good, actor=principal.actor, dry_run=dry_run)
            told = iter((await principal.ask(wanted, seconds=_SECONDS)).results)
        results += [next(told) if isinstance(row, SuppressionRow) else row for row in batch]
    return SuppressionImport(
        counts=Counter(result.verdict.value for result in results),
        refused=[
            RefusedRow(row=number, field=result.field, reason=result.reason or "")
            for number, result in enumerate(results, start=1)
            if result.verdict is RowVerdict.REFUSED
        ],
    )


def _read(body: bytes) -> list[SuppressionRow | RowResult]:
    """The rows of a file, each as an entry to make, or why it is none.

    Raises:
        ProblemError: `invalid`, it is no CSV file in UTF-8 with columns that we know.
    """
    try:
        lines = csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        columns = lines.fieldnames or ()
        if not columns or not {*columns} <= {*_OF_PERSON, *_OF_ENTRY} or len({*columns}) < len(columns):
            known = ", ".join((*_OF_PERSON, *_OF_ENTRY))
            raise ProblemError(ProblemCode.INVALID, f"the first line names the columns, each once, of: {known}")
        return [_row(line) for line in lines]
    except (UnicodeDecodeError, csv.Error):
        raise ProblemError(
            ProblemCode.INVALID, "the body is no CSV file in UTF-8, with quotes where they belong"
        ) from None


def _row(line: dict[Any, Any]) -> SuppressionRow | RowResult:
    if None in line:
        return RowResult(verdict=RowVerdict.REFUSED, reason="it has more cells than there are columns")
    given = {name: cell for name, cell in line.items() if cell}
    person = {name: given.pop(name) for name in _OF_PERSON if name in given}
    try:
        return SuppressionRow.model_validate({"person": person, **given})
    except ValidationError as error:
        flaw = error.errors(include_url=False, include_input=False)[0]
        field = next((str(part) for part in flaw["loc"] if part != "person"), None)
        return RowResult(verdict=RowVerdict.REFUSED, field=field, reason=flaw["msg"].removeprefix("Value error, "))


async def _pages(principal: Principal, page: SuppressionList) -> AsyncIterator[str]:
    yield _written([_WRITTEN])
    while True:
        views = [entry.model_dump(mode="json", include=set(_WRITTEN)) for entry in page.suppressions]
        yield _written([view[name] for name in _WRITTEN] for view in views)
        if page.next_cursor is None:
            return
        page = await principal.ask(ListSuppressions(limit=_PAGE, cursor=page.next_cursor))


def _written(rows: Iterable[Iterable[object]]) -> str:
    # Every cell is an id, a time or one of our words: none can begin a formula.
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()
