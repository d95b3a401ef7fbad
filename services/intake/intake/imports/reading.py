"""An import's file read by its mapping, some rows at a time, in a thread: what reads CSV and checks rows takes its time."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.exports.reading import Tally, Unsent, unsent
from chassis.exports.rows import BadRow, Rows
from chassis.keys import TenantKey, TenantKeys
from chassis.unit_of_work import Database
from intake.imports import contents, uploaded
from intake.imports.uploaded import Stream, as_stream

IMPORTED: str = "import"
"""What the ids of commands are keyed by: the same for every import of a tenant, whoever reads the file (`GetImportKey`)."""
_AGAIN = "import/again"


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a file, one after the other.

    Attributes:
        first: how many rows come before it.
        rows: its good rows, each with those of its commands that no earlier row made.
        errors: what is wrong with its others, and with those that an earlier row contradicts.
        tally: what was read from the first row of the file to the last of the batch.
        bytes_read: how far the file was read.
        is_last: whether the file ends here.
    """

    first: int
    rows: list[Unsent]
    errors: list[BadRow]
    tally: Tally
    bytes_read: int
    is_last: bool


class _Collected(list[BadRow]):
    def write(self, row: BadRow, /) -> None:
        self.append(row)


class Reading:
    """An import's file, from its first row on."""

    def __init__(self, database: Database, keys: TenantKeys, key: TenantKey, run: RowMapping) -> None:
        self._database = database
        self._keys = keys
        self._tenant = key.tenant
        self._run_id: UUID = run["run_id"]
        self._mapping = uploaded.read_mapping(contents.open_mapping(key, self._run_id, run["mapping"]))
        about = (_AGAIN, str(self._run_id)) if run["again"] else (IMPORTED, "")
        self._key = bytes.fromhex(key.lasting_token(*about))
        self._tally = Tally()
        self._errors = _Collected()
        self._rows: Rows | None = None
        self._unsent: Iterator[Unsent | None] = iter(())

    async def take(self, most: int) -> Batch:
        """The next rows, as many at most; bad ones count.

        Raises:
            ExportError: the file is no CSV file from here on.
            MappingError: the file lacks a column.
        """
        loop = asyncio.get_running_loop()
        return await asyncio.to_thread(self._take, most, loop)

    def _take(self, most: int, loop: asyncio.AbstractEventLoop) -> Batch:
        if self._rows is None:
            self._rows = Rows(as_stream(Stream(self._fetch, loop)), self._mapping)
            self._unsent = unsent(self._rows.read(self._key), self._tally, self._errors)
        first = self._tally.rows
        rows = [row for row in islice(self._unsent, most) if row]
        errors, self._errors[:] = list(self._errors), []
        is_last = self._tally.rows - first < most
        return Batch(first, rows, errors, replace(self._tally), self._rows.bytes_read, is_last)

    async def _fetch(self, number: int) -> bytes | None:
        async with self._database.begin(self._tenant) as uow:
            return await uploaded.opened(uow, await self._keys.of(uow, self._tenant), self._run_id, number)
