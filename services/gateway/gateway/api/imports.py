"""Imports: a file is uploaded, mapped, checked, imported, and taken back if need be."""

import asyncio
import csv
import io
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from contracts.cells import harmless
from contracts.intake.imports import (
    CHUNK_BYTES,
    ERRORS_AT_ONCE,
    MOST_CHUNKS,
    AddImportChunk,
    CancelImport,
    CheckImport,
    CreateImport,
    FinishUpload,
    GetImport,
    ImportDetails,
    ImportErrorPage,
    ImportErrorView,
    ImportPage,
    ImportPreview,
    ImportState,
    ImportView,
    KeptLeadPage,
    ListImportErrors,
    ListImports,
    ListKeptLeads,
    PreviewImport,
    RevertImport,
    SetImportMapping,
    StartImport,
)
from contracts.message import ProblemCode, ProblemError
from gateway import live
from gateway.api.idempotency import OptionalKey
from gateway.api.orders import Paging, order, sent
from gateway.gate import Admitted, Principal
from gateway.limits import Kind, limited

router = APIRouter(prefix="/imports", tags=["imports"])

_CSV: Final = {"schema": {"type": "string"}, "example": "Id,Name,Email\nL-1,Ada Example,ada@example.com\n"}
_ERRORS: Final = {"schema": {"type": "string"}, "example": "row,line,field,reason\n3,4,source_id,is empty\n"}
_COLUMNS: Final = tuple(ImportErrorView.model_fields)
_CHUNK_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.5
UNDER_WAY: Final = frozenset({ImportState.CHECKING, ImportState.RUNNING, ImportState.REVERTING})
"""Somebody is at work on it."""
FromChunk = Annotated[
    int,
    Query(
        ge=0,
        lt=MOST_CHUNKS,
        description=f"How many chunks of {CHUNK_BYTES:,} bytes are here: the body begins behind them.",
    ),
]


@router.get("")
async def list_imports(principal: Admitted, query: Annotated[ListImports, Query()]) -> ImportPage:
    """Imports, those of the command line too, newest first, a page at a time."""
    return await principal.ask(query)


@router.post("", status_code=HTTPStatus.CREATED)
async def create_import(
    principal: Admitted,
    given: Annotated[BaseModel, sent(CreateImport, "run_id", "actor")],
    key: OptionalKey,
    response: Response,
) -> ImportView:
    """Begin an import; then upload its file, say what its columns mean, and start it."""
    run_id = key.id("import") if key else None
    made = await principal.ask(order(CreateImport, given, run_id=run_id, actor=principal.actor))
    response.headers["Location"] = f"/api/t/{principal.tenant}/imports/{made.run_id}"
    return made


@router.get("/{run_id}")
async def get_import(principal: Admitted, run_id: UUID) -> ImportDetails:
    """How an import stands, what its columns are called, and what they mean."""
    return await principal.ask(GetImport(run_id=run_id))


@router.put(
    "/{run_id}/file",
    dependencies=[limited(Kind.UPLOADING)],
    openapi_extra={"requestBody": {"required": True, "content": {"text/csv": _CSV}}},
)
async def upload_file(principal: Admitted, run_id: UUID, request: Request, from_chunk: FromChunk = 0) -> ImportView:
    """Upload an import's file, of 512 MiB at most; it is kept as it comes, so that what breaks off goes on from `chunks`.

    To send again what is here changes nothing; another file under the same import is a conflict.
    """
    return await kept(principal, run_id, request.stream(), from_chunk)


@router.put("/{run_id}/mapping")
async def set_import_mapping(
    principal: Admitted, run_id: UUID, given: Annotated[BaseModel, sent(SetImportMapping, "run_id")]
) -> ImportView:
    """Say what the columns mean; a mapping that does not fit the file is refused, each problem with its line and key."""
    return await principal.ask(order(SetImportMapping, given, run_id=run_id))


@router.post("/{run_id}/preview")
async def preview_import(
    principal: Admitted, run_id: UUID, given: Annotated[BaseModel, sent(PreviewImport, "run_id", "actor")]
) -> ImportPreview:
    """The first rows of a file that was not started yet, with all that is personal in them; that they were seen is told."""
    return await principal.ask(order(PreviewImport, given, run_id=run_id, actor=principal.actor))


@router.post("/{run_id}/check", status_code=HTTPStatus.ACCEPTED)
async def check_import(principal: Admitted, run_id: UUID) -> ImportView:
    """Have every row looked at, and nothing imported: `check` tells what was found, and the errors which rows are wrong."""
    return await principal.ask(CheckImport(run_id=run_id, actor=principal.actor))


@router.post("/{run_id}/start", status_code=HTTPStatus.ACCEPTED)
async def start_import(
    principal: Admitted, run_id: UUID, given: Annotated[BaseModel, sent(StartImport, "run_id", "actor")]
) -> ImportView:
    """Import every row; of an import that stands still, those that were not."""
    return await principal.ask(order(StartImport, given, run_id=run_id, actor=principal.actor))


@router.post("/{run_id}/cancel")
async def cancel_import(principal: Admitted, run_id: UUID) -> ImportView:
    """Stop an import; what it has imported stays."""
    return await principal.ask(CancelImport(run_id=run_id, actor=principal.actor))


