"""Names come out as their owners write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.leads.domain_name import read_name


@pytest.mark.parametrize(
    "name",
    [
        "Jane Roe",
        "John McDonald",
        "Mary O'Brien",
        "Mary O’Neil-McGee",
        "Maria de la Cruz",
        "Vincent van der Berg",
        "Al Gore",
        "Van Morrison",
        "Juan de Dios",
        "Anne-Marie Smith-Jones",
        "J.R.R. Tolkien",
        "Ludwig von Beethoven",
        "St. John",
        "José García",
        "Ana Machado",
        "John Smith III",
        "John Smith Jr.",
        "Jane Roe PhD",
        "Smith, John",
        "Gerard van 't Hoff",
        "Γιωργος Παπας",
        "Ursula Le Guin",
        "John E Smith",
        "Sinead O'Connor-McKay",
    ],
)
def test_a_name_typed_in_one_case_gets_its_own_back(name: str) -> None:
    assert read_name(name.upper()) == name
    assert read_name(name.lower()) == name


@pytest.mark.parametrize(
    "name", ["bell hooks MacLeod", "DeShawn LaRue", "danah Boyd", "e. e. Cummings", "JOHN Smith", "毛泽东"]
)
def test_a_name_typed_in_both_cases_is_left_as_it_is(name: str) -> None:
    assert read_name(name) == name


def test_white_space_and_control_characters_become_one_space() -> None:
    assert read_name("  Jane\t\r\n\x00 \u00a0Roe ") == "Jane Roe"


def test_accents_come_out_composed() -> None:
    assert read_name("JOSE\u0301 MARI\u0301A") == "José María"


def test_a_turkish_capital_leaves_no_stray_dot() -> None:
    assert read_name("İSMAİL") == "Ismail"


@pytest.mark.parametrize("typed", ["", " ", "-", "???", "123"])
def test_without_a_letter_there_is_no_name(typed: str) -> None:
    assert read_name(typed) is None


@given(st.text() | st.text(alphabet="aAbB mcMC'’-.İıßǆDEde,", max_size=30))
def test_any_text_is_read_and_what_comes_out_is_read_as_itself(typed: str) -> None:
    name = read_name(typed)
    assert name is None or read_name(name) == name
