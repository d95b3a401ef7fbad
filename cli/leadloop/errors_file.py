"""``FILE.errors.csv``: what an import could not apply, row by row, and why."""

import csv
from pathlib import Path
from types import TracebackType
from typing import TextIO

from leadloop.rows import BadRow

COLUMNS = ["row", "line", "field", "reason"]
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula (OWASP, CSV Injection)."""


class ErrorsFile:
    """Writes the errors of one run as they are found; without any there is no file, not even that of the run before.

    A row may have several; those that only a service finds come after those of rows further down. Use it as a context
    manager. `count` is how many were written.
    """

    def __init__(self, export: Path) -> None:
        self.path = export.with_suffix(".errors.csv")
        self.count = 0
        self._file: TextIO | None = None

    def __enter__(self) -> "ErrorsFile":
        self.path.unlink(missing_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()

    def write(self, row: BadRow) -> None:
        """Append an error.

        Raises:
            OSError: the file cannot be written.
        """
        if self._file is None:
            self._file = self.path.open("w", newline="", encoding="utf-8")
            csv.writer(self._file).writerow(COLUMNS)
        csv.writer(self._file).writerow([row.number, row.line, _harmless(row.field), _harmless(row.reason)])
        self.count += 1


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
