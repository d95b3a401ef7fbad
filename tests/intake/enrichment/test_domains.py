"""The rules of enrichment: reading what is found, filling in what is asked, addresses by pattern, pauses."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intake.enrichment.domain_found import (
    company_identity,
    contact_identity,
    read_address,
    read_company,
    read_contact,
    read_domain,
)
from intake.enrichment.domain_pattern import address, best_address, letters, names
from intake.enrichment.domain_run import LONGEST_PAUSE, action_status, pause
from intake.enrichment.domain_template import NothingToAskError, at, fill, fill_all, placeholders
from intake.leads.domain_email import read_email

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.dictionaries(
    st.sampled_from(
        ["name", "domain", "full_name", "first_name", "email", "phone", "linkedin_url", "confidence", "size"]
    ),
    JSON | st.emails(),
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first e-mail address takes a second on a busy machine
@given(FIELDS)
def test_nothing_that_a_provider_answers_raises_and_what_is_read_is_read_the_same_again(found: dict[str, Any]) -> None:
    if company := read_company(found):
        assert read_company(company) == company
        assert company_identity(company)
    if contact := read_contact(found):
        assert read_contact(contact) == contact
        assert contact_identity(contact, {"domain": "x.test"})
    if read := read_address(found):
        assert read_email(read[0]) == read[0]
        assert read[1] is None or 0 <= read[1] <= 1


def test_companies_show_no_persons_number_or_address() -> None:
    found = {"name": "Acme", "industry": "call 614 555 0177", "city": "jane@acme.test", "domain": "www.Acme.test/x"}
    assert read_company(found) == {"name": "Acme", "domain": "acme.test"}
    assert read_company({"name": " ", "city": "Dublin"}) is None


@pytest.mark.parametrize(
    ("text", "domain"),
    [("https://www.Acme.com/about?x", "acme.com"), ("acme.com:8080", "acme.com"), ("münchen.de", "xn--mnchen-3ya.de"),
     ("localhost", None), ("a@b.com", None), ("", None), (7, None), ("10.0.0.1", None), ("acme..com", None)],
)  # fmt: skip
def test_a_domain_is_read_of_addresses(text: Any, domain: str | None) -> None:
    assert read_domain(text) == domain


def test_a_confidence_above_one_is_per_cent() -> None:
    assert read_address({"email": "a@b.test", "confidence": 85}) == ("a@b.test", 0.85)
    assert read_address({"email": "a@b.test", "confidence": "0.5"}) == ("a@b.test", 0.5)
    for nonsense in ("high", None, -1, 101, float("nan")):
        assert read_address({"email": "a@b.test", "confidence": nonsense}) == ("a@b.test", None)


@pytest.mark.parametrize(
    "template", ["{company}", "{company.phone}", "{x.y}", "{", "}", "{{company.name}}", "{contact.x}"]
)
def test_a_placeholder_that_is_none_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match=r"brace|no such field"):
        placeholders(template)


@given(st.text().filter(lambda text: not set("{}") & set(text)), st.text(min_size=1))
def test_a_text_is_filled_in_as_it_is_whatever_the_value(text: str, value: str) -> None:
    known = {"company": {"name": value}}
    assert fill(text + "{company.name}" + text, known) == text + value + text
    assert fill_all({"a": [text]}, known) == ({"a": [text]} if text else {"a": []})
    with pytest.raises(NothingToAskError):
        fill("{company.domain}", known)
    assert fill("{company.domain?}", known) == ""


@given(JSON, st.text(max_size=20))
def test_a_path_leads_somewhere_or_nowhere(value: Any, path: str) -> None:
    with suppress(LookupError):
        at(value, path)
    assert at({"a": [{"b": value}]}, "a.0.b") is value or value != value


@given(
    st.text(max_size=30),
    st.text(max_size=30),
    st.sampled_from(["{first}.{last}", "{f}{last}", "{first}{l}-x", "{last}"]),
)
def test_an_address_by_pattern_is_one_that_mail_could_reach(first: str, last: str, pattern: str) -> None:
    made = address(pattern, letters(first), letters(last), "example.com")
    assert made is None or (read_email(made) == made and made.isascii())


@pytest.mark.parametrize(
    ("contact", "expected"),
    [
        ({"full_name": "Ada Example"}, ("ada", "example")),
        ({"full_name": "Ada M. van der Berg", "last_name": "van der Berg"}, ("ada", "vanderberg")),
        ({"first_name": "Zoë", "last_name": "O'Neill"}, ("zoe", "oneill")),
        ({"full_name": "Ada"}, ("ada", "")),
        ({"full_name": "王 小明"}, ("", "")),
        ({}, ("", "")),
    ],
)
def test_names_are_spelled_as_addresses_spell_them(contact: dict[str, str], expected: tuple[str, str]) -> None:
    assert names(contact) == expected


def test_the_pattern_trusted_most_makes_the_address_and_one_that_is_not_trusted_never_does() -> None:
    contact = {"full_name": "Ada Example"}
    trusted = {"{first}": 0.2, "{f}{last}": 0.6, "{first}.{last}": 0.0}
    assert best_address(contact, "x.test", trusted, 0.1) == ("aexample@x.test", 0.6)
    assert best_address({"full_name": "Ada"}, "x.test", trusted, 0.1) == ("ada@x.test", 0.2)
    assert best_address(contact, "x.test", {"{first}.{last}": 0.0}, 0.0) is None
    assert best_address(contact, "x.test", {"{first}": 0.05}, 0.1) is None


def test_a_call_is_made_again_later_and_later_and_never_before_the_provider_allows() -> None:
    pauses = tuple(timedelta(seconds=seconds) for seconds in (1, 5))
    nothing = timedelta(0)
    assert [pause(n, nothing, pauses, 0.0) for n in (1, 2, 3)] == [*pauses, None]
    assert pause(1, nothing, pauses, 1.0) == timedelta(seconds=1.5)
    assert pause(1, timedelta(seconds=60), pauses, 0.0) == timedelta(seconds=60)
    assert pause(1, LONGEST_PAUSE * 2, pauses, 0.0) is None


def test_what_came_of_a_run_is_remembered_as_what_it_was() -> None:
    assert action_status("succeeded", 3) == "completed"
    assert action_status("cancelled", 3) == "partial"
    assert action_status("succeeded", 0) == action_status("failed", 0) == "no_action"
