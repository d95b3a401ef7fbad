"""The time zone of a person: as given, or derived from a telephone number or a place where those leave no doubt.

Which zones a country has is said by the tz database, which zones an area code has by libphonenumber. Its zones of whole
countries are not used: for Algeria it names Paris, for Nicaragua Chicago, whose clocks change in summer.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo, available_timezones

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneNumber, is_number_geographical

_ZONES_OF_STATES = {
    "America/New_York": "CT DC DE GA MA MD ME NC NH NJ NY OH PA RI SC VA VT WV",
    "America/Chicago": "AL AR IA IL LA MN MO MS OK WI",
    "America/Denver": "CO MT NM UT WY",
    "America/Los_Angeles": "CA WA",
    "America/Puerto_Rico": "PR",
    "Pacific/Honolulu": "HI",
}
"""The states that keep one time (49 CFR 71). In Arizona the Navajo Nation's differs; AK, FL, ID, IN, KS, KY, MI, ND, NE,
NV, OR, SD, TN and TX have two."""
_ZONE_OF_STATE = {state: zone for zone, states in _ZONES_OF_STATES.items() for state in states.split()}
_NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
_WEEKS = [_NEW_YEAR + timedelta(weeks=week) for week in range(53)]
"""Clocks that agree in each week of one year are set by one rule."""


def read_time_zone(text: str) -> str | None:
    """The IANA name of a time zone, or None where the text is none.

    Case does not matter, nor do spaces for underscores. Names without an area, such as ``EST``, are not taken, for people
    mean another time by them than the tz database does; ``UTC`` is.

    >>> read_time_zone("america/new york"), read_time_zone("EST")
    ('America/New_York', None)
    """
    return _names().get("_".join(text.split()).casefold())


def zone_of_phone(e164: str) -> str | None:
    """The time zone of a number in E.164, or None where its country has several and its area code does not tell.

    Mobile numbers have no area but where they are numbered like fixed lines, as under +1.
    """
    digits = e164[1:]
    calling_code, zone = _of_calling_code(digits[:3])
    if zone:
        return zone
    if calling_code != "1" and not is_number_geographical(
        PhoneNumber(int(calling_code), int(digits[len(calling_code) :]))
    ):
        return _one_of(_zones_of_prefixes().get(calling_code, ()))
    for length in range(_longest_prefix(), 0, -1):
        prefix = digits[:length]
        if zones := _zones_of_prefixes().get(prefix):
            return None if prefix in _mixed_prefixes() else _one_of(zones)
    return None


@cache
def zone_of_country(code: str) -> str | None:
    """The time zone of an ISO 3166-1 alpha-2 country, or None where it has several times."""
    return _one_of(_zones_of_countries().get(code, ()))


def zone_of_state(code: str) -> str | None:
    """The time zone of a state of the USA, by its postal code, or None where it has two."""
    return _ZONE_OF_STATE.get(code)


@cache
def _of_calling_code(first_digits: str) -> tuple[str, str | None]:
    """The calling code with which a number's first three digits begin, and the time zone of all countries it belongs to."""
    for length in (1, 2, 3):
        countries: Iterable[str] = COUNTRY_CODE_TO_REGION_CODE.get(int(first_digits[:length]), ())
        if countries:
            zones = tuple(zone for country in countries for zone in _zones_of_countries().get(country, ()))
            return first_digits[:length], _one_of(zones)
    return first_digits, None


@cache
def _zones_of_prefixes() -> dict[str, tuple[str, ...]]:
    """The zones of area codes, and of calling codes, by their digits."""
    from phonenumbers.tzdata import TIMEZONE_DATA  # 5 MiB, which a service that has seen no number does without

    zones: dict[str, tuple[str, ...]] = TIMEZONE_DATA
    return zones


@cache
def _longest_prefix() -> int:
    return max(map(len, _zones_of_prefixes()))


@cache
def _mixed_prefixes() -> frozenset[str]:
    """The prefixes of which a longer one has another time: what they say themselves is a guess at the rest."""
    return frozenset(
        shorter
        for prefix, zones in _zones_of_prefixes().items()
        for shorter in (prefix[:length] for length in range(1, len(prefix)))
        if (around := _zones_of_prefixes().get(shorter, ())) != zones
        and _one_of(around)
        and _one_of((*around, *zones)) is None
    )


@cache
def _one_of(zones: tuple[str, ...]) -> str | None:
    """The first of several zones whose clocks show the same all year; None if they do not."""
    clocks = [ZoneInfo(zone) for zone in zones]
    for moment in _WEEKS if len(zones) > 1 else ():
        if len({moment.astimezone(clock).utcoffset() for clock in clocks}) > 1:
            return None
    return zones[0] if zones else None


@cache
def _zones_of_countries() -> dict[str, tuple[str, ...]]:
    """Each country's zones, the one where most people live first, as the tz database's zone.tab lists them."""
    zones: dict[str, tuple[str, ...]] = {}
    for line in (files("tzdata") / "zoneinfo" / "zone.tab").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            country, _, zone, *_ = line.split("\t")
            zones[country] = (*zones.get(country, ()), zone)
    return zones


@cache
def _names() -> dict[str, str]:
    """The tz database's names by their folded case."""
    names = {name.casefold(): name for name in available_timezones() if "/" in name}
    return names | {"utc": "UTC"}
