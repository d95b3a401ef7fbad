"""What is in an export adds up, whatever repeats what in it, and only what is new is left to send."""

import csv
import io
import tracemalloc
from collections.abc import Iterable
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.exports.errors import LeadLoopError
from chassis.exports.mapping import loads
from chassis.exports.reading import Tally, Unsent, unsent
from chassis.exports.rows import BadRow, Rows
from leadloop.errors_file import ErrorsFile

MAPPING = """\
source_system: crm
lead:
  source_id: { column: Id }
  full_name: { column: Name }
outcomes:
  - type: { column: Stage }
    when: { column: Stage, not_null: true }
    occurred_at: { value: 2026-01-05 }
"""
Cells = tuple[str, str, str]
"""Id, name and stage of a row; without an id it is bad."""


class Noted(ErrorsFile):
    """Errors kept in memory."""

    def __init__(self) -> None:
        super().__init__(Path("export.csv"))
        self.rows: list[BadRow] = []

    def write(self, row: BadRow) -> None:
        self.rows.append(row)


def reading(rows: Iterable[Cells]) -> tuple[list[Unsent], Tally, list[BadRow]]:
    file = io.StringIO()
    csv.writer(file).writerows([("Id", "Name", "Stage"), *rows])
    tally, errors = Tally(), Noted()
    stream = io.BytesIO(file.getvalue().encode())
    works = list(unsent(Rows(stream, loads(MAPPING, "m.yaml")).read(b"key"), tally, errors))
    assert len(works) == tally.rows
    return [work for work in works if work], tally, errors.rows


def kept(works: Iterable[Unsent]) -> list[tuple[int, bool, bool]]:
    """The good rows by number: whether the lead is to be sent, and the outcomes."""
    return [(work.row.number, work.lead is not None, work.outcomes is not None) for work in works]


def test_a_row_that_repeats_another_is_sent_once_and_its_new_outcomes_are_sent() -> None:
    works, tally, errors = reading(
        [("1", "Ann", "contacted"), ("1", "Ann", "contacted"), ("1", "Ann", "invalid"), ("2", "Ann", "")]
    )
    assert kept(works) == [(1, True, True), (2, False, False), (3, False, True), (4, True, False)]
    assert tally == Tally(rows=4, repeated=2, outcomes=3)
    assert errors == []


def test_a_row_that_goes_back_to_what_another_superseded_is_told() -> None:
    works, tally, (error,) = reading([("1", "Ann", ""), ("1", "Bo", ""), ("2", "Cy", ""), ("1", "Ann", "invalid")])
    assert kept(works) == [(1, True, False), (2, True, False), (3, True, False), (4, False, True)]
    assert (tally.repeated, tally.superseded) == (1, 1)
    assert (error.number, error.line, error.field) == (4, 5, "")
    assert "row 2 between the two says otherwise" in error.reason
    assert "last_activity_at" in error.reason


@given(st.lists(st.tuples(st.sampled_from(["", "1", "2"]), st.sampled_from("ab"), st.sampled_from(["", "contacted"]))))
def test_numbers_add_up_whatever_repeats_what(rows: list[Cells]) -> None:
    works, tally, errors = reading(rows)
    leads = [work.lead.id for work in works if work.lead]
    outcomes = [work.outcomes.id for work in works if work.outcomes]
    assert len(leads) == len({(id_, name) for id_, name, _ in rows if id_})
    assert len(outcomes) == len({(id_, name) for id_, name, stage in rows if id_ and stage})
    assert tally.rows == len(rows) == tally.bad_rows + len(leads) + tally.repeated
    assert tally.bad_rows == sum(not id_ for id_, _, _ in rows)
    assert tally.outcomes == sum(bool(id_ and stage) for id_, _, stage in rows)
    assert len(errors) == tally.bad_rows + tally.superseded

    # What the services make of it: a command that they know changes nothing.
    state: dict[str, str] = {}
    known: set[tuple[str, str]] = set()
    stale = 0
    for id_, name, _ in rows:
        if id_ and (id_, name) not in known:
            known.add((id_, name))
            state[id_] = name
        stale += bool(id_) and state[id_] != name
    assert tally.superseded == stale


def test_memory_does_not_grow_with_the_rows() -> None:
    names = (f"{a}{b}{c}" for a, b, c in product("abcdefghijklmnopqrstuvwxyz", repeat=3))
    mapping, tally = loads(MAPPING, "m.yaml"), Tally()
    stream = io.BytesIO("".join(["Id,Name,Stage\n", *(f"{name},{'n' * 300},\n" for name in names)]).encode())
    tracemalloc.start()
    assert sum(1 for _ in unsent(Rows(stream, mapping).read(b"key"), tally, Noted())) == 26**3
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 500_000


class TestErrorsFile:
    def test_there_is_a_file_only_for_a_run_with_errors(self, tmp_path: Path) -> None:
        export = tmp_path / "leads.csv"
        with ErrorsFile(export) as errors:
            errors.write(BadRow(3, 4, "intent", "unknown"))
        assert (errors.count, errors.outlived) == (1, False)
        assert (tmp_path / "leads.errors.csv").read_text() == "row,line,field,reason\n3,4,intent,unknown\n"
        with ErrorsFile(export) as none:
            assert errors.path.exists()
        assert (none.count, none.outlived) == (0, True)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("written", [0, 1])
    def test_a_run_that_does_not_come_to_its_end_leaves_the_file_as_it_was(self, tmp_path: Path, written: int) -> None:
        earlier = tmp_path / "leads.errors.csv"
        earlier.write_text("of an earlier run")
        with pytest.raises(KeyboardInterrupt), ErrorsFile(tmp_path / "leads.csv") as errors:
            for number in range(written):
                errors.write(BadRow(number, number, "", "r"))
            raise KeyboardInterrupt
        assert earlier.read_text() == "of an earlier run"
        assert list(tmp_path.iterdir()) == [earlier]

    def test_where_it_cannot_be_written_that_is_said_with_what_to_do(self, tmp_path: Path) -> None:
        export = tmp_path / "absent" / "leads.csv"
        told = r"leads\.errors\.csv: No such file .* copy the export to a folder"
        with pytest.raises(LeadLoopError, match=told), ErrorsFile(export) as errors:
            errors.write(BadRow(1, 2, "", "r"))

    @pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
    def test_no_cell_begins_a_formula(self, tmp_path: Path, start: str) -> None:
        with ErrorsFile(tmp_path / "x.csv") as errors:
            errors.write(BadRow(1, 2, f"{start}A1", f"{start}B1"))
        with errors.path.open(newline="") as file:
            assert list(csv.reader(file))[1] == ["1", "2", f"'{start}A1", f"'{start}B1"]
