"""Which leads are worth a person's look: alike names in one place, and never a reason to merge by itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.intake.people import ReviewReason
from intake.people.domain_review import ALIKE, block_of, likeness, reasons, spelled


@pytest.mark.parametrize(
    ("one", "other"),
    [("Jon Smith", "John Smith"), ("Ana María López", "Ana Maria Lopez"), ("SMITH, John", "John Smith")],
)
def test_alike_names_of_a_place_are_compared_and_found(one: str, other: str) -> None:
    assert block_of(one, "dublin_oh") == block_of(other, "dublin_oh")
    assert likeness(spelled(one), spelled(other)) >= ALIKE


@pytest.mark.parametrize(("one", "other"), [("John Smith", "Jack Stone"), ("Anna Smith", "Alan Smith")])
def test_names_that_are_not_alike_are_not_found(one: str, other: str) -> None:
    assert likeness(spelled(one), spelled(other)) == 0


@pytest.mark.parametrize(
    ("name", "geo"), [("Jane Roe", None), ("Jane", "dublin_oh"), (None, "dublin_oh"), ("- -", "x")]
)
def test_without_a_place_or_two_names_nothing_is_compared(name: str | None, geo: str | None) -> None:
    assert block_of(name, geo) is None


@given(st.text(), st.text())
def test_any_two_texts_are_compared_and_neither_comes_first(one: str, other: str) -> None:
    one, other = spelled(one), spelled(other)
    assert spelled(one) == one
    assert likeness(one, other) == likeness(other, one)
    assert likeness(one, one) == (100 if one else likeness(one, one))
    block_of(one, "x")


def test_the_reasons_name_no_name() -> None:
    assert reasons(100) == [ReviewReason.SAME_NAME, ReviewReason.SAME_PLACE]
    assert reasons(ALIKE) == [ReviewReason.SIMILAR_NAME, ReviewReason.SAME_PLACE]
