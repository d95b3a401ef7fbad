"""An export read for its commands: counted, what is bad written down, and what earlier rows said left out.

A row that repeats another makes the same commands under the same ids, so only the first is worth sending. The ids that
were seen are kept in a temporary database, which SQLite moves to the disk as it grows: memory stays as it is, whatever
the size of the file.
"""

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol

from chassis.exports.errors import LeadLoopError
from chassis.exports.rows import BadRow, Prepared, Row
from contracts.intake.leads import SubmitLead
from contracts.outcomes import RecordOutcomes

_TABLES = """
    create table command (id blob primary key) without rowid;
    create table lead (source_id blob primary key, submission_id blob, row_number integer) without rowid;
"""
_SAY = """
    insert into lead values (?, ?, ?)
    on conflict do update set submission_id = excluded.submission_id, row_number = excluded.row_number
"""
_SAID = "select submission_id, row_number from lead where source_id = ?"


@dataclass(kw_only=True)
class Tally:
    """What is in an export."""

    rows: int = 0
    """Data rows; blank ones do not count."""
    bad_rows: int = 0
    """Rows that make no command."""
    repeated: int = 0
    """Good rows that say of their lead exactly what an earlier row said."""
    superseded: int = 0
    """Those of them that come after a row that said otherwise: the lead stays as that row says."""
    outcomes: int = 0
    """Outcomes in good rows, repeated ones included."""


class Errors(Protocol):
    """Takes what is wrong with rows."""

    def write(self, row: BadRow, /) -> None: ...


class Unsent(NamedTuple):
    """A good row with those of its commands that no earlier row made."""

    row: Row
    lead: Prepared[SubmitLead] | None
    outcomes: Prepared[RecordOutcomes] | None


def unsent(rows: Iterable[Row | BadRow], tally: Tally, errors: Errors) -> Iterator[Unsent | None]:
    """Go through an export: what is to be sent of each row, nothing for a bad one.

    All rows are counted in `tally`; bad and superseded ones are written to `errors`.

    Raises:
        LeadLoopError: there is no room for temporary files, or the errors file cannot be written.
    """
    with closing(sqlite3.connect("", isolation_level=None, check_same_thread=False)) as seen:
        seen.executescript(_TABLES)
        for row in rows:
            tally.rows += 1
            if isinstance(row, BadRow):
                tally.bad_rows += 1
                errors.write(row)
                yield None
            else:
                yield _told_apart(row, seen, tally, errors)


def _told_apart(row: Row, seen: sqlite3.Connection, tally: Tally, errors: Errors) -> Unsent:
    try:
        is_new = _is_new(seen, row.lead)
        outcomes = row.outcomes if row.outcomes and _is_new(seen, row.outcomes) else None
        said_by = _row_that_said_otherwise(seen, row, is_new=is_new)
    except sqlite3.Error as error:
        raise LeadLoopError(
            f"what was read cannot be remembered in {tempfile.gettempdir()}: {error}; make room there, or set TMPDIR"
        ) from None
    tally.repeated += not is_new
    tally.outcomes += len(row.outcomes.command.outcomes) if row.outcomes else 0
    if said_by:
        tally.superseded += 1
        reason = (
            f"repeats an earlier row, and row {said_by} between the two says otherwise of the lead, which stays as row "
            f"{said_by} says: map the time of the last change to last_activity_at to tell the two apart"
        )
        errors.write(BadRow(row.number, row.line, "", reason))
    return Unsent(row, row.lead if is_new and not row.is_known else None, outcomes)


def _is_new(seen: sqlite3.Connection, command: Prepared[Any]) -> bool:
    return seen.execute("insert or ignore into command values (?)", (command.id.bytes,)).rowcount == 1


def _row_that_said_otherwise(seen: sqlite3.Connection, row: Row, *, is_new: bool) -> int | None:
    """The number of the last row that told anything new of the lead, unless this one says the same."""
    # It may be somebody's address, and the database grows into a file.
    source_id = blake2b(row.lead.command.source_id.encode(), digest_size=16).digest()
    id_ = row.lead.id.bytes
    if is_new:
        seen.execute(_SAY, (source_id, id_, row.number))
        return None
    said, number = seen.execute(_SAID, (source_id,)).fetchone()
    return None if said == id_ else int(number)
