"""What makes two requests the same, or similar: their parts.

A request becomes a set of parts, each a field with one of its values. Two requests are the same when they have the same parts,
and similar when the parts they share are most of what either has (Jaccard's index). Who keeps the parts, or a fingerprint
of them, hashes them under a tenant's key first: a short text such as an e-mail address is guessed from a plain hash.
"""

import json
import math
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from contracts.taxonomy import ActionStatus

SIMILAR = 0.8
"""From which share of common parts on two requests are similar: of five fields one may be missing or added, of nine one may
differ. Below it the same industry in another state would pass for a repetition."""

_EMPTY: tuple[Any, ...] = (None, "", [], {})


def parts(request: Mapping[str, Any]) -> frozenset[str]:
    """The parts of a request (JSON).

    Letters' case and width, spaces, the order of fields and lists, repetitions and empty values make no difference, nor
    does whether a number is written as a text, or one value as a list of one. Whatever else differs makes another part.
    """
    return frozenset(
        json.dumps([*path, value], ensure_ascii=False, sort_keys=True) for path, value in _walk((), _normal(request))
    )


def whole(parts: Collection[str]) -> str:
    """One text for a set of parts, whatever their order; what a fingerprint is made of."""
    return json.dumps(sorted(parts), ensure_ascii=False)


def telling_parts(count: int) -> int:
    """How many of a request's parts, whichever, suffice to find all that is similar: one of those is shared at least.

    Two similar sets share at least `SIMILAR` of the parts that either has, so no more than the rest can be missing
    (prefix filtering: Chaudhuri, Ganti and Kaushik, ICDE 2006).
    """
    return count - math.ceil(SIMILAR * count - 1e-9) + 1 if count else 0


def recall_message(acted_at: datetime, time_zone: str, status: ActionStatus, *, same: bool) -> str:
    """What people are told of an earlier action, with its day in the tenant's time zone."""
    day = acted_at.astimezone(ZoneInfo(time_zone)).date().isoformat()
    words = status.replace("_", " ")
    return f"a similar action on {day}, {words}" + (": it asked for the very same" if same else "")


def _walk(path: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _walk((*path, name), inner)
    elif isinstance(value, list):
        for item in value:
            # An item that has fields is one part as a whole: taken apart, the fields of two would mix.
            yield path, item if isinstance(item, str) else [item]
    else:
        yield path, value


def _normal(value: Any) -> Any:
    """The value with texts for all that is no list and no object, and without what is empty."""
    if isinstance(value, Mapping):
        merged: dict[str, Any] = {}
        for name, inner in value.items():
            if (normal := _normal(inner)) not in _EMPTY:
                name = _text(name)
                merged[name] = _both(merged[name], normal) if name in merged else normal
        return merged
    if isinstance(value, list | tuple):
        distinct = {json.dumps(item, sort_keys=True): item for item in map(_normal, value) if item not in _EMPTY}
        ordered = [distinct[key] for key in sorted(distinct)]
        return ordered[0] if len(ordered) == 1 and isinstance(ordered[0], str) else ordered
    return _text(value)


def _both(one: Any, other: Any) -> Any:
    """The values of two fields whose names differ in letters' case or the like only."""
    return _normal([*(one if isinstance(one, list) else [one]), *(other if isinstance(other, list) else [other])])


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    # Folding can bring forth what is not in normal form, hence twice (Unicode, definition D147).
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", str(value)).casefold())
    return " ".join(folded.split())
