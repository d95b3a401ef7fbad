"""One place has one key, however it is written, and nothing is guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.taxonomy import key
from intake.leads.domain_geo import Geo, read_geo

DUBLIN = Geo("dublin_oh", "OH", "US")


@pytest.mark.parametrize(
    "typed",
    [
        "Dublin, OH",
        "dublin, oh",
        "Dublin, Ohio",
        "Dublin, Ohio 43017",
        "Dublin OH 43017-1234",
        "dublin oh 43017",
        "Dublin, OH 43017 - 1234",
        "Dublin, OH, 43017, 1234",
        "Dublin, OH, 43017, USA",
        "Dublin, OH 43017, United States of America",
        "Dublin Ohio",
        "Dublin OH",
        "OH - Dublin",
        "Ohio / Dublin",
        "OH: Dublin",
        "USA, OH, Dublin",
        "Dublin (OH)",
        "Dublin\nO.H.",
        "dublin-oh",
        "dublin_ohio",
        "123 Main St, Dublin, OH 43017",
        "123 Main St, Apt 4, Dublin, OH",
        "P.O. Box 12, Dublin, OH",
        "12b West Bridge Street NW, Dublin OH",
    ],
)
def test_a_city_of_the_usa_is_its_name_and_its_state(typed: str) -> None:
    assert read_geo(typed, "US") == DUBLIN


@pytest.mark.parametrize(
    ("typed", "geo"),
    [
        ("OH", Geo("ohio", "OH", "US")),
        ("Ohio, USA", Geo("ohio", "OH", "US")),
        ("New York", Geo("new_york", "NY", "US")),
        ("New York, NY", Geo("new_york_ny", "NY", "US")),
        ("Washington, D.C.", Geo("washington_dc", "DC", "US")),
        ("Washington, PA", Geo("washington_pa", "PA", "US")),
        ("Delaware, Ohio", Geo("delaware_oh", "OH", "US")),
        ("Charleston West Virginia", Geo("charleston_wv", "WV", "US")),
        ("San Juan, Puerto Rico", Geo("san_juan_pr", "PR", "US")),
        ("Atlanta, Georgia", Geo("atlanta_ga", "GA", "US")),
        ("U.S.A.", Geo("united_states", None, "US")),
        ("London, UK", Geo("london_united_kingdom", None, "GB")),
        ("München, Deutschland", Geo("munchen_germany", None, "DE")),
        ("Perth, WA, Australia", Geo("perth_wa_australia", None, "AU")),
        ("東京", Geo("東京")),
    ],
)
def test_states_alone_and_countries_are_known_by_name(typed: str, geo: Geo) -> None:
    assert read_geo(typed, "US") == geo


@pytest.mark.parametrize(
    "typed",
    ["LA", "Washington", "Port Washington", "Baja California", "Sierra Nevada", "Paris", "43017", "tell me", "either or",
     "100 Mile House", "5 Points", "NYC", "West End"],
)  # fmt: skip
def test_what_could_be_another_place_is_left_as_it_is(typed: str) -> None:
    assert read_geo(typed, "US") == Geo(key(typed))


def test_two_letters_are_a_state_only_in_the_usa() -> None:
    assert read_geo("Berlin, DE", "DE") == Geo("berlin_de")
    assert read_geo("Portland, ME", "GB") == Geo("portland_me")
    assert read_geo("Dublin, OH", "DE") == Geo("dublin_oh")
    assert read_geo("Dublin, Ohio", "DE") == DUBLIN
    assert read_geo("Dublin, OH, USA", "DE") == DUBLIN
    assert read_geo("Tbilisi, Georgia", "GE") == Geo("tbilisi_georgia", None, "GE")


@pytest.mark.parametrize("typed", ["", "!!!", ", - ,"])
def test_without_a_letter_or_a_digit_there_is_no_place(typed: str) -> None:
    assert read_geo(typed, "US") is None


@given(st.text(max_size=600), st.sampled_from(["US", "DE"]))
def test_whatever_has_a_key_is_a_place_with_one_that_fits(typed: str, region: str) -> None:
    geo = read_geo(typed, region)
    assert (geo is None) == (key(typed) == "")
    assert geo is None or 0 < len(geo.key) <= 200
