"""What looks like a telephone number or an e-mail address is known for it, and keys are not."""

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat

from contracts.taxonomy import key
from intake.domain_pii import looks_like_pii

AROUND = st.text(alphabet="abcxyz _-/:", max_size=10)
NUMBERS = st.builds(
    phonenumbers.format_number,
    st.integers(200_000_0000, 999_999_9999).map(lambda digits: phonenumbers.PhoneNumber(1, digits))
    | st.sampled_from(["GB", "DE", "FR", "IN", "BR", "SG", "DK", "JP"]).map(phonenumbers.example_number),
    st.sampled_from([PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL]),
)


@given(AROUND, NUMBERS, AROUND)
def test_a_telephone_number_is_found_in_any_text(before: str, number: str, after: str) -> None:
    assert looks_like_pii(f"{before}{number}{after}")


@settings(deadline=None)
@given(AROUND, st.emails(), AROUND)
def test_an_email_address_is_found_in_any_text(before: str, address: str, after: str) -> None:
    assert looks_like_pii(f"{before}{address}{after}")
    assert looks_like_pii(f"{before}{address.replace('@', '%40')}{after}")


@pytest.mark.parametrize(
    "text",
    [
        "jane @ example.com",
        "jane＠example.com",
        "614_410_1234",
        "+1 (614) 410 • 1234",
        "٦١٤٤١٠١٢٣٤",
        "⑥①④④①⓪①②③④",
        "4101234",
        "+20240512",
        "2024 0512",
        "20241399",
        "24-05-12-99",
    ],
)
def test_pii_is_found_however_it_is_written(text: str) -> None:
    assert looks_like_pii(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "google",
        "campaign_2024_05",
        "utm_12345",
        "utm_123456",
        "fb_300x250_2024_05",
        "Dublin, OH 43017",
        "instagram @leadloop",
        "open house 2024-05-12",
        "google_20240512",
        "05/12/2024",
        "12.05.2024 - 14.05.2024",
        "24/7",
        "home_loan",
        "Route 66, 5 pm",
    ],
)
def test_an_ordinary_key_is_not_pii(text: str) -> None:
    assert not looks_like_pii(text)


@settings(deadline=None)
@given(st.text() | st.text(alphabet="0123456789 -_./+@a\u0300①²", max_size=24))
def test_no_key_is_pii_unless_its_text_was(text: str) -> None:
    assert looks_like_pii(text) or not looks_like_pii(key(text))
