"""What a provider is asked, with placeholders for what is known; and where in its answer a value is."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from contracts.taxonomy import EnrichmentStep
from intake.enrichment.domain_found import COMPANY, CONTACT

Scalar = str | int | float | bool
Known = Mapping[str, Mapping[str, Scalar | list[str]]]
"""What is known, by namespace and name: ``criteria``, ``company``, ``contact``."""

NAMESPACES: Final = {
    EnrichmentStep.FIND_COMPANIES: ("criteria",),
    EnrichmentStep.FIND_CONTACTS: ("criteria", "company"),
    EnrichmentStep.ENRICH_EMAILS: ("criteria", "company", "contact"),
}
"""What is known at each step."""

_PLACEHOLDER: Final = re.compile(r"\{(criteria|company|contact)\.([a-z0-9_]{1,64})(\??)\}")
_NAMES: Final = {"company": COMPANY, "contact": CONTACT}


class NothingToAskError(Exception):
    """A placeholder that must have a value has none."""


def placeholders(template: str) -> list[tuple[str, str]]:
    """The placeholders of a text, as (namespace, name).

    Raises:
        ValueError: a brace is not a placeholder's, or there is no such field.
    """
    if set("{}") & set(_PLACEHOLDER.sub("", template)):
        raise ValueError("has a brace that is no placeholder's: write {criteria.…}, {company.…} or {contact.…}")
    found = [(match[1], match[2]) for match in _PLACEHOLDER.finditer(template)]
    for namespace, name in found:
        if name not in _NAMES.get(namespace, (name,)):
            raise ValueError(f"{namespace} has no such field; it has {', '.join(_NAMES[namespace])}")
    return found


def fill(template: str, known: Known, spell: Callable[[str], str] = str) -> str:
    """The text with values in the placeholders' places, each as `spell` writes it; "" where only optional values are missing.

    Raises:
        NothingToAskError: a value is missing that must be there.
    """

    def value(match: re.Match[str]) -> str:
        found = known.get(match[1], {}).get(match[2])
        if found in (None, "", []):
            if match[3]:
                return ""
            raise NothingToAskError
        return spell(",".join(found) if isinstance(found, list) else _text(found))

    return _PLACEHOLDER.sub(value, template)


def fill_all(value: Any, known: Known) -> Any:
    """A JSON value with its texts filled in; a text that is nothing but a placeholder becomes the value as it is.

    What lacks an optional value is left out.

    Raises:
        NothingToAskError: a value is missing that must be there.
    """
    if isinstance(value, str):
        match = _PLACEHOLDER.fullmatch(value)
        found = known.get(match[1], {}).get(match[2]) if match else None
        return found if found not in (None, "", []) else fill(value, known) or None
    if isinstance(value, dict):
        return {name: full for name, inner in value.items() if (full := fill_all(inner, known)) is not None}
    if isinstance(value, list):
        return [full for inner in value if (full := fill_all(inner, known)) is not None]
    return value


def texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def at(value: Any, path: str) -> Any:
    """What is at the path in a JSON value.

    Raises:
        LookupError: there is nothing.
    """
    for part in path.split(".") if path else ():
        if isinstance(value, dict):
            value = value[part]
        elif isinstance(value, list) and part.isascii() and part.isdigit():
            value = value[int(part)]
        else:
            raise LookupError
    return value


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
