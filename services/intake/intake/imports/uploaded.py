"""An import's file, chunk by chunk out of the database, as whoever reads CSV wants it: a stream of bytes."""

import asyncio
import io
from collections.abc import Callable, Coroutine
from typing import Any, BinaryIO, cast
from uuid import UUID

from chassis.exports.csv_records import ExportError, Records
from chassis.exports.errors import LeadLoopError
from chassis.exports.mapping import MappingFile, loads
from chassis.exports.mapping_model import Mapping
from chassis.exports.rows import Rows
from chassis.keys import TenantKey
from chassis.unit_of_work import UnitOfWork
from contracts.message import ProblemCode, ProblemError
from intake.imports import contents, store

_CHUNK_SECONDS = 30.0
_NAME = "mapping"
_USUAL = "utf-8-sig"

Fetch = Callable[[int], Coroutine[Any, Any, bytes | None]]
"""The content of a chunk, or none behind the last."""


class Stream(io.RawIOBase):
    """The file, read in a thread while the loop fetches its chunks; it has no end that is known before."""

    def __init__(self, fetch: Fetch, loop: asyncio.AbstractEventLoop) -> None:
        self._fetch = fetch
        self._loop = loop
        self._chunk = b""
        self._at = 0
        self._next = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1, /) -> bytes:
        """At most so many bytes, and fewer where a chunk ends; none at the end of the file."""
        if self._at == len(self._chunk):
            self._chunk, self._at = self._fetched(), 0
        end = len(self._chunk) if size < 0 else self._at + size
        part = self._chunk[self._at : end]
        self._at += len(part)
        return part

    def _fetched(self) -> bytes:
        found = asyncio.run_coroutine_threadsafe(self._fetch(self._next), self._loop).result(_CHUNK_SECONDS)
        self._next += 1
        return found or b""


def read_mapping(text: str) -> MappingFile[Mapping]:
    """The mapping in a text.

    Raises:
        ProblemError: `invalid`, it is none; each problem is named with its line and key.
    """
    try:
        return loads(text, _NAME)
    except LeadLoopError as error:
        raise ProblemError(ProblemCode.INVALID, str(error), "mapping") from None


def check_header(mapping: MappingFile[Mapping], first_chunk: bytes) -> None:
    """Check that a file has the columns that a mapping names.

    Raises:
        ProblemError: `invalid`, it lacks some, or is no CSV file; each problem is named.
    """
    try:
        Rows(io.BytesIO(first_chunk), mapping)
    except LeadLoopError as error:
        raise ProblemError(ProblemCode.INVALID, str(error), "mapping") from None


def columns(first_chunk: bytes, mapping: MappingFile[Mapping] | None) -> list[str]:
    """The columns of a file; none where it cannot be read."""
    try:
        return _records(first_chunk, mapping).header
    except (ExportError, UnicodeDecodeError):
        return []


def first_rows(first_chunk: bytes, mapping: MappingFile[Mapping] | None, limit: int) -> list[list[str]]:
    """The cells of the first rows that are whole in the first chunk."""
    rows = []
    try:
        for record in _records(first_chunk, mapping):
            rows.append(record.cells)
            if len(rows) == limit:
                break
    except (ExportError, UnicodeDecodeError):
        pass  # the chunk ends in the middle of a row, or is no CSV: what came before it is shown
    return rows


def _records(first_chunk: bytes, mapping: MappingFile[Mapping] | None) -> Records:
    names = {column for target in mapping.mapping.targets() for column in target.rule.columns} if mapping else set()
    return Records(io.BytesIO(first_chunk), mapping.mapping.encoding if mapping else _USUAL, names)


def as_stream(stream: Stream) -> BinaryIO:
    return cast("BinaryIO", stream)


async def opened(uow: UnitOfWork, key: TenantKey, run_id: UUID, number: int) -> bytes | None:
    """A chunk's content; none where it is not here."""
    sealed = await store.chunk(uow, key.tenant, run_id, number)
    return contents.open_chunk(key, run_id, number, sealed) if sealed else None
