"""The tenant's settings: its rates, how long what is kept, and how it is read. Each says what it means, and what is wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from contracts.documents.schema import schema_of
from contracts.gateway import ChangeTenant, NewTenantSettings, TenantSettings, TenantView
from contracts.message import ProblemError
from gateway.api.settings import settings_now
from gateway.gate import Admitted, Principal
from gateway.pages.filled_in import RIGHT, Filled, Wrong, WrongError, number, text, words, wrong_with
from gateway.pages.sign_in import see_other
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/settings/limits")

_GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "Rates and caps": (
        "leads_per_minute", "leads_per_minute_by_source", "reveals_per_hour", "reveals_per_hour_of_services",
    ),
    "How long what is kept": ("event_months", "message_history_days", "memory_ttl_hours"),
    "Place and clock": ("region", "time_zone"),
    "Leads and outcomes": ("merge", "metadata_allowed", "reason_codes"),
}  # fmt: skip
_OTHERS: Final = "Other settings"


class Shape(StrEnum):
    """How a setting is filled in."""

    NUMBER = "number"
    TEXT = "text"
    CHOICE = "choice"
    WORDS = "words"
    """Words set apart by commas."""
    NUMBERS = "numbers"
    """A name and its number on each line."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting, as the contract has it.

    Attributes:
        means: what it means, and what it is where nothing is filled in.
        options: of a choice.
    """

    name: str
    label: str
    shape: Shape
    means: str
    options: tuple[tuple[str, str], ...] = ()


@router.get("")
async def limits(principal: Admitted, request: Request) -> Response:
    now = await settings_now(principal, request)
    return _page(principal, now, _as_typed(now.settings))


@router.post("")
async def change_limits(principal: Admitted, form: Filled, request: Request) -> Response:
    """Have all settings be as they were filled in, unless somebody changed them since they were looked at."""
    now = await settings_now(principal, request)
    try:
        version = number(form, "version")
        settings = NewTenantSettings.model_validate(_read(form))
        if version is None:
            raise WrongError("version", "say of which version")
        await principal.ask(ChangeTenant(version=version, settings=settings, ordered_by=principal.actor))
    except (ValidationError, ProblemError, WrongError) as error:
        return _page(principal, now, {name: text(form, name) for name in form}, wrong_with(error))
    return see_other(f"/t/{principal.tenant}/settings/limits")


def _page(principal: Principal, now: TenantView, typed: Mapping[str, str], wrong: Wrong = RIGHT) -> Response:
    return page(
        "limits.html",
        wrong.status,
        principal=principal,
        now=now,
        groups=settings_in_groups(),
        typed={"version": str(now.version)} | dict(typed),
        values=_as_typed(now.settings),
        wrong=wrong,
    )


@cache
def settings_in_groups() -> tuple[tuple[str, tuple[Setting, ...]], ...]:
    """Every setting there is; one that no group names stands among the others."""
    schema = schema_of(NewTenantSettings)
    grouped = {name for names in _GROUPS.values() for name in names}
    groups = dict(_GROUPS) | {_OTHERS: tuple(name for name in schema["properties"] if name not in grouped)}
    return tuple(
        (title, tuple(_setting(name, schema["properties"][name], schema.get("$defs", {})) for name in names))
        for title, names in groups.items()
        if names
    )


def _setting(name: str, schema: dict[str, Any], definitions: dict[str, Any]) -> Setting:
    kind = next((part for part in schema.get("anyOf", ()) if part.get("type") != "null"), schema)
    kind = definitions[kind["$ref"].removeprefix("#/$defs/")] if "$ref" in kind else kind
    options = tuple((word, word.replace("_", " ").capitalize()) for word in kind.get("enum", ()))
    shape = Shape.CHOICE if options else {
        "integer": Shape.NUMBER, "array": Shape.WORDS, "object": Shape.NUMBERS,
    }.get(kind.get("type", ""), Shape.TEXT)  # fmt: skip
    means = " ".join(schema["description"].split())
    if shape is Shape.NUMBER:
        means += f" From {kind['minimum']:,} to {kind['maximum']:,}."
    if shape in (Shape.NUMBER, Shape.TEXT) and schema.get("default") is not None:
        means += f" {schema['default']}, if empty."
    if shape is Shape.NUMBERS:
        means += " One on each line, like `crm = 500`."
    if shape is Shape.WORDS:
        means += " Set apart by commas or lines."
    return Setting(name, name.replace("_", " ").capitalize(), shape, means, options)


def _read(form: Filled) -> dict[str, Any]:
    """All settings, as they were filled in; one that was left empty is at its default.

    Raises:
        WrongError: one cannot be read.
    """
    found: dict[str, Any] = {}
    for _, group in settings_in_groups():
        for setting in group:
            match setting.shape:
                case Shape.NUMBER:
                    value: Any = number(form, setting.name)
                case Shape.WORDS:
                    value = words(text(form, setting.name))
                case Shape.NUMBERS:
                    value = _numbers(form, setting.name)
                case _:
                    value = text(form, setting.name) or None
            if value is not None:
                found[setting.name] = value
    return found


def _numbers(form: Filled, name: str) -> dict[str, int]:
    found = {}
    for line in text(form, name).splitlines():
        called, equals, value = line.rpartition("=")
        try:
            if line.strip():
                found[called.strip()] = int(value)
        except ValueError:
            raise WrongError(name, "write a name and its number on each line, like crm = 500") from None
        if line.strip() and not equals:
            raise WrongError(name, "write a name and its number on each line, like crm = 500")
    return found


def _as_typed(settings: TenantSettings) -> dict[str, str]:
    """Settings, as they are typed."""
    typed = {}
    for name, value in settings.model_dump(mode="json").items():
        match value:
            case None:
                typed[name] = ""
            case list():
                typed[name] = ", ".join(value)
            case dict():
                typed[name] = "\n".join(f"{called} = {number}" for called, number in value.items())
            case _:
                typed[name] = str(value)
    return typed
