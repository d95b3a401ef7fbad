"""A person's time zone is known for sure or not at all."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import phonenumbers
import pytest

from intake.leads.domain_country import KEY_OF
from intake.leads.domain_time_zone import read_time_zone, zone_of_country, zone_of_phone, zone_of_state

SUMMER = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "zone"),
    [("America/New_York", "America/New_York"), (" america/new york ", "America/New_York"), ("utc", "UTC"),
     ("America/Argentina/Salta", "America/Argentina/Salta"), ("EST", None), ("Eastern Time", None), ("localtime", None),
     ("../etc/passwd", None), ("posix/Europe/Berlin", None), ("Mars/Phobos", None), ("+02:00", None), ("", None)],
)  # fmt: skip
def test_a_time_zone_is_one_of_the_tz_database_s(typed: str, zone: str | None) -> None:
    assert read_time_zone(typed) == zone


@pytest.mark.parametrize(
    ("number", "zone"),
    [
        ("+16144101234", "America/New_York"),
        ("+12135550134", "America/Los_Angeles"),
        ("+16025550134", "America/Phoenix"),
        ("+18085550134", "Pacific/Honolulu"),
        ("+18765550134", "America/Jamaica"),
        ("+18005550134", None),
        ("+14235550134", None),
        ("+14232020134", "America/New_York"),
        ("+442071838750", "Europe/London"),
        ("+447911123456", "Europe/London"),
        ("+353871234567", "Europe/Dublin"),
        ("+4915112345678", "Europe/Berlin"),
        ("+34922345678", "Atlantic/Canary"),
        ("+34612345678", None),
        ("+5511912345678", "America/Sao_Paulo"),
        ("+380501234567", "Europe/Kyiv"),
        ("+61731234567", "Australia/Brisbane"),
        ("+61212345678", None),
        ("+61412345678", None),
        ("+919812345678", "Asia/Kolkata"),
        ("+213551234567", "Africa/Algiers"),
        ("+79161234567", None),
        ("+74951234567", "Europe/Moscow"),
        ("+80012345678", None),
    ],
)
def test_a_number_has_the_time_of_its_country_or_of_its_area(number: str, zone: str | None) -> None:
    assert zone_of_phone(number) == zone


def test_every_number_s_zone_is_one_that_there_is() -> None:
    for region in phonenumbers.SUPPORTED_REGIONS:
        example = phonenumbers.example_number(region)
        zone = zone_of_phone(phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164))
        assert zone is None or read_time_zone(zone) == zone
        alone = zone_of_country(region)
        if zone and alone:
            assert clock(zone) == clock(alone), f"{region}: a country with one time has it for its numbers as well"


@pytest.mark.parametrize(
    ("country", "zone"),
    [("DE", "Europe/Berlin"), ("AR", "America/Argentina/Buenos_Aires"), ("NI", "America/Managua"), ("US", None),
     ("ES", None), ("RU", None), ("BV", None), ("XX", None)],
)  # fmt: skip
def test_a_country_has_a_time_zone_only_if_its_clocks_agree(country: str, zone: str | None) -> None:
    assert zone_of_country(country) == zone


def test_most_countries_have_one() -> None:
    assert sum(zone_of_country(code) is not None for code in KEY_OF) > 200


def test_a_state_has_a_time_zone_only_if_all_of_it_keeps_one_time() -> None:
    assert zone_of_state("OH") == "America/New_York"
    assert zone_of_state("PR") == "America/Puerto_Rico"
    for code in "AK AZ FL ID IN KS KY MI ND NE NV OR SD TN TX XX".split():  # noqa: SIM905 (as a list it would fill a page)
        assert zone_of_state(code) is None


def clock(zone: str) -> list[timedelta | None]:
    return [(SUMMER + timedelta(days=days)).astimezone(ZoneInfo(zone)).utcoffset() for days in range(0, 365, 30)]
