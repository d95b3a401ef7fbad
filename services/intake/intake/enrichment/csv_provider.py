"""The provider that answers from a tenant's CSV file, in the folder that the operator named."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from contracts.intake.providers import CsvSettings
from intake.enrichment.csv_tables import Question, Tables, plain
from intake.enrichment.domain_run import Price, ProviderError
from intake.enrichment.domain_template import Known, fill
from intake.enrichment.settings import ProviderSettings


class CsvProvider:
    """Looks into the file as it is at the moment of each question: it may have been replaced."""

    price = Price()
    repeatable = True

    def __init__(self, tenant: str, settings: CsvSettings, where: ProviderSettings, tables: Tables) -> None:
        self._tenant = tenant
        self._settings = settings
        self._where = where
        self._tables = tables

    def about(self, known: Known) -> str | None:
        self._wanted(known)
        return None

    async def ask(self, known: Known, trusted: Mapping[str, float], call: UUID) -> Sequence[Mapping[str, Any]]:
        fields, wanted = self._settings.fields, self._wanted(known)
        path = await asyncio.to_thread(self._path)
        question = Question(path, tuple(fields.values()), tuple(self._settings.match), wanted)
        return [dict(zip(fields, row, strict=True)) for row in await self._tables.rows(question)]

    def _wanted(self, known: Known) -> dict[str, list[str]]:
        """By column, the values of which one is to be there, for a criterion may be several."""
        wanted = {}
        for column, template in self._settings.match.items():
            if values := {plain(value) for value in fill(template, known).split(",")} - {""}:
                wanted[column] = sorted(values)
        return wanted

    def _path(self) -> Path:
        """The file, which is in the tenant's folder wherever links lead."""
        if self._where.files is None:
            raise ProviderError("no_file")
        try:
            folder = (self._where.files / self._tenant).resolve(strict=True)
            path = (folder / self._settings.file).resolve(strict=True)
        except OSError:
            raise ProviderError("no_file") from None
        if path.parent != folder or not path.is_file():
            raise ProviderError("no_file")
        return path
