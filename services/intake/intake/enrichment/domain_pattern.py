"""E-mail addresses made by a pattern: what stands before the at sign, of a person's names."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from intake.enrichment.domain_found import Fields
from intake.leads.domain_email import read_email

_SPELT: Final = str.maketrans(
    {"ß": "ss", "æ": "ae", "ø": "o", "œ": "oe", "đ": "d", "ł": "l", "þ": "th", "ð": "d", "ı": "i"}
)
_PLACEHOLDER: Final = re.compile(r"\{(first|last|f|l)\}")


def letters(name: str) -> str:
    """The name's letters as addresses have them: lower case, in ASCII, accents left out; "" for other scripts.

    >>> letters("Zoë"), letters("van der Berg"), letters("Groß")
    ('zoe', 'vanderberg', 'gross')
    """
    plain = unicodedata.normalize("NFKD", name.casefold().translate(_SPELT))
    if any(c.isalpha() and not c.isascii() for c in plain):
        return ""
    return "".join(c for c in plain if c.isascii() and c.isalnum())


def names(contact: Fields) -> tuple[str, str]:
    """The first and the last name; of a full name alone, its first and its last word."""
    words = contact.get("full_name", "").split()
    first = contact.get("first_name") or (words[0] if words else "")
    last = contact.get("last_name") or (words[-1] if len(words) > 1 else "")
    return letters(first), letters(last)


def address(pattern: str, first: str, last: str, domain: str) -> str | None:
    """The address of somebody called so (`letters`), or none where a name is missing or no mail could reach it.

    >>> address("{f}{last}", "ada", "example", "example.com")
    'aexample@example.com'
    """
    values = {"first": first, "last": last, "f": first[:1], "l": last[:1]}
    if not all(values[placeholder] for placeholder in _PLACEHOLDER.findall(pattern)):
        return None
    local = _PLACEHOLDER.sub(lambda match: values[match[1]], pattern)
    return read_email(f"{local}@{domain}") if len(local) <= 64 else None


def best_address(contact: Fields, domain: str, trusted: Mapping[str, float], least: float) -> tuple[str, float] | None:
    """The address by the pattern that is trusted most, and how far; none where none is trusted at all, or less than `least`."""
    first, last = names(contact)
    for pattern, confidence in sorted(trusted.items(), key=lambda item: (-item[1], item[0])):
        if confidence <= 0 or confidence < least:
            break
        if email := address(pattern, first, last, domain):
            return email, confidence
    return None
