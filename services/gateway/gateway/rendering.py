"""Templates into pages."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

TEMPLATES: Final = Environment(
    loader=PackageLoader("gateway"),
    autoescape=True,
    undefined=StrictUndefined,
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(name: str, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any) -> HTMLResponse:
    """A response with a template filled in."""
    return HTMLResponse(fragment(name, **values), status, headers)


def fragment(name: str, **values: Any) -> str:
    """A template filled in, as a part of a page."""
    return TEMPLATES.get_template(name).render(values)


def clock(moment: datetime, zone: str, now: datetime) -> str:
    """A moment as a line of a list shows it: the time of day, with the day before it unless that is today."""
    local, today = moment.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone)).date()
    return f"{local:%H:%M:%S}" if local.date() == today else f"{local.day} {local:%b %H:%M}"


def field(moment: datetime, zone: str) -> str:
    """A moment as a field for one holds it, by a time zone's clock: `2026-11-30T12:00:00`."""
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M:%S}"


def words(name: str) -> str:
    """A word of the taxonomy, or another for programs, as people read it."""
    return name.replace("_", " ").lower()


def option(name: str) -> tuple[str, str]:
    """Such a word as a choice of a form."""
    return name, words(name).capitalize()


def cut(text: str, most: int) -> str:
    """The beginning of a text that is longer than a list has room for; it ends after a word, where there is one to end after."""
    if len(text) <= most:
        return text
    begin = text[:most]
    return (begin.rsplit(None, 1)[0] if " " in begin else begin) + " …"


TEMPLATES.filters |= {"cut": cut, "clock": clock, "field": field, "words": words, "option": option}
