"""What is the same request, what is a similar one, and what is neither."""

import unicodedata
from collections.abc import Collection
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from contracts.taxonomy import ActionStatus
from intake.memory.domain_fingerprint import SIMILAR, parts, recall_message, telling_parts, whole


def similarity(one: Collection[str], other: Collection[str]) -> float:
    """Jaccard's index: how many parts are shared of all there are, from 0 to 1; two requests without parts share nothing."""
    shared, all_ = len({*one} & {*other}), len({*one} | {*other})
    return shared / all_ if all_ else 0.0


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4))
requests = st.dictionaries(texts, values, max_size=6)
words = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=8)
flat = st.dictionaries(words, words, min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"state": "OH", "size": 50}, {"size": 50, "state": "OH"}),
        ({"state": " oh "}, {"state": "OH"}),
        ({" State ": "OH"}, {"state": "OH"}),
        ({"name": "STRASSE"}, {"name": "straße"}),
        ({"name": "Ａｃｍｅ"}, {"name": "acme"}),
        ({"name": "Acme   Roofing"}, {"name": "acme roofing"}),
        ({"titles": ["CEO", "CTO"]}, {"titles": ["cto", "ceo", "CEO "]}),
        ({"titles": ["ceo"]}, {"titles": "CEO"}),
        ({"size": 50}, {"size": "50"}),
        ({"size": 50}, {"size": 50.0}),
        ({"state": "OH"}, {"state": "OH", "city": None, "zip": " ", "titles": [], "more": {"x": [None, ""]}}),
        ({"place": {"state": "OH", "city": "Dublin"}}, {"place": {"city": "dublin", "state": "oh"}}),
        ({"near": [{"lat": 1, "lon": 2}, {"lat": 3, "lon": 4}]}, {"near": [{"lon": 4, "lat": 3}, {"lon": 2, "lat": 1}]}),
    ],
)  # fmt: skip
def test_these_requests_are_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert whole(parts(one)) == whole(parts(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"state": "OH"}, {"state": "PA"}),
        ({"state": "OH"}, {"region": "OH"}),
        ({"remote": False}, {"remote": True}),
        ({"remote": False}, {}),
        ({"size": 0}, {}),
        ({"size": 50}, {"size": 50.5}),
        ({"titles": ["ceo", "cto"]}, {"titles": ["ceo"]}),
        ({"titles": ["ceo", "cto"]}, {"titles": "ceo cto"}),
        ({"place": {"city": "dublin"}}, {"place": "dublin"}),
        ({"a": {"b": "c"}}, {"a b": "c"}),
        ({"near": [{"lat": 1, "lon": 2}, {"lat": 3, "lon": 4}]}, {"near": [{"lat": 1, "lon": 4}, {"lat": 3, "lon": 2}]}),
        ({"near": [{"lat": "1"}]}, {"near": ['{"lat": "1"}']}),
    ],
)  # fmt: skip
def test_these_requests_are_not_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert whole(parts(one)) != whole(parts(other))


def reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: reordered(value[name]) for name in reversed(value)}
    return [reordered(item) for item in reversed(value)] if isinstance(value, list) else value


def retyped(value: Any) -> Any:
    """The value as somebody else might type it: with spaces around and in another width and case, where that is possible."""
    if isinstance(value, dict):
        return {name: retyped(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [retyped(item) for item in value]
    if isinstance(value, str) and value.isascii():
        return f"  {value.upper()}\t"
    return value


@given(requests)
@example({"A": {"b": 1}, "a": {"c": 2}})
def test_order_case_and_spaces_never_make_another_request(request: dict[str, Any]) -> None:
    assert whole(parts(request)) == whole(parts(reordered(request))) == whole(parts(retyped(request)))


@given(requests)
def test_empty_fields_never_make_another_request(request: dict[str, Any]) -> None:
    assert parts({**request, "nothing at all": [None, "", {}, [" "]]}) == parts(request)


@given(flat, st.data())
def test_a_request_that_differs_in_a_value_is_never_the_same(request: dict[str, str], data: st.DataObject) -> None:
    name, value = data.draw(st.sampled_from(sorted(request))), data.draw(texts)
    folded = " ".join(unicodedata.normalize("NFKC", value).casefold().split())
    assume(folded and folded != request[name])
    assert whole(parts(request)) != whole(parts({**request, name: value}))


@given(flat, flat)
def test_requests_that_share_no_value_are_not_similar(one: dict[str, str], other: dict[str, str]) -> None:
    assume(not one.items() & other.items())
    assert similarity(parts(one), parts(other)) == 0.0


@given(st.integers(1, 40), st.integers(0, 40))
def test_one_missing_field_of_five_is_similar_and_of_fewer_is_another_request(fields: int, missing: int) -> None:
    request = {f"field {number}": "x" for number in range(fields)}
    fewer = dict(list(request.items())[: max(fields - missing, 0)])
    is_similar = similarity(parts(request), parts(fewer)) >= SIMILAR
    assert is_similar == (5 * min(missing, fields) <= fields)


def test_one_other_value_of_nine_is_similar_and_of_eight_is_another_request() -> None:
    for fields, similar in ((9, True), (8, False)):
        request = {f"field {number}": "x" for number in range(fields)}
        assert (similarity(parts(request), parts({**request, "field 0": "y"})) >= SIMILAR) is similar


@given(st.sets(st.integers(0, 30), min_size=1), st.sets(st.integers(0, 30)), st.randoms(use_true_random=False))
def test_whatever_is_similar_shares_one_of_any_few_parts(asked: set[int], known: set[int], random: Random) -> None:
    one, other = ({str(part) for part in each} for each in (asked, known))
    few = random.sample(sorted(one), telling_parts(len(one)))
    assert similarity(one, other) < SIMILAR or other & {*few}


def test_nothing_is_similar_to_nothing() -> None:
    assert similarity(parts({}), parts({"state": ""})) == 0.0


def test_people_are_told_the_day_in_their_time_zone_and_what_came_of_it() -> None:
    late = datetime(2026, 11, 2, 23, 30, tzinfo=UTC)
    assert (
        recall_message(late, "UTC", ActionStatus.COMPLETED, same=False) == "a similar action on 2026-11-02, completed"
    )
    assert recall_message(late, "Europe/Berlin", ActionStatus.NO_ACTION, same=True) == (
        "a similar action on 2026-11-03, no action: it asked for the very same"
    )
