"""What imports are asked."""

import hashlib
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping
from uuid_utils.compat import uuid7

from chassis import paging
from chassis.keys import TenantKey, TenantKeys
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.intake import imports as messages
from contracts.intake.imports import ImportOrigin, ImportState
from contracts.message import ProblemCode, ProblemError
from intake.imports import contents, store, telling, uploaded
from intake.imports.domain_import import FILLING, REVERTABLE, STARTABLE, UNDER_WAY, explain


class Handlers:
    """The answers about imports; they share the tenants' keys."""

    def __init__(self, keys: TenantKeys) -> None:
        self._keys = keys

    async def create(self, uow: UnitOfWork, request: Received[messages.CreateImport]) -> messages.ImportView:
        ask = request.body
        return await self._made(uow, request, ask.run_id or uuid7(), ImportState.UPLOADING, ImportOrigin.UPLOAD)

    async def begin(self, uow: UnitOfWork, request: Received[messages.BeginImport]) -> messages.ImportView:
        ask = request.body
        return await self._made(uow, request, ask.run_id, ImportState.RUNNING, ImportOrigin.COMMANDS, ask.bytes)

    async def note(self, uow: UnitOfWork, request: Received[messages.NoteImport]) -> messages.ImportView:
        ask = request.body
        run = await _found(uow, request.tenant, ask.run_id, lock=True)
        if run["origin"] != ImportOrigin.COMMANDS or (
            run["state"] != ImportState.RUNNING and run["state"] != ask.ended
        ):
            raise _conflict(f"the import is {run['state']}")
        if run["state"] == ImportState.RUNNING:
            errors = [(error.row, error.line, error.field, error.reason) for error in ask.errors]
            await store.add_errors(uow, await self._keys.of(uow, request.tenant), ask.run_id, ask.first_error, errors)
            counts = ask.counts.model_copy(update={"errors": ask.first_error + len(errors)})
            run = await store.note(uow, request.tenant, ask.run_id, ask.bytes_read, counts.model_dump_json())
            if ask.ended:
                run = await store.set_state(uow, request.tenant, ask.run_id, ask.ended, ended_at=uow.now)
                telling.ended(uow, request.tenant, run)
        return await self._view(uow, request.tenant, run)

    async def add_chunk(self, uow: UnitOfWork, request: Received[messages.AddImportChunk]) -> messages.ChunkResult:
        ask, tenant = request.body, request.tenant
        run = await _found(uow, tenant, ask.run_id, lock=True)
        key = await self._keys.of(uow, tenant)
        if len(ask.content) > messages.CHUNK_BYTES:
            text = f"a chunk has {messages.CHUNK_BYTES:,} bytes at most"
            raise ProblemError(ProblemCode.INVALID, text, "content")
        token = key.lasting_token("import/chunk", hashlib.sha256(ask.content).hexdigest())
        if run["origin"] != ImportOrigin.UPLOAD or run["state"] != ImportState.UPLOADING:
            if await store.token_of(uow, tenant, ask.run_id, ask.number) != token:
                raise _conflict(f"the import is {run['state']}: its file is not added to any more")
            return messages.ChunkResult(number=ask.number, already=True)
        sealed = contents.seal_chunk(key, ask.run_id, ask.number, ask.content)
        there = await store.add_chunk(uow, tenant, ask.run_id, ask.number, len(ask.content), token, sealed)
        if there not in (None, token):
            raise _conflict(
                f"chunk {ask.number} of another file is here: begin another import for this file", "content"
            )
        return messages.ChunkResult(number=ask.number, already=there is not None)

    async def finish_upload(self, uow: UnitOfWork, request: Received[messages.FinishUpload]) -> messages.ImportView:
        ask, tenant = request.body, request.tenant
        run = await _found(uow, tenant, ask.run_id, lock=True)
        if run["origin"] != ImportOrigin.UPLOAD:
            raise _conflict("the rows of this import come as commands")
        if run["state"] == ImportState.UPLOADING:
            here = (await store.chunks(uow, tenant, [ask.run_id]))[ask.run_id]
            if here < ask.chunks:
                raise _conflict(f"chunk {here} is missing", "chunks")
            if wrong := await store.shorter_chunks(uow, tenant, ask.run_id, messages.CHUNK_BYTES, here - 1):
                raise _conflict(
                    f"chunk {wrong[0]} has less than {messages.CHUNK_BYTES:,} bytes and is not the last", "chunks"
                )
            run = await store.set_state(uow, tenant, ask.run_id, ImportState.READY)
        return await self._view(uow, tenant, run)

    async def set_mapping(self, uow: UnitOfWork, request: Received[messages.SetImportMapping]) -> messages.ImportView:
        ask, tenant = request.body, request.tenant
        run = await _found(uow, tenant, ask.run_id, lock=True)
        if run["origin"] != ImportOrigin.UPLOAD or run["state"] not in FILLING:
            raise _conflict(f"the import is {run['state']}: how its columns are read is settled")
        key = await self._keys.of(uow, tenant)
        mapping = uploaded.read_mapping(ask.mapping)
        if first := await uploaded.opened(uow, key, ask.run_id, 0):
            uploaded.check_header(mapping, first)
        run = await store.set_mapping(uow, tenant, ask.run_id, contents.seal_mapping(key, ask.run_id, ask.mapping))
        return await self._view(uow, tenant, run)

    async def get(self, uow: UnitOfWork, request: Received[messages.GetImport]) -> messages.ImportDetails:
        tenant, run_id = request.tenant, request.body.run_id
        run = await _found(uow, tenant, run_id)
        key = await self._keys.of(uow, tenant)
        text = contents.open_mapping(key, run_id, run["mapping"]) if run["mapping"] else None
        first = await uploaded.opened(uow, key, run_id, 0)
        columns = uploaded.columns(first, uploaded.read_mapping(text) if text else None) if first else []
        view = await self._view(uow, tenant, run)
        return messages.ImportDetails(columns=columns, mapping=text, **view.model_dump())

    async def preview(self, uow: UnitOfWork, request: Received[messages.PreviewImport]) -> messages.ImportPreview:
        ask, tenant = request.body, request.tenant
        run = await _found(uow, tenant, ask.run_id)
        if run["state"] not in FILLING:
            raise _conflict(f"the import is {run['state']}: its file is shown to whoever maps it, and to nobody later")
        key = await self._keys.of(uow, tenant)
        first = await uploaded.opened(uow, key, ask.run_id, 0)
        if first is None:
            raise _conflict("the first chunk of the file is missing")
        mapping = (
            uploaded.read_mapping(contents.open_mapping(key, ask.run_id, run["mapping"])) if run["mapping"] else None
        )
        rows = uploaded.first_rows(first, mapping, ask.limit)
        telling.publish(uow, tenant, run, messages.ImportPreviewed, actor=ask.actor, rows=len(rows))
        return messages.ImportPreview(columns=uploaded.columns(first, mapping), rows=rows)

    async def check(self, uow: UnitOfWork, request: Received[messages.CheckImport]) -> messages.ImportView:
        ask, tenant = request.body, request.tenant
        run = await _found(uow, tenant, ask.run_id, lock=True)
        if run["state"] != ImportState.CHECKING:
            if run["state"] != ImportState.READY:
                raise _conflict(f"the import is {run['state']}: only a file that is here, and not imported, is checked")
            _must_be_mapped(run)
            nothing = {"checked": False, "check_counts": None, "bytes_read": 0}
            run = await store.set_state(uow, tenant, ask.run_id, ImportState.CHECKING, **nothing)
        return await self._view(uow, tenant, run)

    async def start(self, uow: UnitOfWork, request: Received[messages.StartImport]) -> messages.ImportView:
        ask, tenant = request.body, request.tenant
        run = await _found(uow, tenant, ask.run_id, lock=True)
        if run["state"] not in (ImportState.RUNNING, ImportState.COMPLETED):
            if run["state"] not in STARTABLE or run["origin"] != ImportOrigin.UPLOAD:
                raise _conflict(f"the import is {run['state']}")
            _must_be_mapped(run)
            if not await store.chunk(uow, tenant, ask.run_id, 0):
                raise _conflict("the file was deleted, for nobody imported it in time: begin another import")
            resumed = run["started_at"] is not None
            if not resumed:
                await store.drop_errors(uow, tenant, ask.run_id)  # of the dry run
            changed = {
                "failure": None,
                "ended_at": None,
                "ordered_by": ask.actor,
                "started_at": run["started_at"] or uow.now,
            }
            again = run["again"] if resumed else ask.again
            run = await store.set_state(uow, tenant, ask.run_id, ImportState.RUNNING, again=again, **changed)
            told = {"actor": ask.actor, "origin": ImportOrigin.UPLOAD, "resumed": resumed}
            telling.publish(uow, tenant, run, messages.ImportStarted, **told)
        return await self._view(uow, tenant, run)

    async def cancel(self, uow: UnitOfWork, request: Received[messages.CancelImport]) -> messages.ImportView:
        ask, tenant = request.body, request.tenant
        run = await _found(uow, tenant, ask.run_id, lock=True)
        if run["state"] == ImportState.CHECKING:
            run = await store.set_state(uow, tenant, ask.run_id, ImportState.READY)
        elif run["state"] in (ImportState.RUNNING, *FILLING):
            if run["state"] in FILLING:
                await store.drop_file(uow, tenant, ask.run_id)
            run = await store.set_state(
                uow, tenant, ask.run_id, ImportState.CANCELLED, ended_at=uow.now, ordered_by=ask.actor
            )
            telling.ended(uow, tenant, run)
        return await self._view(uow, tenant, run)

    async def revert(self, uow: UnitOfWork, request: Received[messages.RevertImport]) -> messages.ImportView:
        ask, tenant = request.body, request.tenant
        run = await _found(uow, tenant, ask.run_id, lock=True)
        if run["state"] not in (ImportState.REVERTING, ImportState.REVERTED):
            if run["state"] in UNDER_WAY:
                raise _conflict(f"the import is {run['state']}: cancel it first")
            if run["state"] not in REVERTABLE:
                raise _conflict(f"the import is {run['state']}: nothing of it was imported")
            changed = {"failure": None, "ordered_by": ask.actor, "after_lead": None}
            run = await store.set_state(uow, tenant, ask.run_id, ImportState.REVERTING, **changed)
        return await self._view(uow, tenant, run)

    async def list(self, uow: UnitOfWork, request: Received[messages.ListImports]) -> messages.ImportPage:
        ask, tenant = request.body, request.tenant
        rows = await store.page(uow, tenant, ask.state, paging.after(ask.cursor, _place), ask.limit + 1)
        page, more = paging.cut(rows, ask.limit, lambda row: f"{row['created_at'].isoformat()}/{row['run_id']}")
        key = await self._keys.of(uow, tenant)
        chunks = await store.chunks(uow, tenant, [row["run_id"] for row in page])
        return messages.ImportPage(imports=[_view(key, row, chunks[row["run_id"]]) for row in page], next_cursor=more)

    async def list_errors(
        self, uow: UnitOfWork, request: Received[messages.ListImportErrors]
    ) -> messages.ImportErrorPage:
        ask = request.body
        await _found(uow, request.tenant, ask.run_id)
        after = paging.after(ask.cursor, _number) or 0
        rows = await store.errors(uow, request.tenant, ask.run_id, after, ask.limit + 1)
        page, more = paging.cut(rows, ask.limit, lambda row: row["number"])
        key = await self._keys.of(uow, request.tenant)
        told = [(row, contents.open_reason(key, ask.run_id, row["number"], row["reason"])) for row in page]
        return messages.ImportErrorPage(
            errors=[messages.ImportErrorView.model_validate({**row, "reason": reason}) for row, reason in told],
            next_cursor=more,
        )

    async def list_kept(self, uow: UnitOfWork, request: Received[messages.ListKeptLeads]) -> messages.KeptLeadPage:
        ask = request.body
        await _found(uow, request.tenant, ask.run_id)
        rows = await store.kept(uow, request.tenant, ask.run_id, paging.after(ask.cursor, UUID), ask.limit + 1)
        page, more = paging.cut(rows, ask.limit, lambda row: row["lead_id"])
        return messages.KeptLeadPage(
            leads=[messages.KeptLead.model_validate(dict(row)) for row in page], next_cursor=more
        )

    async def _made(
        self,
        uow: UnitOfWork,
        request: Received[messages.CreateImport] | Received[messages.BeginImport],
        run_id: UUID,
        state: ImportState,
        origin: ImportOrigin,
        size: int = 0,
    ) -> messages.ImportView:
        key = await self._keys.of(uow, request.tenant)
        run = {
            "run_id": run_id,
            "actor": request.body.actor,
            "file_name": contents.seal_name(key, run_id, request.body.file_name),
            "cause": telling.cause_of(request.envelope),
        }
        is_new = await store.insert(uow, request.tenant, run, state, origin, size)
        row = await _found(uow, request.tenant, run_id)
        if row["origin"] != origin:
            raise _conflict("there is another import of this id", "run_id")
        if is_new and origin is ImportOrigin.COMMANDS:
            told = {"actor": row["actor"], "origin": origin, "resumed": False}
            telling.publish(uow, request.tenant, row, messages.ImportStarted, **told)
        return await self._view(uow, request.tenant, row)

    async def _view(self, uow: UnitOfWork, tenant: str, run: RowMapping) -> messages.ImportView:
        chunks = await store.chunks(uow, tenant, [run["run_id"]])
        return _view(await self._keys.of(uow, tenant), run, chunks[run["run_id"]])


