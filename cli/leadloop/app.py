"""What every command shares: its home, its two ways to answer, and what becomes of an error."""

import asyncio
import os
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from cyclopts import Parameter
from pydantic_core import ValidationError

from chassis.exports.errors import LeadLoopError
from contracts.message import ProblemError, is_tenant
from leadloop.errors import told
from leadloop.home import Home
from leadloop.output import Answer, fail


def _is_slug(_: object, tenant: str | None) -> None:
    if tenant is not None and not is_tenant(tenant):
        raise ValueError("A tenant is 1 to 63 lower-case letters, digits and hyphens.")


Tenant: TypeAlias = Annotated[str, Parameter(validator=_is_slug)]


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """What every command takes."""

    home: Annotated[Path | None, Parameter(help="the home; $LEADLOOP_HOME or ~/.leadloop by default")] = None
    json: Annotated[bool, Parameter(help="answer in JSON")] = False

    def open(self, *, create: bool = False) -> Home:
        """The home.

        Raises:
            HomeError: there is none, and none may be created.
        """
        return Home.open(self.home, create=create)


def carry_out(command: Coroutine[Any, Any, Answer], as_json: bool) -> int:
    """Run a command and show its answer; returns the exit status, 0 only when what was asked is done."""
    try:
        answer = asyncio.run(command)
    except BrokenPipeError:
        return _seen_enough()
    except (LeadLoopError, ProblemError) as error:
        return fail(error, as_json)
    except ValidationError as error:
        return fail(LeadLoopError(f"this cannot be asked: {told(error.errors())}"), as_json)
    except OSError as error:
        return fail(LeadLoopError(f"{error.strerror}: {error.filename or ''}".strip(": ")), as_json)
    except KeyboardInterrupt:
        fail(LeadLoopError("stopped"), as_json)
        return 130
    try:
        answer.show(as_json)
    except BrokenPipeError:
        _seen_enough()
    return 0 if answer.ok else 1


def _seen_enough() -> int:
    """Whoever reads has seen enough; nor may the interpreter's own flush at its end fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
