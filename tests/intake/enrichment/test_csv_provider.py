"""The CSV provider: rows of a tenant's own file, and of nothing else."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from contracts.intake.providers import CsvProvider
from intake.enrichment import csv_provider
from intake.enrichment.csv_provider import CsvAsker
from intake.enrichment.domain_run import ProviderError
from intake.enrichment.domain_template import NothingToAskError
from intake.enrichment.settings import ProviderSettings

ROWS = 'Name,State,Web\n"Acme, Inc",OH ,acme.test\nBest,PA,best.test\nCool,oh,cool.test\nShort\n'
FIELDS = {"name": "Name", "domain": "Web"}


async def ask(folder: Path | None, known: dict[str, Any] | None = None, **settings: Any) -> Any:
    made = CsvProvider(**{"file": "companies.csv", "fields": FIELDS, **settings})
    asker = CsvAsker("acme", made, ProviderSettings(files=folder))
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
        CsvProvider(file=name, fields=FIELDS)


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
    monkeypatch.setattr(csv_provider, "MOST_BYTES", 10)
    with pytest.raises(ProviderError, match="too_large"):
        await ask(folder)
