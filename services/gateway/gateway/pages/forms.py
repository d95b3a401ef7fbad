"""Forms: what somebody typed, and what was wrong with it, in the page's own words."""

from typing import Final
from urllib.parse import urlencode

from pydantic import BaseModel, ValidationError

from contracts.message import ProblemCode, ProblemError

_AROUND: Final = frozenset(
    {"settings", "hours", "audience", "condition", "rows", "person", "smtp", "http", "sandbox", "daily_limits"}
)
"""Fields that only hold others, of which a page's forms say nothing."""


def invalid(error: ValidationError) -> ProblemError:
    """What was typed makes no request: which fields are wrong, and how, without what was in them."""
    flaws = error.errors(include_url=False, include_input=False)
    told = [
        ": ".join(filter(None, (_field(flaw["loc"]), flaw["msg"].removeprefix("Value error, ")))) for flaw in flaws[:5]
    ]
    return ProblemError(ProblemCode.INVALID, "; ".join(told))


def _field(location: tuple[int | str, ...]) -> str:
    """A field of one of our requests as a form says it: ``step 2, delay days``."""
    said: list[str] = []
    for part in location:
        if isinstance(part, str) and part not in _AROUND:
            said.append(part.replace("_", " "))
        elif isinstance(part, int) and said:
            said[-1] = f"{said[-1].removesuffix('s')} {part + 1}"
    return ", ".join(said)


def address(path: str, shown: BaseModel, **changes: object) -> str:
    """A page as it is shown, changed as given; from its first page on, unless the change is another."""
    values = shown.model_dump() | ({"cursor": None} if hasattr(shown, "cursor") else {}) | changes
    query = urlencode(type(shown).model_validate(values).model_dump(mode="json", exclude_defaults=True), doseq=True)
    return f"{path}?{query}" if query else path
