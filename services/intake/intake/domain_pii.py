"""Whether a free text seems to hold a telephone number or an e-mail address.

Such a text may become no grouping key and no clear metadata, because both travel in events (design: no PII on the
bus). Doubt counts as PII, with one exception: a date, because campaigns and events are named after theirs.
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

_PHONE = re.compile(r"\d(?:[\W_]*\d){6,}")
"""Seven digits, the shortest subscriber numbers that people write out, whatever punctuation is between them."""


def looks_like_pii(text: str) -> bool:
    """Whether the text seems to hold an e-mail address or a telephone number.

    A telephone number is taken to be seven or more digits with nothing but punctuation and spaces between them, of
    which none belongs to a date of this century (``2024-05``, ``20240512``, ``05/12/2024``).

    >>> looks_like_pii("call (614) 410-1234"), looks_like_pii("campaign_2024_05")
    (True, False)
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    if ("@" in text or "%40" in text) and _EMAIL.search(text):
        return True
    return bool(_PHONE.search(text) and _PHONE.search(_DATE.sub("date", text)))
