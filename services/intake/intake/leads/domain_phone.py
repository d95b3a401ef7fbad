"""Telephone numbers as people type them, in E.164."""

from dataclasses import dataclass

from phonenumbers import (
    NumberParseException,
    PhoneNumber,
    PhoneNumberFormat,
    format_number,
    is_valid_number,
    is_valid_number_for_region,
    normalize_digits_only,
    parse,
)


@dataclass(frozen=True, slots=True)
class Phone:
    """A telephone number that can be dialled.

    Attributes:
        e164: plus sign, country code and national number, as ITU-T E.164 has it: ``+13955571028``.
        extension: the digits dialled once the call stands; apart, because two people of one office share a number.
    """

    e164: str
    extension: str | None = None


def read_phone(text: str, *regions: str) -> Phone | None:
    """The number that the text holds, or None where it holds none that could be anybody's.

    Args:
        text: as typed; a national number is read as one of the first region where there is such a number.
        regions: ISO 3166-1 alpha-2, upper case: of the person, if known, and of the tenant.

    Valid means that the number lies in a range that has been handed out (libphonenumber's `is_valid_number`), not only
    that its length is possible: exports are full of made-up numbers of the right length, and each of them would be
    called, paid for, and taken for the same person wherever it comes up again.

    `00` is the international prefix that ITU-T E.164 recommends, so people type it in countries that have another one:
    what is no number otherwise is read once more with a plus sign in its place.
    """
    number = _first_valid(text, regions)
    if number is None and (typed := text.lstrip()).startswith("00"):
        number = _first_valid("+" + typed[2:], regions[:1])
    if number is None:
        return None
    extension = normalize_digits_only(number.extension) if number.extension else None
    return Phone(format_number(number, PhoneNumberFormat.E164), extension)


def _first_valid(text: str, regions: tuple[str, ...]) -> PhoneNumber | None:
    for region in regions:
        if number := _valid_number(text, region):
            return number
    return None


def _valid_number(text: str, region: str) -> PhoneNumber | None:
    try:
        number = parse(text, region)
    except NumberParseException:
        return None
    # Most leads call from home: asking about their region first spares the search through all 25 that share +1.
    return number if is_valid_number_for_region(number, region) or is_valid_number(number) else None
