"""The provider that answers from a tenant's CSV file, in the folder that the operator named."""

import asyncio
import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from contracts.intake.providers import CsvProvider
from intake.enrichment.domain_run import Price, ProviderError
from intake.enrichment.domain_template import Known, fill
from intake.enrichment.settings import ProviderSettings

MOST_BYTES = 16 * 2**20


class CsvAsker:
    """Reads the file at every question: it may have been replaced."""

    price = Price()
    repeatable = True

    def __init__(self, tenant: str, settings: CsvProvider, where: ProviderSettings) -> None:
        self._tenant = tenant
        self._settings = settings
        self._where = where

    def about(self, known: Known) -> str | None:
        self._wanted(known)
        return None

    async def ask(self, known: Known, trusted: Mapping[str, float], call: UUID) -> Sequence[Mapping[str, Any]]:
        return await asyncio.to_thread(self._read, self._wanted(known))

    def _wanted(self, known: Known) -> dict[str, set[str]]:
        """By column, the values of which one is to be there, for a criterion may be several."""
        wanted = {}
        for column, template in self._settings.match.items():
            if values := {_plain(value) for value in fill(template, known).split(",")} - {""}:
                wanted[column] = values
        return wanted

    def _read(self, wanted: Mapping[str, set[str]]) -> list[Mapping[str, Any]]:
        rows = csv.DictReader(io.StringIO(self._text(), newline=""))
        try:
            if {*wanted, *self._settings.fields.values()} - set(rows.fieldnames or ()):
                raise ProviderError("unreadable")
            return [
                {name: row[column] for name, column in self._settings.fields.items()}
                for row in rows
                if all(_plain(row[column] or "") in values for column, values in wanted.items())
            ]
        except csv.Error:
            raise ProviderError("unreadable") from None

    def _text(self) -> str:
        try:
            path = self._path()
            if path.stat().st_size > MOST_BYTES:
                raise ProviderError("too_large")
            return path.read_text(encoding="utf-8-sig")
        except OSError:
            raise ProviderError("no_file") from None
        except UnicodeDecodeError:
            raise ProviderError("unreadable") from None

    def _path(self) -> Path:
        """The file, which is in the tenant's folder wherever links lead."""
        if self._where.files is None:
            raise ProviderError("no_file")
        folder = (self._where.files / self._tenant).resolve(strict=True)
        path = (folder / self._settings.file).resolve(strict=True)
        if path.parent != folder or not path.is_file():
            raise ProviderError("no_file")
        return path


def _plain(value: str) -> str:
    return value.strip().casefold()
