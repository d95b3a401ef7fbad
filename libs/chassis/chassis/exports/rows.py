"""The rows of a CRM export made into commands, each with an id of its content.

The id of a command is made of its kind and body under a key (docs/adr/0024-ids-under-a-key.md): with the tenant's, the
same row, whenever, wherever and however often it is sent, is the same message; with another key it is another. A body
is JSON in the order of the contract's fields without what is default, so that neither the order of a mapping's rules nor
a new optional field changes it.

An outcome is the same outcome if lead, type, occurred_at and idempotency key are the same. Rows carry no key unless
the mapping takes one: a fact that two rows or two exports tell is recorded once. Where one row names a type twice at
the same time, it means two: the second has the key ``:2``. An outcome without a time is sent without one: it takes the
lead's created_at as intake keeps it, which does not believe every time that a row states.
"""

import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, BinaryIO, Generic, NamedTuple, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError

from chassis.exports.csv_records import Record, Records
from chassis.exports.errors import reason
from chassis.exports.mapping import MappingFile, dotted
from chassis.exports.mapping_model import Mapping, TableMapping, Target
from chassis.exports.rules import BadCellError, Columns, Take
from chassis.exports.yaml_lines import Keys
from contracts.intake.leads import SubmitLead
from contracts.message import Command, keyed_id
from contracts.outcomes import RecordOutcomes

C = TypeVar("C", bound=Command)
B = TypeVar("B", bound=BaseModel)
T = TypeVar("T")
Values = dict[str, Any]

RECORDED_BY = "import"
_BLOCK = re.compile(r"^(?:lead|message|suppression)\.")
LARGEST_BODY = 1_000_000
"""Bytes; a message of 1 MiB is the most that the broker takes, and its headers need room."""


class Prepared(NamedTuple, Generic[C]):
    """A command ready to publish: its message id, and its body as JSON."""

    id: UUID
    command: C
    body: bytes


class Row(NamedTuple):
    """The commands of a data row (`number` from 1, blank rows not counted) that begins in `line` of the file.

    `places` are those of the outcomes in the mapping, from 0; a lead that `is_known` is not submitted.
    """

    number: int
    line: int
    lead: Prepared[SubmitLead]
    outcomes: Prepared[RecordOutcomes] | None
    places: Sequence[int]
    is_known: bool = False

    def flaw(self, outcome: int, field: str, reason: str) -> "BadRow":
        """What is wrong with one of its outcomes (from 0), as `BadRow` says it."""
        return BadRow(self.number, self.line, field_of(("outcomes", outcome, field), self.places), reason)


class BadRow(NamedTuple):
    """A data row that makes no command. `reason` quotes no personal data; `field` is empty where the row is at fault."""

    number: int
    line: int
    field: str
    reason: str


class Table(Generic[T]):
    """An export being read: its header is checked at once, its rows while they are read, once.

    Attributes:
        size: bytes of the file, or None where it is a pipe.

    Raises:
        ExportError: the file cannot be read as CSV (also while reading rows).
        MappingError: the header lacks a column that the mapping names.
    """

    def __init__(self, stream: BinaryIO, mapping_file: MappingFile[Any]) -> None:
        mapping = mapping_file.mapping
        names = {column for target in mapping.targets() for column in target.rule.columns}
        self.size = _size(stream) if stream.seekable() else None
        self._records = Records(stream, mapping.encoding, names)
        self.header = self._records.header
        mapping_file.check_header(self.header)

    def each(self, make: Callable[[int, Record], T]) -> Iterator[T | BadRow]:
        """What is made of each row, given its number; `make` may raise BadCellError."""
        for number, record in enumerate(self._records, start=1):
            yield self._made(number, record, make)

    @property
    def bytes_read(self) -> int:
        """How many bytes of the export have been read: a little ahead of the last row."""
        return self._records.bytes_read

    def _made(self, number: int, record: Record, make: Callable[[int, Record], T]) -> T | BadRow:
        if record.flaw:
            return BadRow(number, record.line, record.column, record.flaw)
        try:
            return make(number, record)
        except BadCellError as error:
            return BadRow(number, record.line, error.field, error.reason)


class Rows(Table[Row]):
    """The rows of an import."""

    def __init__(self, stream: BinaryIO, mapping_file: MappingFile[Mapping]) -> None:
        super().__init__(stream, mapping_file)
        self._prepare = _Preparation(mapping_file.mapping, self.header)

    def read(self, key: bytes) -> Iterator[Row | BadRow]:
        """The rows, their commands' ids made with `key`."""
        return self.each(lambda number, record: Row(number, record.line, *self._prepare(record.cells, number, key)))