def _view(key: TenantKey, run: RowMapping, chunks: int) -> messages.ImportView:
    own = {name: run[name] for name in messages.ImportView.model_fields if name in run}
    return messages.ImportView.model_validate(
        {
            **own,
            "file_name": contents.open_name(key, run["run_id"], run["file_name"]),
            "chunks": chunks,
            "mapped": run["mapping"] is not None,
            "check": run["check_counts"],
            "error": explain(run["failure"]) if run["failure"] else None,
        }
    )


async def _found(uow: UnitOfWork, tenant: str, run_id: UUID, *, lock: bool = False) -> RowMapping:
    run = await store.run(uow, tenant, run_id, lock=lock)
    if run is None:
        raise ProblemError(ProblemCode.NOT_FOUND, "this tenant has no such import", "run_id")
    return run


def _must_be_mapped(run: RowMapping) -> None:
    if run["mapping"] is None:
        raise _conflict("say first what its columns mean: set a mapping", "mapping")


def _conflict(text: str, field: str = "run_id") -> ProblemError:
    return ProblemError(ProblemCode.CONFLICT, text, field)


def _place(cursor: str) -> tuple[datetime, UUID]:
    created_at, _, run_id = cursor.partition("/")
    moment = datetime.fromisoformat(created_at)
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment, UUID(run_id)


def _number(cursor: str) -> int:
    number = int(cursor)
    if not 0 < number < 2**31:
        raise ValueError("no error's number")
    return number
