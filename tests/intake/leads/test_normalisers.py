"""Every normaliser takes any text there is, and takes what it made for what it is."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts.gateway import TenantSettings
from contracts.personal import looks_like_pii
from intake.leads.domain_amount import read_band
from intake.leads.domain_country import read_country
from intake.leads.domain_email import read_email
from intake.leads.domain_geo import read_geo
from intake.leads.domain_lead import NormalLead, Rejection, normalise
from intake.leads.domain_linkedin import read_linkedin
from intake.leads.domain_name import read_name
from intake.leads.domain_phone import read_phone
from intake.leads.domain_source import read_source
from intake.leads.domain_time_zone import read_time_zone
from intake.leads.domain_timeline import read_timeline
from intake.leads.domain_words import read_intent, read_tier
from tests.intake.leads.test_domain_lead import KEY, RECEIVED, submission

PIECES = [
    "Dublin", "OH", "ohio", "43017", "-1234", "0042", "La", "New York", "Washington", "Georgia", "USA", "UK", "D.C.", "Port", "123 Main St",
    ", ", " - ", "/", " ", "_", "(", "\n", ".", "https://", "www.", "google", ".com", "?utm_source=", "&", "%20", "@", "+1",
    "614", "555-0134", "linkedin.com/in/", "%ud8", "x", "İ", "ß", "\ud800", "\udfff", "\x00", "東京", "Ａ", "٣", "$350k", "to",
]  # fmt: skip
ANY_TEXT = st.text(st.characters()) | st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
"""Lone surrogates are among its characters, as JSON can spell them."""


def phone(text: str) -> str | None:
    read = read_phone(text, "DE", "US")
    return read and read.e164


def geo(region: str) -> Callable[[str], str | None]:
    def read(text: str) -> str | None:
        place = read_geo(text, region)
        return place and place.key

    return read


MAKE_TEXT: dict[str, Callable[[str], str | None]] = {
    "phone": phone,
    "email": read_email,
    "linkedin": read_linkedin,
    "name": read_name,
    "source": read_source,
    "geo in the USA": geo("US"),
    "geo in Germany": geo("DE"),
    "country": read_country,
    "time zone": read_time_zone,
    "timeline": read_timeline,
    "intent": read_intent,
    "tier": read_tier,
    "band": read_band,
}


@pytest.mark.parametrize("name", MAKE_TEXT)
def test_any_text_is_read_and_what_comes_out_is_read_as_itself(name: str) -> None:
    read = MAKE_TEXT[name]

    @settings(max_examples=300)
    @given(ANY_TEXT)
    @example("linkedin.com/in/jane\ud800")
    @example("a@\udfff.com")
    @example("x" * 99 + ", ohio")
    @example("Dublin, OH 43017 - 1234")
    @example("Houston, TX 77001, 0042")
    @example("Tom La, USA")
    def hold(typed: str) -> None:
        made = read(typed)
        assert made is None or read(str(made)) == made

    hold()


@given(
    st.dictionaries(
        st.sampled_from(["full_name", "phone", "email", "linkedin_url", "source", "geo", "country", "time_zone", "intent",
                         "timeline", "price", "budget", "tier", "product_interest", "partner"]),
        st.sampled_from(["jane@example.com", "+1 614 555 0134", "614-555-0134", "Jane Canary", "!!!", "call 6145550134"]),
    )
)  # fmt: skip
def test_no_flaw_quotes_what_it_complains_of(fields: dict[str, Any]) -> None:
    lead = normalise(submission(**fields), TenantSettings(), RECEIVED, strict=False, digest_key=KEY)
    assert isinstance(lead, NormalLead | Rejection)
    for flaw in lead.reasons if isinstance(lead, Rejection) else lead.warnings:
        told = f"{flaw.field} {flaw.code} {flaw.message}"
        assert not looks_like_pii(told)
        assert "Canary" not in told