def _size(stream: BinaryIO) -> int:
    here = stream.tell()
    end = stream.seek(0, io.SEEK_END)
    stream.seek(here)
    return end


class _Preparation:
    """Makes the commands of a row."""

    def __init__(self, mapping: Mapping, header: list[str]) -> None:
        columns = columns_of(header, mapping)
        self._source_system = mapping.source_system
        self._lead = takes(columns, mapping.lead_targets())
        self._metadata = takes(columns, mapping.metadata_targets())
        self._is_known = mapping.known_leads
        self._outcomes = [
            (at, columns.condition(rules.when) if rules.when else _always, takes(columns, mapping.outcome_targets(at)))
            for at, rules in enumerate(mapping.outcomes)
        ]

    def __call__(
        self, cells: list[str], number: int, key: bytes
    ) -> tuple[Prepared[SubmitLead], Prepared[RecordOutcomes] | None, Sequence[int], bool]:
        values = {name: take(cells, number) for name, take in self._lead}
        metadata = {name: take(cells, number) for name, take in self._metadata}
        source_id = values["source_id"]
        if source_id is None:
            raise BadCellError("source_id", "is empty: every lead needs the id that its source gave it")
        values["source_system"] = self._source_system
        values["metadata"] = {name: text for name, text in metadata.items() if text is not None}
        lead = self._prepared(SubmitLead, values, key)
        outcomes, places = self._outcomes_of(cells, number, values.get("created_at"))
        if not outcomes:
            return lead, None, places, self._is_known
        reference = {"source_system": self._source_system, "source_id": source_id}
        if not self._is_known:
            reference["submission_id"] = lead.id
        batch = {"lead": reference, "outcomes": outcomes, "recorded_by": RECORDED_BY}
        return lead, self._prepared(RecordOutcomes, batch, key, places), places, self._is_known

    def _outcomes_of(
        self, cells: list[str], number: int, created_at: datetime | None
    ) -> tuple[list[Values], list[int]]:
        """The outcomes of a row, and the place of each in the mapping."""
        outcomes: list[Values] = []
        places: list[int] = []
        times: Counter[tuple[Any, ...]] = Counter()
        for at, applies, takes in self._outcomes:
            if not applies(cells, number):
                continue
            outcome = {name: value for name, take in takes if (value := take(cells, number)) is not None}
            if "type" not in outcome:
                continue
            occurred_at = outcome.get("occurred_at", created_at)
            idempotency_key = outcome.get("idempotency_key", "")
            same = outcome["type"], occurred_at, idempotency_key
            times[same] += 1
            if times[same] > 1:
                outcome["idempotency_key"] = f"{idempotency_key}:{times[same]}"
            outcomes.append(outcome)
            places.append(at)
        return outcomes, places

    def _prepared(self, kind: type[C], values: Values, key: bytes, places: Sequence[int] = ()) -> Prepared[C]:
        command = checked(kind, values, places)
        body = command.model_dump_json(exclude_defaults=True).encode()
        if len(body) > LARGEST_BODY:
            raise BadCellError(
                "", f"the row makes a message of {len(body):,} bytes; a message has {LARGEST_BODY:,} at most"
            )
        return Prepared(keyed_id(key, kind.topic.name, body), command, body)


def _always(_cells: list[str], _number: int) -> bool:
    return True


def checked(kind: type[B], values: Values, places: Sequence[int] = ()) -> B:
    """A message, or a part of one, of these values.

    Raises:
        BadCellError: the contract does not allow them.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise BadCellError(field_of(first["loc"], places), reason(first)) from None


def columns_of(header: list[str], mapping: TableMapping) -> Columns:
    return Columns({name: at for at, name in enumerate(header)}, mapping.nulls)


def takes(columns: Columns, targets: Iterable[Target]) -> list[tuple[str, Take]]:
    """What each of the fields is taken by, with its name."""
    return [
        (target.name, columns.value(field_of(target.keys), target.rule, target.convert, target.quotable))
        for target in targets
    ]


def field_of(keys: Keys, places: Sequence[int] = ()) -> str:
    """A field as the errors name it: as in the mapping, but for the block's name that most begin with.

    Parameters:
        places: those of a row's outcomes in the mapping, from 0, where `keys` counts the row's.
    """
    if keys[0] == "outcomes" and places:
        keys = ("outcomes", places[int(keys[1])], *keys[2:])
    return _BLOCK.sub("", dotted(keys), count=1)
