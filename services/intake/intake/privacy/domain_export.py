"""How an export is cut into pages. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Final
from uuid import UUID

from contracts.intake.privacy import ExportKind

ROOM: Final = 800_000
"""Bytes of JSON that the entries of a page may hold; the broker takes 1 MiB (``max_payload``)."""
AROUND: Final = 100
"""Bytes that stand around the content of an entry."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: the kind of entries of a lead, from behind what its source calls `after`, and there how many
    entries further."""

    lead_id: UUID
    kind: ExportKind
    after: str = ""
    skip: int = 0

    def __str__(self) -> str:
        return f"{self.lead_id}:{self.kind}:{self.skip}:{self.after}"

    @classmethod
    def read(cls, cursor: str) -> "Place":
        """Raises ValueError where the text is none."""
        lead, kind, skip, after = cursor.split(":", 3)
        return cls(UUID(lead), ExportKind(kind), after, int(skip))


def size_of(content: Mapping[str, Any]) -> int:
    """Bytes of its JSON."""
    return len(json.dumps(content, ensure_ascii=False).encode(errors="surrogatepass"))


def in_parts(content: Mapping[str, Any], room: int = ROOM) -> list[dict[str, Any]]:
    """The content, in as many contents as it takes for each to fit into a page.

    Where it is too large, its largest values go: `in_parts` names them. Each follows as the text of its JSON, cut into parts,
    which `part_of` names and which put together are the value.
    """
    kept = dict(content)
    large: list[str] = []
    while size_of({**kept, "in_parts": large}) > room and kept:
        large.append(max(kept, key=lambda name: size_of({name: kept[name]})))
        del kept[large[-1]]
    if not large:
        return [kept]
    return [{**kept, "in_parts": large}, *(part for name in large for part in _cut(name, content[name], room // 4))]


def _cut(name: str, value: Any, length: int) -> Iterator[dict[str, Any]]:
    text = json.dumps(value)  # ASCII, each character of which takes two bytes at most where it stands in JSON once more
    count = ceil(len(text) / length)
    for number in range(count):
        piece = text[number * length : (number + 1) * length]
        yield {"part_of": name, "part": number + 1, "parts": count, "json": piece}
