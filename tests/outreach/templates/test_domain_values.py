"""What a template's variables stand for: what is known of a lead, and no guess."""

import pytest

from contracts.taxonomy import Band, Intent, SendKind, Tier, Timeline
from contracts.values import Attribution
from outreach.templates.domain_values import first_and_last, is_known, metadata_of, takes_a_name, values


def test_what_is_known_of_a_lead_has_its_variable_and_what_it_lacks_has_none() -> None:
    attribution = Attribution(
        source_key="open_house", geo_key="dublin_oh", intent=Intent.BUYER, timeline=Timeline.DAYS_0_30, tier=Tier.A,
        budget_band=Band.FROM_200K, product_interest="condo",
    )  # fmt: skip
    metadata = {
        "company": "Example Ltd",
        "utm_source": "google",
        "rooms": 4,
        "pool": True,
        "none": None,
        "list": [1],
        "": "",
    }
    assert values("Ada Example", attribution.model_dump(), metadata) == {
        "first_name": "Ada", "last_name": "Example", "full_name": "Ada Example", "company": "Example Ltd", "source": "open_house",
        "geo": "dublin_oh", "intent": "buyer", "timeline": "0-30", "tier": "A", "budget_band": "200k-300k", "product_interest": "condo",
        "metadata.company": "Example Ltd", "metadata.utm_source": "google", "metadata.rooms": "4", "metadata.pool": "true",
    }  # fmt: skip
    assert values(None, {}, {}) == {}


@pytest.mark.parametrize(
    ("full_name", "names"),
    [
        ("Ada Example", ("Ada", "Example")),
        ("Ana de la Cruz", ("Ana", None)),
        ("Mary Ann Example", ("Mary", None)),
        ("Mary O'Brien-McDonald", ("Mary", "O'Brien-McDonald")),
        ("Ada", (None, None)),
        ("Example, Ada", (None, None)),
        ("Dr. Ada Example", (None, None)),
        ("J. Example", (None, None)),
        ("J Example", (None, None)),
        ("Ada & Bob Example", (None, None)),
        ("Ada/Bob Example", (None, None)),
        ("Example (Ada)", (None, None)),
        ("Unit 7", (None, None)),
        ("", (None, None)),
    ],
)
def test_first_and_last_names_are_told_where_the_name_leaves_no_doubt(
    full_name: str, names: tuple[str | None, str | None]
) -> None:
    assert first_and_last(full_name) == names


def test_the_link_to_unsubscribe_is_known_in_an_email_only() -> None:
    assert [kind for kind in SendKind if is_known("unsubscribe_url", kind)] == [SendKind.EMAIL]
    assert is_known("metadata.x", SendKind.SMS)
    assert not is_known("metadata.", SendKind.SMS)


def test_no_more_is_revealed_than_the_variables_need() -> None:
    assert not takes_a_name({"tier", "company"})
    assert takes_a_name({"last_name"})
    assert metadata_of({"tier", "first_name"}) == set()
    assert metadata_of({"company", "metadata.utm_source"}) == {"company", "utm_source"}
