"""The filters of templates: each takes and makes a bounded text, so that none takes long whatever is written. Pure.

Liquid's own are not used: no limit of Liquid counts what a filter makes before it is shown, and fifteen times ``replace`` in one
placeholder make 8 to the 15th characters of one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote_plus

from liquid.undefined import is_undefined

from contracts.outreach.templates import MOST_TEMPLATE_CHARACTERS


class TooLongError(Exception):
    """A filter would make more text than any message may hold."""


@dataclass(frozen=True, slots=True)
class TextFilter:
    """A filter: a function of a text, bounded in what it takes and makes.

    Attributes:
        make: of the text and the arguments.
        texts: how many texts it takes beside.
        number: whether it takes a whole number before these.
    """

    make: Callable[..., str]
    texts: int = 0
    number: bool = False

    def apply(self, value: object, *arguments: object) -> object:
        """What the filter makes; what is lacking stays lacking, so that a default behind it still stands in."""
        for each in (value, *arguments):
            if is_undefined(each):
                return each
        return _bounded(self.make(text_of(value), *(arguments if self.number else map(text_of, arguments))))


class _Default(TextFilter):
    def apply(self, value: object, *arguments: object) -> object:
        return value if text_of(value).strip() else arguments[0]


def text_of(value: object) -> str:
    """A value as a message shows it; "" where there is none."""
    if value is None or is_undefined(value):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _bounded(text: str) -> str:
    # An argument is a literal or a value, a thousand characters at most; so no filter makes more than that many times its text.
    if len(text) > MOST_TEMPLATE_CHARACTERS:
        raise TooLongError
    return text


def _truncate(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def _truncate_words(text: str, most: int) -> str:
    words = text.split()
    return text if len(words) <= most else f"{' '.join(words[:most])}…"


FILTERS: Final[Mapping[str, TextFilter]] = {
    "default": _Default(str, texts=1),
    "capitalize": TextFilter(str.capitalize),
    "upcase": TextFilter(str.upper),
    "downcase": TextFilter(str.lower),
    "strip": TextFilter(str.strip),
    "append": TextFilter(lambda text, more: text + more, texts=1),
    "prepend": TextFilter(lambda text, more: more + text, texts=1),
    "replace": TextFilter(str.replace, texts=2),
    "remove": TextFilter(lambda text, old: text.replace(old, ""), texts=1),
    "truncate": TextFilter(_truncate, number=True),
    "truncatewords": TextFilter(_truncate_words, number=True),
    "url_encode": TextFilter(quote_plus),
    "words": TextFilter(lambda text: text.replace("_", " ")),
}
"""The filters there are. ``words`` makes words of a key: of ``dublin_oh`` ``dublin oh``."""
