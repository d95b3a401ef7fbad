"""``FILE.errors.csv``: what an import could not apply, row by row, and why."""

import csv
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from chassis.exports.errors import LeadLoopError
from chassis.exports.rows import BadRow
from contracts.cells import harmless

COLUMNS = ["row", "line", "field", "reason"]
"""What a spreadsheet takes for the beginning of a formula (OWASP, CSV Injection)."""


class ErrorsFile:
    """The errors of the last run, dry or not, that came to its end; where that found none, there is no file.

    Use it as a context manager. Errors are gathered in a file beside it that takes its place at the end; a run that
    fails, or is stopped, leaves the file as it was. A row may have several errors; those that only a service finds come
    after those of rows further down.

    Attributes:
        count: how many errors were written.
        outlived: whether there was a file of an earlier run, which the end of this one replaces or removes.

    Raises:
        LeadLoopError: the file cannot be written, or an earlier one not be removed.
    """

    def __init__(self, export: Path) -> None:
        self.path = export.with_suffix(".errors.csv")
        self.count = 0
        self.outlived = False
        self._draft = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        self.outlived = self.path.exists()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._explained():
                if self._file:
                    self._file.close()
                if error is None and self._file:
                    self._draft.replace(self.path)
                elif error is None:
                    self.path.unlink(missing_ok=True)
        finally:
            if self._file:
                self._draft.unlink(missing_ok=True)

    def write(self, row: BadRow) -> None:
        """Append an error."""
        with self._explained():
            if self._file is None:
                self._file = self._draft.open("x", newline="", encoding="utf-8")
                csv.writer(self._file).writerow(COLUMNS)
            csv.writer(self._file).writerow([row.number, row.line, harmless(row.field), harmless(row.reason)])
        self.count += 1

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LeadLoopError(
                f"the errors cannot be listed in {self.path}: {error.strerror}; "
                "copy the export to a folder with room that you may write to, and import it from there"
            ) from None


def errors_found(errors: ErrorsFile) -> list[str]:
    """What a run says of the errors it found, and of those of a run before."""
    if errors.count:
        instead = ", in place of those of an earlier run" if errors.outlived else ""
        return [f"errors: {errors.count}, with row, field and reason in {errors.path}{instead}"]
    return [f"errors: none; {errors.path} of an earlier run is removed"] if errors.outlived else []
