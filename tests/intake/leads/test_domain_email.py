"""E-mail addresses come out in one form, or not at all."""

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from intake.leads.domain_email import read_email

ODD = st.text(alphabet="aZ09.-@_+'!\" üßİ١x%(:]#", max_size=40)
NEARLY = st.from_regex(
    r"[A-Za-z.+-]{1,10}@[a-z0-9-]{1,66}(\.[a-z0-9-]{1,10}){0,3}\.(com|test|local|invalid|c0m|xn--p1ai|arpa)",
    fullmatch=True,
)


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("  Jane.Roe+News@Example.COM\n", "jane.roe+news@example.com"),
        ("j.a.n.e@gmail.com", "j.a.n.e@gmail.com"),
        ("jürgen@EXÄMPLE.de", "jürgen@exämple.de"),
        ("jane@xn--exmple-cua.de", "jane@exämple.de"),
        ("jane@acme.test", "jane@acme.test"),
    ],
)
def test_an_address_keeps_tags_and_dots_and_loses_case_and_spaces(typed: str, address: str) -> None:
    assert read_email(typed) == address


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "jane",
        "jane@",
        "@example.com",
        "jane@example",
        "jane@test",
        "jane@acme.local",
        "jane@x.invalid",
        "a..b@example.com",
        "jane@1.2.3.4",
        "jane@[1.2.3.4]",
        "Jane <jane@example.com>",
        '"a b"@example.com',
        "jane@ex--ample.com",
        "a@" + "b" * 64 + ".com",
        "a" * 250 + "@example.com",
    ],
)
def test_an_address_no_mail_can_reach_is_none(typed: str) -> None:
    assert read_email(typed) is None


@given(st.emails() | ODD | NEARLY | st.text())
def test_the_short_way_and_the_library_agree(typed: str) -> None:
    try:
        read = validate_email(typed.strip().lower(), check_deliverability=False, test_environment=True)
        expected = read.normalized.lower() if "." in read.domain else None
    except EmailNotValidError:
        expected = None
    assert read_email(typed) == expected


@given(st.emails() | ODD | NEARLY)
def test_an_address_is_read_as_itself(typed: str) -> None:
    address = read_email(typed)
    assert address is None or read_email(address) == address
