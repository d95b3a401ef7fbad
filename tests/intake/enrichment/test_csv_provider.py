"""The CSV provider: rows of a tenant's own file, and of nothing else."""

import os
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from contracts.intake.providers import CsvSettings
from intake.enrichment import csv_tables
from intake.enrichment.csv_provider import CsvProvider
from intake.enrichment.csv_tables import Tables
from intake.enrichment.domain_run import ProviderError
from intake.enrichment.domain_template import NothingToAskError
from intake.enrichment.settings import ProviderSettings

ROWS = 'Name,State,Web\n"Acme, Inc",OH ,acme.test\nBest,PA,best.test\nCool,oh,cool.test\nShort\n'
FIELDS = {"name": "Name", "domain": "Web"}


async def ask(
    folder: Path | None, known: dict[str, Any] | None = None, tables: Tables | None = None, **settings: Any
) -> Any:
    made = CsvSettings(**{"file": "companies.csv", "fields": FIELDS, **settings})
    asker = CsvProvider("acme", made, ProviderSettings(files=folder), tables or Tables())
    return await asker.ask(known or {}, {}, uuid4())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "companies.csv").write_text(ROWS, encoding="utf-8-sig")
    return tmp_path


async def test_rows_are_found_by_their_columns_whatever_the_case(folder: Path) -> None:
    found = await ask(folder, {"criteria": {"state": "Oh"}}, match={"State": "{criteria.state}"})
    assert found == [{"name": "Acme, Inc", "domain": "acme.test"}, {"name": "Cool", "domain": "cool.test"}]
    several = await ask(folder, {"criteria": {"state": ["PA", "NY"]}}, match={"State": "{criteria.state}"})
    assert [row["name"] for row in several] == ["Best"]
    assert len(await ask(folder, match={"State": "{criteria.state?}"})) == 4
    with pytest.raises(NothingToAskError):
        await ask(folder, match={"State": "{criteria.state}"})


@pytest.mark.parametrize(
    "name", ["../other/companies.csv", "/etc/passwd.csv", "..csv", "a/b.csv", "a\\b.csv", ".csv", "x"]
)
def test_a_file_is_named_without_a_way_out_of_the_folder(name: str) -> None:
    with pytest.raises(ValidationError, match="file"):
        CsvSettings(file=name, fields=FIELDS)


async def test_neither_a_link_nor_another_tenants_file_is_read(folder: Path) -> None:
    (folder / "other").mkdir()
    (folder / "other" / "theirs.csv").write_text(ROWS)
    (folder / "acme" / "link.csv").symlink_to(folder / "other" / "theirs.csv")
    (folder / "acme" / "folder.csv").mkdir()
    for file in ("theirs.csv", "link.csv", "folder.csv", "none.csv"):
        with pytest.raises(ProviderError, match="no_file"):
            await ask(folder, file=file)
    for nowhere in (None, folder / "none"):
        with pytest.raises(ProviderError, match="no_file"):
            await ask(nowhere)


async def test_a_file_that_is_not_what_the_settings_say_is_a_failure(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for content in (b"", b"\xff\xfe", b"Name\nAcme\n", b'Name,Web\n"' + b"x" * 200_000):
        (folder / "acme" / "bad.csv").write_bytes(content)
        with pytest.raises(ProviderError, match="unreadable"):
            await ask(folder, file="bad.csv")
    monkeypatch.setattr(csv_tables, "MOST_BYTES", 10)
    with pytest.raises(ProviderError, match="too_large"):
        await ask(folder)


async def test_a_file_is_read_again_when_it_has_changed_and_only_then(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    reading = csv_tables._Table.read

    def counted(question: Any, stamp: Any) -> Any:
        read.append(question.path)
        return reading(question, stamp)

    monkeypatch.setattr(csv_tables._Table, "read", counted)
    tables, file = Tables(), folder / "acme" / "companies.csv"

    async def named(state: str) -> list[str]:
        found = await ask(folder, {"criteria": {"state": state}}, tables, match={"State": "{criteria.state}"})
        return [row["name"] for row in found]

    for _ in range(3):
        assert (await named("oh"), await named("pa")) == (["Acme, Inc", "Cool"], ["Best"])
    assert len(read) == 1
    await ask(folder, None, tables)
    assert len(read) == 2, "asked by other columns"
    before = file.stat()
    file.write_text(ROWS.replace("Best", "Next"), encoding="utf-8-sig")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert (await named("pa"), len(read)) == (["Next"], 3), "of the same size, and another"
    file.unlink()
    with pytest.raises(ProviderError, match="no_file"):
        await named("pa")


async def test_what_is_held_of_files_is_bounded_and_who_was_not_asked_for_longest_goes_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_tables, "_MOST_BYTES_HELD", 20_000)
    tables = Tables()
    for name in ("a", "b", "c", "a", "d"):
        (folder / "acme" / f"{name}.csv").write_text(ROWS)
        assert len(await ask(folder, None, tables, file=f"{name}.csv")) == 4
    assert [path.name for path, *_ in tables._held] == ["a.csv", "d.csv"]
    monkeypatch.setattr(csv_tables, "_MOST_BYTES_HELD", 1)
    assert len(await ask(folder, None, tables, file="b.csv")) == 4
    assert [path.name for path, *_ in tables._held] == ["b.csv"]
