"""An import ends in the same state however often it is run and whenever it is killed, and says what it could not use."""

import asyncio
import csv
import json
import os
import shutil
import threading
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from leadloop.generator import generate, write
from tests.journeys.operating import Operator
from tests.journeys.test_real_data import MAPPINGS
from tests.waiting import until

MAPPING = """\
source_system: shop
lead:
  source_id: { column: Id }
  full_name: { column: Name }
  phone: { column: Phone }
  tier: { column: Tier }
  created_at: { column: Created }
outcomes:
  - type: contacted
    when: { column: Called, not_null: true }
    occurred_at: { column: Called }
"""
HEADER = ["Id", "Name", "Phone", "Tier", "Created", "Called"]
GOOD = ["1", "Ada Example", "", "A", "2026-01-05", "2026-01-06"]


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    return rewritten(tmp_path / "mapping.yaml", MAPPING)


def rewritten(path: Path, content: str | bytes) -> Path:
    """The file, with this content."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def export(path: Path, *rows: list[str]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *rows])
    return path


def errors_of(file: Path) -> list[tuple[str, str, str, str]]:
    """The rows of an errors file: row, line, field, reason."""
    with file.with_suffix(".errors.csv").open(newline="") as errors:
        return [(row["row"], row["line"], row["field"], row["reason"]) for row in csv.DictReader(errors)]


async def incomplete(operator: Operator, *words: str | Path) -> Any:
    """What an import answers that had to leave something out."""
    ran = await operator.run(*words, "--json")
    assert ran.status == 1, ran
    return json.loads(ran.out)


def feed(pipe: Path, text: str, killed: threading.Event) -> None:
    """Give a reader of a pipe a text, and not its end."""
    # Opened for both, so that it does not wait for a reader.
    with os.fdopen(os.open(pipe, os.O_RDWR), "w") as writer:
        writer.write(text)
        writer.flush()
        killed.wait()


async def state(operator: Operator, tenant: str) -> dict[str, object]:
    """All that an import leaves behind for its users, without the ids that are made at random."""
    async with operator.sql() as sql:
        leads = await sql.fetch(
            """select source_system, source_id, version, tier, source_key, geo_key, created_at, last_activity_at
               from intake.lead where tenant_id = $1 order by source_system, source_id""",
            tenant,
        )
        outcomes = await sql.fetch(
            """select l.source_id, o.type, o.occurred_at, o.value, o.idempotency_key, o.attribution
               from outcomes.outcome o join intake.lead l using (tenant_id, lead_id)
               where o.tenant_id = $1 order by 1, o.sequence""",
            tenant,
        )
    rates = [await operator.win_rates(tenant, by) for by in ("source", "geo")]
    return {"leads": [tuple(row) for row in leads], "outcomes": [tuple(row) for row in outcomes], "rates": rates}


async def test_a_killed_import_that_is_run_again_ends_as_one_that_was_not_killed(
    operator: Operator, known: str, tmp_path: Path
) -> None:
    file, pipe, killed = tmp_path / "crm.csv", tmp_path / "pipe.csv", threading.Event()
    write(file, "crm", 1200, seed=5)
    os.mkfifo(pipe)
    words = ("--map", MAPPINGS["crm"], "--tenant")

    async def begun() -> bool:
        async with operator.sql() as sql:
            return bool(await sql.fetchval("select count(*) > 100 from intake.lead where tenant_id = $1", known))

    importing = await operator.start("import", pipe, *words, known)
    feeding = asyncio.create_task(asyncio.to_thread(feed, pipe, "".join(islice(generate("crm", 1200, 5), 800)), killed))
    try:
        await until(begun, seconds=60, what="the import having begun")
    finally:
        importing.kill()
        await importing.communicate()
        killed.set()
        await feeding

    again = await operator.ask("import", file, *words, known)
    assert again["accepted"] > 0
    assert again["duplicate"] > 0
    assert "nothing changed" in await operator.say("import", file, *words, known)

    clean = f"{known[:50]}-clean"
    await operator.introduce(clean)
    report = await operator.ask("import", file, *words, clean)
    assert report["outcomes_blocked"] == again["outcomes_blocked"] > 0
    assert await state(operator, known) == await state(operator, clean)


async def test_a_second_run_changes_nothing_and_says_so_and_a_changed_row_is_an_update(
    operator: Operator, known: str, tmp_path: Path, mapping: Path
) -> None:
    file = export(tmp_path / "leads.csv", GOOD, ["2", "Grace Example", "", "B", "2026-01-05", ""])
    words = ("import", file, "--map", mapping, "--tenant", known)
    first = await operator.ask(*words)
    assert (first["accepted"], first["outcomes_recorded"], first["changed"]) == (2, 1, True)
    second = await operator.ask(*words)
    assert (second["duplicate"], second["outcomes_duplicate"], second["changed"]) == (2, 1, False)

    export(file, GOOD, ["2", "Grace Example", "", "C", "2026-01-05", ""])
    third = await operator.ask(*words)
    assert (third["duplicate"], third["updated"], third["changed"]) == (1, 1, True)


async def test_another_operators_home_of_the_installation_makes_the_same_ids(
    operator: Operator, known: str, tmp_path: Path, mapping: Path
) -> None:
    file = export(tmp_path / "leads.csv", GOOD, ["2", "", "030 901820", "B", "2026-01-05", "2026-01-06"])
    words = ("import", file, "--map", mapping, "--tenant", known)
    first = await incomplete(operator, *words)
    assert (first["accepted"], first["rejected"], first["rejected_before"]) == (1, 1, 0)

    elsewhere = Operator(tmp_path / "home")
    elsewhere.home.mkdir()
    shutil.copy(operator.home / "home.json", elsewhere.home)
    (elsewhere.home / "keys").mkdir()
    shutil.copy(operator.home / "keys" / "nats-operator.seed", elsewhere.home / "keys")
    shutil.copytree(operator.home / "run", elsewhere.home / "run", ignore=lambda folder, names: [
        name for name in names if not name.endswith(".json")
    ])  # fmt: skip
    second = await incomplete(elsewhere, *words)
    assert (second["changed"], second["duplicate"], second["rejected_before"]) == (False, 1, 1)

    await operator.ask("tenant", "set", known, "region=DE")
    assert "not judged again: 1; " in (await elsewhere.run(*words)).out
    third = await elsewhere.ask(*words, "--again")
    assert (third["accepted"], third["duplicate"], third["outcomes_recorded"]) == (1, 1, 1)
    async with operator.sql() as sql:
        versions = await sql.fetch("select version from intake.lead where tenant_id = $1", known)
    assert [row["version"] for row in versions] == [1, 1]


async def test_what_cannot_be_used_is_named_with_row_field_and_reason_and_harms_nothing_around_it(
    operator: Operator, known: str, tmp_path: Path, mapping: Path
) -> None:
    file = export(
        tmp_path / "leads.csv",
        GOOD,
        ["", "No Id", "", "A", "2026-01-05", ""],
        ["3", "Bad Tier", "", "platinum", "2026-01-05", ""],
        ["4", "Bad Date", "", "A", "yesterday", ""],
        ["5", "Ragged"],
        ["6", "", "12", "A", "2026-01-05", ""],
        ["7", "Called Tomorrow", "", "A", "2026-01-05", "2999-01-01"],
        ["8", "Last Example", "12", "D", "2026-01-05", "2026-01-07"],
    )
    words = ("import", file, "--map", mapping, "--tenant", known)

    checked = await operator.run(*words, "--dry-run", "--json")
    assert checked.status == 1
    assert json.loads(checked.out) == {
        "dry_run": True, "rows": 8, "bad_rows": 4, "repeated": 0, "superseded": 0, "outcomes": 3,
        "errors_file": str(tmp_path / "leads.errors.csv"),
    }  # fmt: skip

    report = await incomplete(operator, *words)
    assert {name: report[name] for name in ("rows", "bad_rows", "accepted", "rejected", "outcomes_refused")} == {
        "rows": 8, "bad_rows": 4, "accepted": 3, "rejected": 1, "outcomes_refused": 1,
    }  # fmt: skip
    assert report["unusable"] == {"phone": 1}, "the lead was taken without its phone"
    assert report["errors_file"] == str(tmp_path / "leads.errors.csv")
    found = errors_of(file)
    assert found[:4] == [
        ("2", "3", "source_id", "is empty: every lead needs the id that its source gave it"),
        ("3", "4", "tier", '"platinum" is not one of A, B, C, D: translate it with map: or give a default:'),
        ("4", "5", "created_at", '"yesterday" is not a time in ISO 8601 (2025-01-31 09:30); give it a format:'),
        ("5", "6", "", "the row has 2 cells, the header 6"),
    ]
    assert {(row, field) for row, _, field, _ in found[4:]} == {
        ("6", "phone"), ("6", "full_name"), ("7", "outcomes.1.occurred_at"),
    }  # fmt: skip

    again = await incomplete(operator, *words)
    assert (again["changed"], again["rejected"], again["duplicate"]) == (False, 1, 3)


async def test_a_dry_run_sends_nothing(operator: Operator, known: str, tmp_path: Path, mapping: Path) -> None:
    file = export(tmp_path / "leads.csv", GOOD)

    async def sent() -> int:
        async with operator.installation.connected() as client:
            return (await client.jetstream().stream_info("COMMANDS")).state.last_seq

    before = await sent()
    answer = await operator.ask("import", file, "--map", mapping, "--tenant", known, "--dry-run")
    assert (answer["dry_run"], answer["rows"], answer["bad_rows"], answer["outcomes"]) == (True, 1, 0, 1)
    assert await sent() == before


async def test_a_wrong_mapping_or_file_fails_before_anything_is_sent(
    operator: Operator, known: str, tmp_path: Path, mapping: Path
) -> None:
    file = export(tmp_path / "leads.csv", GOOD)
    words = ("--map", mapping, "--tenant", known)

    rewritten(mapping, MAPPING.replace("column: Phone", "column: Phne"))
    assert await operator.refused("import", file, *words) == (
        f'{mapping}:5: lead.phone.column: the file has no column "Phne"; did you mean "Phone"?'
    )
    rewritten(mapping, MAPPING.replace("phone:", "phnoe:"))
    assert await operator.refused("import", file, *words) == (
        f'{mapping}:5: lead.phnoe: is not a key of a mapping; did you mean "phone"?'
    )
    rewritten(mapping, MAPPING)
    assert "the file is empty" in await operator.refused("import", rewritten(file, b""), *words)
    assert "No such file" in await operator.refused("import", tmp_path / "absent.csv", *words)
    assert "there is no tenant nobody" in await operator.refused(
        "import", export(file, GOOD), "--map", mapping, "--tenant", "nobody"
    )
    async with operator.sql() as sql:
        assert await sql.fetchval("select count(*) from intake.lead where tenant_id = $1", known) == 0


async def test_a_file_as_exports_are(operator: Operator, known: str, tmp_path: Path, mapping: Path) -> None:
    """A byte order mark, CRLF, a quoted cell over lines, 10,000 columns, and one row in another encoding."""
    more = [f"Extra {number}" for number in range(10_000 - len(HEADER))]
    rest = [""] * len(more)
    rows = [
        [*HEADER, *more],
        ["1", 'Ada "the first"\r\nExample', "+1 614 555 0100", "A", "2026-01-05", "2026-01-06", *rest],
        ["2", "Zoë", "", "B", "2026-01-05", "", *rest],
        ["3", "Grace Example", "", "C", "2026-01-05", "", *rest],
    ]
    text = "".join(",".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row) + "\r\n" for row in rows)
    content = text.encode("utf-8-sig").replace("Zoë".encode(), "Zoë".encode("cp1252"))
    file = rewritten(tmp_path / "wide.csv", content)
    rewritten(mapping, MAPPING + "encoding: utf-8\n")

    report = await incomplete(operator, "import", file, "--map", mapping, "--tenant", known)
    assert (report["accepted"], report["bad_rows"], report["outcomes_recorded"]) == (2, 1, 1)
    ((row, line, field, reason),) = errors_of(file)
    assert (row, line, field) == ("2", "4", "Name")
    assert "not utf-8" in reason
