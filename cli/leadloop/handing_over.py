"""The rows of a file handed to outreach, a batch at a time, and what became of each of them.

Nothing is remembered here: outreach knows a row that comes again, so a run that was killed goes on when it is run again.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel

from chassis.caller import Caller
from chassis.exports.csv_records import Record
from chassis.exports.mapping import MappingFile
from chassis.exports.mapping_model import TableMapping
from chassis.exports.rows import BadRow, Table, checked, columns_of, takes
from contracts.message import Request
from contracts.outreach.backfill import MOST_ROWS, PendingRow, RowResults, RowVerdict, SentRow, SuppressionRow
from leadloop.backfill_model import PendingMapping, SentMapping, SuppressionMapping
from leadloop.errors_file import ErrorsFile
from leadloop.patience import patiently

R = TypeVar("R", SentRow, PendingRow, SuppressionRow)
_MOST_BYTES = 500_000
"""Of the rows of one request; a message of 1 MiB is the most that the broker takes."""
_ANSWER_SECONDS = 60.0
Ask = Callable[[Sequence[Any]], Request[RowResults]]
"""Makes the request that hands rows over."""


@dataclass(kw_only=True)
class Report:
    """How it went: every row is a bad one, or was taken, known before, or refused."""

    rows: int = 0
    bad_rows: int = 0
    """Rows that cannot be read."""
    taken: int = 0
    known: int = 0
    """Those that were taken before, or repeat another row."""
    refused: int = 0
    seconds: float = 0.0


class HandedRow(NamedTuple, Generic[R]):
    """A data row (`number` from 1, blank rows not counted) that begins in `line` of the file."""

    number: int
    line: int
    row: R
    size: int
    """Bytes of its JSON."""


@dataclass
class HandingOver:
    """One run.

    Parameters:
        caller: asks the services as the operator.
        tenant: whose rows they are.
        errors: takes the rows that cannot be read, and those that are refused.
        progress: told after every batch how many bytes and rows have been read.
    """

    caller: Caller
    tenant: str
    errors: ErrorsFile
    progress: Callable[[int, int], None] = lambda *_: None
    report: Report = field(default_factory=Report)

    async def run(self, table: Table[HandedRow[R]], rows: Iterator[HandedRow[R] | BadRow], ask: Ask) -> Report:
        """Hand every row over, and count.

        Raises:
            ProblemError: outreach refused a request, or is away for long.
            LeadLoopError: the file cannot be read on, or the errors not be written.
        """
        began = monotonic()
        batch: list[HandedRow[R]] = []
        size = 0
        for row in rows:
            self.report.rows += 1
            if isinstance(row, BadRow):
                self.report.bad_rows += 1
                self.errors.write(row)
                if self.report.bad_rows % MOST_ROWS == 0:
                    await asyncio.sleep(0)  # here it can be stopped
                continue
            if batch and (len(batch) == MOST_ROWS or size + row.size > _MOST_BYTES):
                await self._hand(batch, ask)
                self.progress(table.bytes_read, self.report.rows)
                batch, size = [], 0
            batch.append(row)
            size += row.size
        if batch:
            await self._hand(batch, ask)
        self.progress(table.bytes_read, self.report.rows)
        self.report.seconds = monotonic() - began
        return self.report

    async def _hand(self, batch: Sequence[HandedRow[R]], ask: Ask) -> None:
        request = ask([row.row for row in batch])
        answer = await patiently(lambda: self.caller.ask(self.tenant, request, seconds=_ANSWER_SECONDS))
        for row, result in zip(batch, answer.results, strict=True):
            self.report.taken += result.verdict is RowVerdict.TAKEN
            self.report.known += result.verdict is RowVerdict.KNOWN
            if result.verdict is RowVerdict.REFUSED:
                self.report.refused += 1
                self.errors.write(BadRow(row.number, row.line, result.field or "", result.reason or ""))


def sent_rows(table: Table[Any], file: MappingFile[SentMapping]) -> Iterator[HandedRow[SentRow] | BadRow]:
    return _rows(table, file.mapping, "message", SentRow)


def pending_rows(table: Table[Any], file: MappingFile[PendingMapping]) -> Iterator[HandedRow[PendingRow] | BadRow]:
    return _rows(table, file.mapping, "message", PendingRow)


def suppression_rows(
    table: Table[Any], file: MappingFile[SuppressionMapping]
) -> Iterator[HandedRow[SuppressionRow] | BadRow]:
    return _rows(table, file.mapping, "suppression", SuppressionRow)


def _rows(table: Table[Any], mapping: TableMapping, block: str, kind: type[R]) -> Iterator[HandedRow[R] | BadRow]:
    columns = columns_of(table.header, mapping)
    person = takes(columns, mapping.targets_of(("person",)))
    others = takes(columns, mapping.targets_of((block,)))

    def make(number: int, record: Record) -> HandedRow[R]:
        who = {name: value for name, take in person if (value := take(record.cells, number)) is not None}
        if "source_id" not in who:
            who.pop("source_system", None)
        values = {name: value for name, take in others if (value := take(record.cells, number)) is not None}
        row: R = checked(kind, {**values, "person": who})
        return HandedRow(number, record.line, row, _size(row))

    return table.each(make)


def _size(row: BaseModel) -> int:
    return len(row.__pydantic_serializer__.to_json(row))
