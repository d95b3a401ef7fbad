"""How an export is cut into pages. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from contracts.intake.privacy import ExportKind

ROOM: Final = 800_000
"""Bytes of JSON that the entries of a page may hold; the broker takes 1 MiB (``max_payload``)."""


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


def shorten(content: Mapping[str, Any], room: int = ROOM) -> dict[str, Any]:
    """The content without the values that make it too large for a page; `left_out` names them, if there are any."""
    kept = dict(content)
    left_out: list[str] = []
    while size_of(kept) > room:
        largest = max(kept, key=lambda name: size_of({name: kept[name]}))
        del kept[largest]
        left_out.append(largest)
    return {**kept, "left_out": left_out} if left_out else kept
