"""A LinkedIn profile has one address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.leads.domain_linkedin import read_linkedin


@pytest.mark.parametrize(
    "typed",
    [
        "linkedin.com/in/jane-roe",
        "https://www.linkedin.com/in/jane-roe/",
        "HTTP://UK.LinkedIn.com/in/Jane-Roe?trk=a#b",
        " https://www.linkedin.com/in/jane-roe/de ",
        "https://m.linkedin.com/mwlite/in/jane-roe",
    ],
)
def test_every_spelling_of_a_profile_comes_out_the_same(typed: str) -> None:
    assert read_linkedin(typed) == "https://www.linkedin.com/in/jane-roe/"


def test_letters_beyond_ascii_are_the_same_encoded_or_not() -> None:
    assert read_linkedin("linkedin.com/in/Jürgen") == read_linkedin("linkedin.com/in/j%c3%bcrgen")


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "jane-roe",
        "https://www.linkedin.com/company/acme/",
        "https://www.linkedin.com/in/",
        "https://linkedin.com/in/..",
        "https://linkedin.com.example.com/in/jane",
        "https://example.com/linkedin.com/in/jane",
        "https://notlinkedin.com/in/jane",
        "https://x@linkedin.com/in/jane",
        "javascript:linkedin.com/in/x",
        "linkedin.com/in/a%2fb",
        "linkedin.com/in/a%00",
        "http://[",
    ],
)
def test_what_is_no_profile_is_none(typed: str) -> None:
    assert read_linkedin(typed) is None


@given(st.text() | st.text(alphabet="aA%2f9é/-._ İ?#", max_size=20).map("linkedin.com/in/".__add__))
def test_any_text_is_read_and_what_comes_out_is_read_as_itself(typed: str) -> None:
    profile = read_linkedin(typed)
    assert profile is None or (read_linkedin(profile) == profile and profile.isascii())
