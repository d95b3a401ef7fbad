"""Forms: what somebody filled in becomes a request, and what is wrong with it is told where it was filled in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import Annotated, Any, Final, TypeVar, get_origin
from zoneinfo import ZoneInfo

from fastapi import Depends, Request
from pydantic import BaseModel, BeforeValidator, ValidationError
from starlette.datastructures import FormData

from chassis.received import meant
from contracts.message import ProblemError
from contracts.values import Slug
from gateway.problems import STATUS

V = TypeVar("V")
M = TypeVar("M", bound=BaseModel)
ONCE: Final = "once"
"""The field that holds a form's own key, see `gateway.pages.once`."""
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

    @classmethod
    def of(cls, wrong: Wrong) -> "WrongError":
        """The same for several fields at once."""
        error = cls("", wrong.text)
        error.wrong = wrong
        return error


async def _fields(request: Request) -> FormData:
    return await request.form(max_files=0)


Filled = Annotated[FormData, Depends(_fields)]
"""A form as it was sent, for what has more fields than a model can name."""


def read(kind: type[M], form: FormData) -> M:
    """A form, as its model has it; a field that was left empty is what the model has for it.

    A page reads its form by this, and does not have the framework do so, wherever somebody types: the framework would answer with a page of its
    own, and what was typed would be gone.

    Raises:
        WrongError: fields that the model does not take.
    """
    several_of = {name for name, field in kind.model_fields.items() if get_origin(field.annotation) is list}
    filled = {
        name: several(form, name) if name in several_of else form[name]
        for name in form
        if form[name] != "" and name != ONCE
    }
    try:
        return kind.model_validate(filled)
    except ValidationError as error:
        wrong = wrong_with(error)
        fields = dict(wrong.fields)
        for flaw in error.errors(include_url=False, include_input=False):
            if len(flaw["loc"]) == 1 and (says := _in_words(kind, str(flaw["loc"][0]), flaw["type"])):
                fields[str(flaw["loc"][0])] = says
        raise WrongError.of(Wrong(wrong.text, fields)) from None


def typed(form: FormData) -> dict[str, str]:
    """What was filled in, for the page to show it again; of a field that takes several, see `several`."""
    return {name: text(form, name) for name in form}


def _in_words(kind: type[BaseModel], name: str, flaw: str) -> str:
    """What to write in a field, for flaws of which the library says what only programmers read."""
    match flaw.split("_"):
        case ["missing"]:
            return "fill this in"
        case ["datetime", *_]:
            return "write a moment like 2026-11-30T12:00"
        case ["date", *_]:
            return "write a day like 2026-11-30"
        case ["string", "pattern", "mismatch"]:
            schema = kind.model_json_schema()["properties"].get(name, {})
            examples = [part["examples"][0] for part in (schema, *schema.get("anyOf", ())) if part.get("examples")]
            return f"write something like {examples[0]}" if examples else ""
    return ""


def wrong_with(
    error: ValidationError | ProblemError | WrongError, *within: str, called: Mapping[str, str] = MappingProxyType({})
) -> Wrong:
    """What an error says, by the fields of the form: a field of a request is called as it is.

    Parameters:
        within: what fields lie within that have a form's name of their own.
        called: what the form calls the fields for which a service refuses the order; what it says of others is said above the form.
    """
    match error:
        case WrongError():
            return error.wrong
        case ProblemError(problem=problem):
            if name := called.get(problem.field or ""):
                return Wrong(fields={name: problem.message}, status=STATUS[problem.code])
            return Wrong(problem.message, status=STATUS[problem.code])
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
