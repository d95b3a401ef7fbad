"""Whether a text seems to hold a telephone number or an e-mail address, and so may not travel in an event.

A person's name cannot be seen by its pattern: what may hold one is sealed, or is a word of the sender's own making.
"""

import re
import unicodedata

_AT = r"(?:@|%40)"
"""`%40` is how a tracking parameter spells the at sign (RFC 3986)."""
_EMAIL = re.compile(rf"\S{_AT}\S|\S\s*{_AT}\s*\S+\.\w", re.IGNORECASE)

_MONTH = r"(?:0[1-9]|1[0-2])"
_DAY = r"(?:0[1-9]|[12]\d|3[01])"
_DATE = re.compile(
    rf"(?<![\d+])(?:20\d\d([-_./]?){_MONTH}(?:\1{_DAY})?|{_DAY}([-_./]){_DAY}\2(?:20)\d\d)(?!\d)",
)

_STATES = (
    "AL|AK|AZ|AR|CA|CO|CT|DE|DC|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH|NJ|NM|NY|NC|ND|OH|OK|OR|"
    "PA|PR|RI|SC|SD|TN|TX|UT|VT|VA|WA|WV|WI|WY"
)
_NO_PHONE = re.compile(
    rf"(?<![A-Z])(?:{_STATES})[ _]+\d{{5}}[-_]\d{{4}}(?!\d)"  # OH 43017-1234, a ZIP+4 code behind its state
    r"|(?<!\d)\d{16,}(?!\d)",  # E.164 knows no number of more than fifteen digits
    re.IGNORECASE,
)
_PHONE = re.compile(r"\d(?:[\W_]*\d){6,}")
"""Seven digits, the shortest subscriber numbers that people write out, whatever punctuation is between them."""

_FEWEST_DIGITS = 7
_TOKEN = re.compile(r"~[0-9a-f]{64}")

_WRITTEN_AS_PHONE = re.compile(
    r"(?<!\w)\+[\W_]*\d(?:[\W_]*\d){6,}"  # +44 20 7946 0958
    r"|\(\d{2,5}\)(?:[\W_]*\d){5,}"  # (614) 555-0142
    r"|(?<!\d)\d{3}([-. _/])\d{3}\1\d{4}(?!\d)"  # 614-555-0142
    r"|^(?=.*[\s/])\d(?:[\s/.-]*\d){6,}$"  # 020 7946 0958
    r"|^(?=(?:\D*\d){9})\d{2,4}([-.])\d{2,4}(?:\2\d{2,4})+$"  # 06.12.34.56.78, 020-7946-0958
    r"|(?i:(?<![a-z\d])(?:callto|fax|msisdn|phone|sms|tel|telephone|whatsapp)[:=_./\s]+"
    r"(?!20\d{6}(?!\d))\d{7,15}(?!\d))"  # tel:6145550142, but not sms_20240512, a day's
    r"|(?i:(?<![a-z\d])wa(?:\.me)?[:=_/]+\d{10,15}(?!\d))"  # wa_16145550142; WA is Washington's code as well
)
"""Digits in the groups and signs, or behind the words, by which a reader takes them for a telephone number, and no others."""


def looks_like_pii(text: str) -> bool:
    """Whether the text seems to hold an e-mail address or a telephone number.

    Doubt counts as PII: a telephone number is taken to be seven or more digits with nothing but punctuation and spaces
    between them, of which none belongs to a date of this century (``2024-05``, ``20240512``, ``05/12/2024``), because
    campaigns and events are named after theirs, nor to a ZIP+4 code or a longer run of digits than a number can have.

    >>> looks_like_pii("call (614) 410-1234"), looks_like_pii("campaign_2024_05")
    (True, False)
    """
    text = _plain(text)
    return _holds_email(text) or bool(
        _PHONE.search(text) and _PHONE.search(_DATE.sub("date", _NO_PHONE.sub("number", text)))
    )


def is_contact(identifier: str) -> bool:
    """Whether an identifier is an e-mail address, or is written as telephone numbers are.

    Digits alone, or with hyphens in other places than a telephone number's, are an identifier: nothing tells a record's
    number from a subscriber's, and most systems number their records.

    >>> is_contact("jane@example.com"), is_contact("614-555-0142"), is_contact("6145550142"), is_contact("2024-000123")
    (True, True, False, False)
    """
    text = _plain(identifier).strip()
    return _holds_email(text) or _WRITTEN_AS_PHONE.search(text) is not None


def may_be_a_number(identifier: str) -> bool:
    """Whether an identifier has the digits of a telephone number, and so is one if it is the lead's own.

    >>> may_be_a_number("6145550142"), may_be_a_number("L-614555"), may_be_a_number("~" + "0" * 64)
    (True, False, False)
    """
    return not is_token(identifier) and len(_digits(identifier)) >= _FEWEST_DIGITS


def is_token(identifier: str) -> bool:
    """Whether an identifier is the token that intake made of one which was a contact."""
    return _TOKEN.fullmatch(identifier) is not None


def same_number(one: str, other: str) -> bool:
    """Whether of two texts one holds all the digits of the other in a row, and these are enough for a telephone number.

    Zeros in front do not count: they stand for a prefix that the other notation may not have (0612… is +33 612…).
    """
    short, long = sorted(map(_digits, (one, other)), key=len)
    return len(short) >= _FEWEST_DIGITS and short in long


def _digits(text: str) -> str:
    return "".join(filter(str.isdecimal, text)).lstrip("0")


def _plain(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def _holds_email(text: str) -> bool:
    return ("@" in text or "%40" in text) and _EMAIL.search(text) is not None
