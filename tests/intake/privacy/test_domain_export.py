"""Whatever is known of a person fits into pages, and nothing of it is lost where it is cut."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from intake.privacy.domain_export import in_parts, size_of

ROOM = 1000
NAMES = st.sampled_from(["personal_metadata", "personal_notes", "source_key", "version"])
PIECES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
VALUES = st.integers() | st.builds(lambda piece, times: {piece: piece * times}, PIECES, st.integers(0, 200))


@given(st.dictionaries(NAMES, VALUES))
def test_a_content_of_any_size_comes_in_parts_that_fit_and_are_the_whole_together(content: dict[str, Any]) -> None:
    first, *parts = in_parts(content, ROOM)
    assert max(map(size_of, (first, *parts))) <= ROOM
    texts: dict[str, str] = {}
    for part in parts:
        texts[part["part_of"]] = texts.get(part["part_of"], "") + part["json"]
    assert list(texts) == first.pop("in_parts", [])
    assert {**first, **{name: json.loads(text) for name, text in texts.items()}} == content


@given(st.dictionaries(NAMES, st.integers()))
def test_what_fits_is_not_cut(content: dict[str, Any]) -> None:
    assert in_parts(content, ROOM) == [content]
