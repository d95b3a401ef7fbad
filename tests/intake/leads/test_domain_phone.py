"""Telephone numbers come out in E.164, or not at all."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.leads.domain_phone import Phone, read_phone

REGIONS = st.sampled_from([*sorted(phonenumbers.SUPPORTED_REGIONS), "XX"])
DIALLED = st.text(alphabet="0123456789+-x(). ;=tel:ext٣", max_size=30)


@pytest.mark.parametrize(
    ("typed", "region", "phone"),
    [
        ("(614) 410-1234", "US", Phone("+16144101234")),
        ("020 7183 8750", "GB", Phone("+442071838750")),
        ("020 7183 8750", "US", None),
        ("+44 20 7183 8750", "US", Phone("+442071838750")),
        ("+1-778-620-9682x6222", "US", Phone("+17786209682", "6222")),
        ("614.410.1234 ext. 019", "US", Phone("+16144101234", "019")),
        ("Tel: 614 410 1234", "US", Phone("+16144101234")),
        ("٦١٤٤١٠١٢٣٤", "US", Phone("+16144101234")),
    ],
)
def test_a_number_is_read_as_its_region_writes_it(typed: str, region: str, phone: Phone | None) -> None:
    assert read_phone(typed, region) == phone


def test_00_stands_for_plus_where_the_region_dials_another_prefix() -> None:
    assert read_phone("001-402-215-1175x7629", "US") == Phone("+14022151175", "7629")


@pytest.mark.parametrize(
    "typed", ["+1-395-557-1028x208", "957.962.1534", "(454)316-9902", "614-555", "n/a", "", "+", "0" * 400]
)
def test_a_number_nobody_has_is_none_however_likely_its_length(typed: str) -> None:
    assert read_phone(typed, "US") is None


def test_a_number_is_valid_exactly_when_the_library_says_so() -> None:
    for region in [*sorted(phonenumbers.SUPPORTED_REGIONS)[::4], "US", "CA"]:
        example = phonenumbers.example_number(region)
        for number in (example, phonenumbers.invalid_example_number(region)):
            if number is not None:
                typed = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
                assert (read_phone(typed, "US") is not None) == phonenumbers.is_valid_number(number), typed


@given(st.text() | DIALLED, REGIONS)
def test_any_text_is_read_and_what_comes_out_is_read_as_itself(typed: str, region: str) -> None:
    phone = read_phone(typed, region)
    if phone:
        assert read_phone(phone.e164, region) == Phone(phone.e164)
        assert phonenumbers.is_valid_number(phonenumbers.parse(phone.e164))
        assert phone.extension is None or phone.extension.isdecimal()
