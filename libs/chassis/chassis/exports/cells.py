"""The text of a cell made into the value of a field: words, times, amounts, keys."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from contracts.taxonomy import key
from contracts.values import SLUG_PATTERN

Convert = Callable[[str], Any]
"""Makes a value of a text; raises ValueError that says, after the text, what it is not."""


def text(written: str) -> str:
    """The text as it is."""
    return written


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the taxonomy, whatever its case. No synonyms, as intake knows them: the mapping says what is meant."""

    words: type[StrEnum]

    def __call__(self, written: str) -> str:
        folded = written.casefold()
        for word in self.words:
            if word.casefold() == folded:
                return word.value
        raise ValueError(f"is not one of {', '.join(self.words)}")


@dataclass(frozen=True, slots=True)
class Time:
    """An instant in UTC, by a strptime format or else ISO 8601; what has no offset is a time in `zone`."""

    zone: tzinfo
    format: str | None = None

    def __call__(self, written: str) -> datetime:
        try:
            time = datetime.strptime(written, self.format) if self.format else datetime.fromisoformat(written)  # noqa: DTZ007
            return (time if time.tzinfo else time.replace(tzinfo=self.zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            wanted = f"the format {self.format}" if self.format else "ISO 8601 (2025-01-31 09:30); give it a format:"
            raise ValueError(f"is not a time in {wanted}") from None


_SIGNS = str.maketrans("", "", "$€£¥₹' \u00a0\u202f")
_AMOUNT = re.compile(r"(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d+))?")
_AMOUNT_WITH_COMMA = re.compile(r"(\d{1,3}(?:\.\d{3})+|\d+),(\d{1,2})")


def amount(written: str) -> Decimal:
    """Units of currency, rounded to two places: ``1234.5``, ``$1,234.50``, ``1.234,50 €``."""
    bare = written.translate(_SIGNS)
    match = _AMOUNT.fullmatch(bare) or _AMOUNT_WITH_COMMA.fullmatch(bare)
    if not match:
        raise ValueError("is not an amount such as 1234.50 or $1,234.50")
    whole = re.sub("[.,]", "", match[1])
    if len(whole) > 15:
        raise ValueError("is not an amount: it has more than 15 digits before the point")
    return Decimal(f"{whole}.{match[2] or 0}").quantize(Decimal("0.01"), ROUND_HALF_EVEN)


def currency(written: str) -> str:
    """An ISO 4217 code."""
    code = written.upper()
    if not re.fullmatch("[A-Z]{3}", code):
        raise ValueError("is not a currency code of three letters (ISO 4217) such as USD")
    return code


def identifier(written: str) -> UUID:
    """An id of ours."""
    try:
        return UUID(written)
    except ValueError:
        raise ValueError("is not an id such as 01a200aa-b2b0-73c3-8bc5-f06d61bb0467") from None


def number(written: str) -> int:
    """A whole number."""
    if not re.fullmatch("[0-9]{1,9}", written):
        raise ValueError("is not a whole number")
    return int(written)


def slug(written: str) -> str:
    """The text's key (`contracts.taxonomy.key`), where that is a `contracts.values.Slug`."""
    made = key(written)
    if not re.fullmatch(SLUG_PATTERN, made):
        raise ValueError("has no key of 1 to 64 of the characters a-z, 0-9 and _")
    return made
