"""A pasted or uploaded table of leads and their outcomes, as rows of a bulk. Pure."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from contracts.message import ProblemCode, ProblemError
from contracts.outcomes import BulkRow
from contracts.taxonomy import OutcomeType

MOST_CHARACTERS: Final = 1_000_000
"""How long a table may be."""
_COLUMNS: Final = (
    "lead_id", "outcome", "occurred_at", "source_system", "source_id", "value", "currency", "reason_code",
    "idempotency_key",
)  # fmt: skip
"""Those that a table may have; without a first line that names them, these are the first ones in this order."""
_SEPARATORS: Final = ("\t", ";", ",")
_OUTCOMES: Final = {type_.value for type_ in OutcomeType}


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table.

    Attributes:
        number: its place among the rows, from 1, the line that names the columns not counted.
        named: the lead it names, as it was written.
        order: what it says; none where that cannot be read.
        flaw: why it cannot.
    """

    number: int
    named: str = field(repr=False)
    order: BulkRow | None
    flaw: str = ""


def read_rows(text: str, usual: OutcomeType, zone: ZoneInfo) -> list[Row]:
    """The rows of a table in CSV, or as a spreadsheet pastes it; empty lines are left out.

    Its first line may name the columns: `lead_id` (or `source_system` and `source_id`), `outcome`, and whatever else an outcome has. Without
    such a line the first column is the lead, the second the outcome and the third when it happened; a lead alone has the `usual` outcome. A
    moment that names no time zone, or a day, is by the clock of `zone`.

    Raises:
        ProblemError: `invalid`, it is no table, or has a column that is unknown.
    """
    text = text.removeprefix("\ufeff").strip()
    first = text.split("\n", 1)[0]
    separator = max(_SEPARATORS, key=first.count)
    try:
        read = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
        lines = [line for line in read if any(cell.strip() for cell in line)]
    except csv.Error:
        raise ProblemError(
            ProblemCode.INVALID, "this is no table in CSV, with quotes where they belong", "rows"
        ) from None
    if not lines:
        return []
    names = [cell.strip().lower() for cell in lines[0]]
    if "lead_id" in names or "source_id" in names:
        if unknown := [name for name in names if name not in _COLUMNS]:
            known = ", ".join(_COLUMNS)
            text = f"column {names.index(unknown[0]) + 1} is called none of {known}"
            raise ProblemError(ProblemCode.INVALID, text, "rows")
        lines = lines[1:]
    else:
        names = list(_COLUMNS[:3])
    return [_row(number, names, line, usual, zone) for number, line in enumerate(lines, start=1)]


def _row(number: int, names: Sequence[str], line: Sequence[str], usual: OutcomeType, zone: ZoneInfo) -> Row:
    cells = {name: cell.strip() for name, cell in zip(names, line, strict=False) if cell.strip()}
    named = cells.get("lead_id") or cells.get("source_id") or ""
    if len(line) > len(names) and any(cell.strip() for cell in line[len(names) :]):
        return Row(number, named, None, f"It has more cells than the {len(names)} columns.")
    outcome = cells.pop("outcome", usual.value).lower().replace(" ", "_")
    if outcome not in _OUTCOMES:
        return Row(number, named, None, f"Its outcome is none of {', '.join(sorted(_OUTCOMES))}.")
    if moment := cells.get("occurred_at"):
        cells["occurred_at"] = _by_clock(moment, zone)
    try:
        return Row(number, named, BulkRow.model_validate({**cells, "type": outcome}))
    except ValidationError as error:
        flaw = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, flaw["loc"]))
        message = flaw["msg"].removeprefix("Value error, ")
        return Row(number, named, None, f"{place}: {message}." if place else f"{message[0].upper()}{message[1:]}.")


def _by_clock(text: str, zone: ZoneInfo) -> str:
    """A moment with its time zone; a text that is none as it is."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone).astimezone(UTC)).isoformat()
    except (ValueError, OverflowError):
        return text
