"""The rules of compatibility against an independent judge of JSON Schemas, jsoncompat.

It decides whether all that one schema takes another takes too, and knows neither formats nor patterns nor which field
is to blame; so the rules are ours, and what they let pass must pass there.
"""

import json
from typing import Any

import jsoncompat
from hypothesis import given
from hypothesis import strategies as st

from contracts.compatibility import Schema, breaking_changes

TEXTS = st.sampled_from([{}, {"maxLength": 3}, {"maxLength": 5}]).map(lambda most: {"type": "string"} | most)
NUMBERS = st.integers(0, 2).map(lambda least: {"type": "integer", "minimum": least})
WORDS = st.sets(st.sampled_from("abc"), min_size=1).map(lambda few: {"type": "string", "enum": sorted(few)})
PLAIN = TEXTS | NUMBERS | WORDS
NULLABLE = PLAIN.map(lambda part: {"anyOf": [part, {"type": "null"}]})
LISTS = PLAIN.map(lambda item: {"type": "array", "items": item})
FIELDS = st.dictionaries(st.sampled_from("abc"), PLAIN | NULLABLE | LISTS, max_size=2)


def body(fields: dict[str, Schema], required: set[str], rest: dict[str, Any]) -> Schema:
    return {"type": "object", "properties": fields, "required": sorted(required & fields.keys()), **rest}


@st.composite
def versions(draw: st.DrawFn, rest: dict[str, Any]) -> tuple[Schema, Schema]:
    """Two versions of a body, alike but for a field or two."""
    fields = draw(FIELDS)
    changed = {name: field for name, field in fields.items() if draw(st.booleans())} | draw(FIELDS)
    required = draw(st.sets(st.sampled_from("abc")))
    return body(fields, required, rest), body(changed, draw(st.just(required) | st.just(set())), rest)


@given(versions({"additionalProperties": False}))
def test_what_senders_may_live_with_the_judge_passes(pair: tuple[Schema, Schema]) -> None:
    old, new = pair
    if not breaking_changes(old, new, written_by_owner=False):
        assert jsoncompat.check_compat(json.dumps(old), json.dumps(new), jsoncompat.Role.DESERIALIZER)


@given(versions({}))
def test_what_readers_may_live_with_the_judge_passes(pair: tuple[Schema, Schema]) -> None:
    old, new = pair
    if not breaking_changes(old, new, written_by_owner=True):
        assert jsoncompat.check_compat(json.dumps(old), json.dumps(new), jsoncompat.Role.SERIALIZER)
