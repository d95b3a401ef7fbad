"""What a command says: data for ``--json``, a text for people, and errors that say what to do."""

import csv
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic_core import to_jsonable_python
from rich.console import Console
from rich.table import Table

from chassis.exports.errors import LeadLoopError
from contracts.cells import harmless

if TYPE_CHECKING:  # whoever asks for help needs no messages
    from pydantic import BaseModel

_WIDE = 400
R = TypeVar("R", bound="BaseModel")
Data = Mapping[str, Any] | Sequence[Any]


class CommandError(LeadLoopError):
    """A command could not do what was asked. `data` adds to the message for ``--json``."""

    def __init__(self, message: str, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.data = dict(data or {})


@dataclass
class Answer:
    """A command's answer: `data` as JSON, `shown` (texts and tables) for people, `ok` for the exit status."""

    data: Data
    shown: Sequence[str | Table] = field(default_factory=list)
    ok: bool = True

    def show(self, as_json: bool) -> None:
        if as_json:
            print(json.dumps(to_jsonable_python(self.data)), flush=True)
            return
        # Where nobody looks, no column is folded to a screen's width.
        console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDE)
        for part in self.shown:
            if isinstance(part, Table):
                console.print(part)
            else:
                print(part, flush=True)


class Printed(Answer):
    """The answer of a command that printed it while it came."""

    def __init__(self) -> None:
        super().__init__({})

    def show(self, as_json: bool) -> None:
        """There is nothing left to show."""


async def print_rows(model: type[R], rows: AsyncIterator[R], *, as_json: bool) -> Printed:
    """Print rows while they come, so that none is kept: as a JSON array, or as CSV with a header, without formulas."""
    if as_json:
        separator = "["
        async for row in rows:
            print(separator, row.model_dump_json(), sep="\n", end="")
            separator = ","
        print("[]" if separator == "[" else "\n]", flush=True)
    else:
        out = csv.writer(sys.stdout, lineterminator="\n")
        out.writerow(model.model_fields)
        async for row in rows:
            out.writerow([harmless(_cell(value)) for value in row.model_dump(mode="json").values()])
        sys.stdout.flush()
    return Printed()


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case list():
            return " ".join(value)
        case dict():
            return json.dumps(value)
    return str(value)


def fail(error: Exception, as_json: bool) -> int:
    """Say why a command failed; returns its exit status."""
    if as_json:
        print(json.dumps(to_jsonable_python({"error": str(error), **getattr(error, "data", {})})))
    else:
        print(f"leadloop: {error}", file=sys.stderr)
    return 1


def table(title: str, *columns: str, right: Sequence[str] = ()) -> Table:
    """An empty table in the command line's one style; the columns in `right` hold numbers."""
    made = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold", header_style="dim")
    return made
