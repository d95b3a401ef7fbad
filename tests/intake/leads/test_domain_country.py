"""Countries are known by code and by name."""

import pytest

from contracts.gateway import tenants
from contracts.taxonomy import key
from intake.leads.domain_country import BY_NAME, KEY_OF, read_country


@pytest.mark.parametrize(
    ("typed", "code"),
    [("US", "US"), ("us ", "US"), ("U.S.A.", "US"), ("United States of America", "US"), ("Deutschland", "DE"),
     ("españa", "ES"), ("Côte d'Ivoire", "CI"), ("UK", "GB"), ("Scotland", "GB"), ("Georgia", "GE"), ("Curacao", "CW"),
     ("Utopia", None), ("XX", None), ("", None), ("+1", None)],
)  # fmt: skip
def test_a_country_is_read_from_its_code_or_its_name(typed: str, code: str | None) -> None:
    assert read_country(typed) == code


def test_every_country_that_a_tenant_can_be_in_is_known_by_its_code_and_its_key() -> None:
    assert KEY_OF.keys() == tenants._REGIONS
    assert {read_country(made) for made in KEY_OF.values()} == KEY_OF.keys()
    assert all(name == key(name) for name in BY_NAME)