@router.post("/{run_id}/revert", status_code=HTTPStatus.ACCEPTED)
async def revert_import(principal: Admitted, run_id: UUID) -> ImportView:
    """Take an import back: leads that nobody has touched are withdrawn, its outcomes are voided."""
    return await principal.ask(RevertImport(run_id=run_id, actor=principal.actor))


@router.get("/{run_id}/errors")
async def list_import_errors(principal: Admitted, run_id: UUID, query: Annotated[Paging, Query()]) -> ImportErrorPage:
    """What was not imported and why, by row and field, a page at a time; of a dry run what would not be."""
    return await principal.ask(ListImportErrors(run_id=run_id, **query.model_dump()))


@router.get("/{run_id}/errors/export", response_class=Response, responses={200: {"content": {"text/csv": _ERRORS}}})
async def export_import_errors(principal: Admitted, run_id: UUID) -> StreamingResponse:
    """All of them as CSV."""
    return await errors_file(principal, run_id)


@router.get("/{run_id}/kept")
async def list_kept_leads(principal: Admitted, run_id: UUID, query: Annotated[Paging, Query()]) -> KeptLeadPage:
    """Which leads of an import that was reverted stay, and why, a page at a time."""
    return await principal.ask(ListKeptLeads(run_id=run_id, **query.model_dump()))


@router.get(
    "/{run_id}/progress/live",
    dependencies=[live.SEAT],
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def follow_import(principal: Admitted, run_id: UUID) -> StreamingResponse:
    """How an import stands whenever that changes, as server-sent events: a `progress` has the data of an import at a glance.

    The stream ends with `end`, where nothing is under way any more; or after a while, with what let its listener in, or when intake is
    away: connect again, as browsers do by themselves.
    """
    first = await principal.ask(GetImport(run_id=run_id))
    return live.stream(principal, _follow(principal, first))


async def _follow(principal: Principal, first: ImportDetails) -> AsyncGenerator[str]:
    async for view in views(principal, first):
        if view is None:
            yield live.SIGN_OF_LIFE
            continue
        yield live.told("progress", view.model_dump_json(include=set(ImportView.model_fields)))
        if view.state not in UNDER_WAY:
            yield live.told("end")


async def views(principal: Principal, view: ImportDetails) -> AsyncIterator[ImportDetails | None]:
    """An import as it stands and whenever that changes, and nothing where it has not for long.

    It ends when nothing is under way any more, and when intake is away.
    """
    clock = asyncio.get_running_loop().time
    told, told_at = None, clock()
    while True:
        if view != told or clock() - told_at > live.SIGN_OF_LIFE_SECONDS:
            yield view if view != told else None
            told, told_at = view, clock()
        if view.state not in UNDER_WAY:
            return
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            view = await principal.ask(GetImport(run_id=view.run_id))
        except ProblemError:
            return


async def kept(principal: Principal, run_id: UUID, body: AsyncIterator[bytes], from_chunk: int = 0) -> ImportView:
    """Have a file be kept as it comes, chunk by chunk, and the import be ready with it.

    Raises:
        ProblemError: `invalid`, the file is empty; `conflict`, another file is here.
    """
    number = from_chunk
    try:
        async for chunk in _chunks(body):
            if number == MOST_CHUNKS:
                raise ProblemError(ProblemCode.INVALID, f"the file has more than {MOST_CHUNKS:,} chunks: split it")
            order = AddImportChunk(run_id=run_id, number=number, content=b64encode(chunk))
            await principal.ask(order, seconds=_CHUNK_SECONDS)
            number += 1
    except ClientDisconnect:
        raise ProblemError(ProblemCode.INVALID, "the file broke off: send the rest of it") from None
    if number == 0:
        raise ProblemError(
            ProblemCode.INVALID, "the file is empty: a CSV file has a line with the names of its columns"
        )
    return await principal.ask(FinishUpload(run_id=run_id, chunks=number), seconds=_CHUNK_SECONDS)


async def _chunks(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    held = bytearray()
    async for part in body:
        held += part
        while len(held) >= CHUNK_BYTES:
            yield bytes(held[:CHUNK_BYTES])
            del held[:CHUNK_BYTES]
    if held:
        yield bytes(held)


async def errors_file(principal: Principal, run_id: UUID) -> StreamingResponse:
    """The errors of an import as a file to download."""
    first = await principal.ask(ListImportErrors(run_id=run_id, limit=ERRORS_AT_ONCE))
    name = f'attachment; filename="{principal.tenant}-import-{run_id.hex[-8:]}-errors.csv"'
    return StreamingResponse(
        _pages(principal, run_id, first), media_type="text/csv", headers={"Content-Disposition": name}
    )


async def _pages(principal: Principal, run_id: UUID, page: ImportErrorPage) -> AsyncIterator[str]:
    yield _written([_COLUMNS])
    while True:
        yield _written([each.row, each.line, harmless(each.field), harmless(each.reason)] for each in page.errors)
        if page.next_cursor is None:
            return
        page = await principal.ask(ListImportErrors(run_id=run_id, limit=ERRORS_AT_ONCE, cursor=page.next_cursor))


def _written(rows: Iterable[Iterable[Any]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()
