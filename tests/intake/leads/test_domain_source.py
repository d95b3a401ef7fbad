"""One source has one key, whether a person, a campaign's link or a browser names it."""

from typing import Any

import pytest

from contracts.gateway import TenantSettings
from intake.leads.domain_source import read_source, source_in_metadata, source_name

CLEAR = TenantSettings().metadata_allowed | {"referrer"}


@pytest.mark.parametrize(
    ("typed", "made"),
    [
        ("Google Ads", "google_ads"),
        ("open-house", "open_house"),
        ("organic_search", "organic_search"),
        ("https://www.google.com/search?q=homes+dublin", "google"),
        ("http://www.google.co.uk", "google"),
        ("https://www.google.com:443", "google"),
        ("https://l.facebook.com/l.php?u=https%3A%2F%2Fx.org", "facebook"),
        ("m.facebook.com", "facebook"),
        ("https://t.co/abc", "twitter"),
        ("lnkd.in/x", "linkedin"),
        ("https://columbus.craigslist.org/", "craigslist"),
        ("https://www.example.com/landing?gclid=Cj0614555013412", "example_com"),
        ("www.example.com/landing", "example_com"),
        ("https://blog.example.com", "blog_example_com"),
        ("https://google.evil.com/", "google_evil_com"),
        ("https://notgoogle.com/", "notgoogle_com"),
        ("https://exämple.de/", "example_de"),
        ("https://www.google.com/?utm_source=News%20Letter&utm_medium=email", "news_letter"),
        ("https://example.com/#utm_source=fair", "fair"),
        ("/landing?UTM_SOURCE=Bing&utm_medium=cpc", "bing"),
        ("utm_source=bing&utm_medium=cpc", "bing"),
        ("https://example.com/?utm_source=&utm_medium=email", "example_com"),
        ("https://example.com/?utm_source=%%%", "example_com"),
        ("v1.2/summer", "v1_2_summer"),
        ("Dr.Smith", "dr_smith"),
        ("http://[::1", "http_1"),
        ("...", ""),
    ],
)
def test_a_source_is_a_word_a_campaign_s_source_or_a_site(typed: str, made: str) -> None:
    assert read_source(typed) == made


def test_an_address_with_a_user_in_it_stays_whole_and_so_is_seen_to_be_personal() -> None:
    for typed in ("jane@google.com", "https://jane@google.com/"):
        assert source_name(typed) == typed


@pytest.mark.parametrize(
    ("metadata", "made"),
    [
        ({"utm_source": "Google", "utm_medium": "cpc", "referrer": "https://www.bing.com/"}, "google"),
        ({"utm_medium": "email", "referrer": "https://www.bing.com/"}, "bing"),
        ({"utm_source": " ", "utm_medium": "E-Mail"}, "e_mail"),
        ({"utm_source": "facebook.com"}, "facebook"),
        ({"utm_source": "jane@example.com", "utm_medium": "email"}, "email"),
        ({"utm_source": 7, "utm_medium": ["x"]}, None),
        ({"referer": "https://www.bing.com/"}, None),
        ({}, None),
    ],
)
def test_metadata_names_a_source_as_far_as_it_may_be_in_clear(metadata: dict[str, Any], made: str | None) -> None:
    assert source_in_metadata(metadata, CLEAR) == made
    assert source_in_metadata(metadata, frozenset()) is None
