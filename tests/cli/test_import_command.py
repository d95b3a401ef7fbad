"""What `leadloop import` says of a file: to people, to scripts, and in the file of errors."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from leadloop.commands_leads import answer, import_
from leadloop.errors_file import ErrorsFile
from leadloop.importing import Report
from leadloop.main import run

MAPPING = "source_system: shop\nlead:\n  source_id: { column: Id }\n  full_name: { column: Name }\n"
GOOD, BAD = "Id,Name\n1,Ann\n", "Id,Name\n,Ann\n"


@dataclass
class Import:
    """An export, its mapping and the errors file in a folder of their own, and no home at all."""

    folder: Path
    capture: pytest.CaptureFixture[str]

    @property
    def file(self) -> Path:
        return self.folder / "leads.csv"

    @property
    def mapping(self) -> Path:
        return self.folder / "m.yaml"

    @property
    def errors(self) -> Path:
        return self.folder / "leads.errors.csv"

    def run(self, text: str, *options: str) -> tuple[int, str, str]:
        """The exit status, and what goes to standard output and error."""
        self.file.write_text(text)
        words = ["import", str(self.file), "--map", str(self.mapping), "--tenant", "acme"]
        status = run([*words, "--home", str(self.folder / "home"), *options])
        return status, *self.capture.readouterr()

    def ask(self, text: str, *options: str) -> tuple[int, dict[str, Any]]:
        status, out, err = self.run(text, *options, "--json")
        assert err == ""
        return status, json.loads(out)


@pytest.fixture
def importing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Import:
    prepared = Import(tmp_path, capsys)
    prepared.mapping.write_text(MAPPING)
    return prepared


class TestDryRun:
    def test_a_file_of_which_every_row_can_be_used_is_good(self, importing: Import) -> None:
        assert importing.ask(GOOD, "--dry-run") == (
            0,
            {"dry_run": True, "rows": 1, "bad_rows": 0, "repeated": 0, "superseded": 0, "outcomes": 0,
             "errors_file": None},
        )  # fmt: skip
        assert "1 of 1 rows would be sent" in importing.run(GOOD, "--dry-run")[1]

    def test_a_bad_row_is_an_exit_status_and_a_file(self, importing: Import) -> None:
        status, data = importing.ask(GOOD + ",Bo\n", "--dry-run")
        assert (status, data["rows"], data["bad_rows"], data["errors_file"]) == (1, 2, 1, str(importing.errors))
        assert importing.errors.read_text().splitlines()[1].startswith("2,3,source_id,")

    def test_it_says_when_it_replaces_or_removes_the_errors_of_an_earlier_run(self, importing: Import) -> None:
        importing.errors.write_text("of an earlier run")
        assert "in place of those of an earlier run" in importing.run(BAD, "--dry-run")[1]
        assert "of an earlier run is removed" in importing.run(GOOD, "--dry-run")[1]
        assert not importing.errors.exists()

    async def test_it_can_be_stopped_and_then_leaves_the_errors_of_an_earlier_run(self, importing: Import) -> None:
        importing.errors.write_text("of an earlier run")
        importing.file.write_text(GOOD + ",Bad\n2,Bo\n" * 10_000)
        task = asyncio.create_task(import_(importing.file, map=importing.mapping, tenant="acme", dry_run=True))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert importing.errors.read_text() == "of an earlier run"
        assert {path.name for path in importing.folder.iterdir()} == {"leads.csv", "leads.errors.csv", "m.yaml"}


def test_where_no_home_is_the_errors_of_an_earlier_run_stay(importing: Import) -> None:
    importing.errors.write_text("of an earlier run")
    for text in (GOOD, BAD):
        status, out, err = importing.run(text)
        assert (status, out) == (1, "")
        assert "there is no LeadLoop home" in err
        assert importing.errors.read_text() == "of an earlier run"


@pytest.mark.parametrize("counts, said", [
    ({"rows": 0}, "nothing was sent: the file has no rows"),
    ({"rows": 2, "bad_rows": 2}, "nothing was sent: every row is bad"),
    ({"rows": 3, "bad_rows": 1, "rejected": 1, "duplicate": 1, "repeated": 1}, "nothing changed: every lead was rejected"),
    ({"rows": 3, "bad_rows": 1, "rejected": 1, "duplicate": 1}, "nothing changed: every row that can be used had been applied before"),
    ({"rows": 2, "accepted": 1, "duplicate": 1, "repeated": 1}, None),
    ({"rows": 1, "duplicate": 1, "outcomes": 1, "outcomes_recorded": 1}, None),
])  # fmt: skip
def test_that_nothing_changed_is_said_with_the_reason(tmp_path: Path, counts: dict[str, int], said: str | None) -> None:
    with ErrorsFile(tmp_path / "x.csv") as errors:
        pass
    shown = answer(tmp_path / "x.csv", Report(run_id=UUID(int=1), **counts), errors).shown
    assert [part for part in shown if isinstance(part, str) and part.startswith("nothing")] == ([said] if said else [])


def test_outcomes_that_wait_are_told_and_not_done_yet(tmp_path: Path) -> None:
    counts = {"rows": 1, "accepted": 1, "outcomes": 1}
    with ErrorsFile(tmp_path / "x.csv") as errors:
        pass
    done = answer(tmp_path / "x.csv", Report(run_id=UUID(int=1), **counts, outcomes_recorded=1), errors)
    assert done.ok
    assert "outcomes_waiting" not in done.data
    waits = answer(tmp_path / "x.csv", Report(run_id=UUID(int=1), **counts, outcomes_waiting=1), errors)
    assert not waits.ok
    assert waits.data["outcomes_waiting"] == 1  # type: ignore[call-overload]
    assert any("outcomes that wait: 1, up to 24 hours" in str(part) for part in waits.shown)


def test_rows_that_an_earlier_run_rejected_are_counted_with_what_to_do(tmp_path: Path) -> None:
    with ErrorsFile(tmp_path / "x.csv") as errors:
        pass
    for before in (0, 2):
        report = Report(run_id=UUID(int=1), rows=3, duplicate=1, rejected=2, rejected_before=before)
        found = answer(tmp_path / "x.csv", report, errors)
        assert found.data["rejected_before"] == before  # type: ignore[call-overload]
        assert any("not judged again: 2; " in str(part) and "--again" in str(part) for part in found.shown) == bool(
            before
        )


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_reader_that_has_seen_enough_is_no_error(importing: Import, options: list[str]) -> None:
    importing.file.write_text(GOOD)
    words = ["import", str(importing.file), "--map", str(importing.mapping), "--tenant", "acme", "--dry-run", *options]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as nobody:
        ran = subprocess.run(
            [sys.executable, "-m", "leadloop", *words], stdout=nobody, stderr=subprocess.PIPE, check=False
        )
    assert (ran.returncode, ran.stderr) == (0, b"")
