"""What a field of several messages takes and refuses."""

import pytest
from pydantic import ValidationError

from contracts.outcomes import Outcome


@pytest.mark.parametrize(
    ("moment", "is_taken"),
    [
        ("0001-01-01T00:00:00Z", False),
        ("0001-01-01T00:00:00+14:00", False),
        ("1753-01-01T00:00:00Z", False),
        ("1899-12-31T23:59:59Z", False),
        ("1900-01-01T00:00:00Z", True),
        ("2026-11-22T10:00:00+01:00", True),
        ("2999-01-01T00:00:00Z", True),
        ("9999-12-31T23:59:59-14:00", False),
    ],
)
def test_an_outcome_happened_at_a_time_that_can_be_meant(moment: str, is_taken: bool) -> None:
    try:
        Outcome.model_validate({"type": "contacted", "occurred_at": moment})
        taken = True
    except ValidationError as error:
        assert "must lie within the years 1900 to 9998" in str(error)
        taken = False
    assert taken == is_taken
