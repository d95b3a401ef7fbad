"""The command line's root: what every command shares."""

import asyncio
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from contracts.message import ProblemError
from leadloop.csv_records import ExportError
from leadloop.home import Home, HomeError
from leadloop.mapping import MappingError
from leadloop.output import Answer, CommandError, fail
from leadloop.process import ProcessFailed

app = App(
    name="leadloop",
    help="Run LeadLoop and work with it. Every command takes --home (or LEADLOOP_HOME) and answers --json.",
    version_flags=[],
)


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """What every command takes."""

    home: Annotated[Path | None, Parameter(help="the home; $LEADLOOP_HOME or ~/.leadloop by default")] = None
    json: Annotated[bool, Parameter(help="answer in JSON", negative=())] = False

    def open(self, *, create: bool = False) -> Home:
        """The home.

        Raises:
            HomeError: there is none, and none may be created.
        """
        return Home.open(self.home, create=create)


def run(arguments: list[str]) -> int:
    """Carry out one command; returns the exit status, 0 only when what was asked is done."""
    as_json = "--json" in arguments

    async def carry_out(command: Coroutine[Any, Any, Answer]) -> int:
        answer = await command
        answer.show(as_json)
        return 0 if answer.ok else 1

    command, bound, _ = app.parse_args(arguments)
    try:
        result = command(*bound.args, **bound.kwargs)
        return asyncio.run(carry_out(result)) if asyncio.iscoroutine(result) else 0
    except (CommandError, HomeError, ProcessFailed, MappingError, ExportError, ProblemError) as error:
        return fail(error, as_json)
    except OSError as error:
        return fail(CommandError(f"{error.strerror}: {error.filename or ''}".strip(": ")), as_json)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
