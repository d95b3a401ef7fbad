"""Forms: what somebody filled in becomes a request, and what is wrong with it is told where it was filled in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar
from zoneinfo import ZoneInfo

from fastapi import Depends, Request
from pydantic import BeforeValidator, ValidationError
from starlette.datastructures import FormData

from chassis.received import meant
from contracts.message import ProblemError
from contracts.values import Slug
from gateway.problems import STATUS

V = TypeVar("V")
Chosen = Annotated[V | None, BeforeValidator(lambda text: text or None)]
"""A choice of a form, of which the empty one is none."""
TypedCode = Annotated[Slug | None, BeforeValidator(lambda text: "_".join(text.lower().split()) or None)]
"""A code as somebody types it: `Price too high` stands for `price_too_high`."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with what was filled in.

    Attributes:
        text: of all of it; empty where the fields say it.
        fields: of which field what.
        status: what the page is answered with.
    """

    text: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    status: HTTPStatus = HTTPStatus.BAD_REQUEST


RIGHT: Final = Wrong(status=HTTPStatus.OK)


class WrongError(Exception):
    """What was filled in cannot be read, before any service is asked: a field of it, or all of it where none is named."""

    def __init__(self, field_: str, text: str) -> None:
        super().__init__(text)
        self.wrong = Wrong(fields={field_: text}) if field_ else Wrong(text)


async def _fields(request: Request) -> FormData:
    return await request.form(max_files=0)


Filled = Annotated[FormData, Depends(_fields)]
"""A form as it was sent, for what has more fields than a model can name."""


def wrong_with(error: ValidationError | ProblemError | WrongError, *within: str) -> Wrong:
    """What an error says, by the fields of the form: a field of a request is called as it is.

    Parameters:
        within: what fields lie within that have a form's name of their own.
    """
    match error:
        case WrongError():
            return error.wrong
        case ProblemError():
            return Wrong(error.problem.message, status=STATUS[error.problem.code])
    fields: dict[str, str] = {}
    rest: list[str] = []
    for flaw in error.errors(include_url=False, include_input=False):
        at = [str(part) for part in flaw["loc"]]
        name, *path = at[1:] if at and at[0] in within and len(at) > 1 else at or [""]
        says = flaw["msg"].removeprefix("Value error, ") + meant(flaw)
        if path:
            says = f"{'.'.join(path)}: {says}"
        if not name:
            rest.append(says)
        elif name not in fields:
            fields[name] = says
    return Wrong("; ".join(rest), fields)


def words(text: str) -> list[str]:
    """The words of a field that takes several, set apart by commas or lines."""
    return [word for part in text.replace("\n", ",").split(",") if (word := part.strip())]


def number(form: FormData, name: str) -> int | None:
    """A whole number of a form; none where the field is empty.

    Raises:
        WrongError: it is none.
    """
    typed = text(form, name)
    if not typed:
        return None
    try:
        return int(typed)
    except ValueError:
        raise WrongError(name, "is no whole number") from None


def moment(form: FormData, name: str, zone: str) -> datetime | None:
    """A moment of a form, by a time zone's clock where it names none; none where the field is empty.

    Raises:
        WrongError: it is none.
    """
    typed = text(form, name)
    if not typed:
        return None
    try:
        read = datetime.fromisoformat(typed)
        return (read if read.tzinfo else read.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
    except (ValueError, OverflowError):
        raise WrongError(name, "is no moment: write one like 2026-11-30T12:00") from None


def text(form: FormData, name: str) -> str:
    """What a field of a form holds, without the spaces around it."""
    held = form.get(name, "")
    return held.strip() if isinstance(held, str) else ""


def several(form: FormData, name: str) -> Sequence[str]:
    """What the fields of this name hold."""
    return [held for held in form.getlist(name) if isinstance(held, str)]


def given(**fields: Any) -> dict[str, Any]:
    """The fields that were filled in; of the others the request has its own defaults."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}
