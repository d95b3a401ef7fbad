"""LinkedIn profiles, each with one address."""

import re
import unicodedata
from urllib.parse import quote, unquote

_PROFILE = re.compile(
    r"\s*(?:https?://)?(?:[a-z0-9-]+\.)*linkedin\.com/(?:mwlite/)?in/([^\s/?#]+)(?:[/?#].*)?",
    re.IGNORECASE | re.ASCII | re.DOTALL,
)
_NAME = re.compile(r"[^\s/?#\\\x00-\x1f\x7f\ufffd\ud800-\udfff]{1,100}")


def read_linkedin(text: str) -> str | None:
    """The profile's address, ``https://www.linkedin.com/in/<name>/``, or None where the text is not a person's profile.

    The same profile is written with any country's or the mobile host, with a language or tracking parameters behind
    it, in any case, and with letters beyond ASCII percent-encoded or not; all of these come out the same. A company's
    page is no profile.
    """
    profile = _PROFILE.fullmatch(text)
    if profile is None:
        return None
    name = unicodedata.normalize("NFC", unquote(profile[1]).lower())
    if not _NAME.fullmatch(name) or not any(map(str.isalnum, name)):
        return None
    return f"https://www.linkedin.com/in/{quote(name, safe='-')}/"
