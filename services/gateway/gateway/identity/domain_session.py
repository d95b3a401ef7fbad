"""How long sessions last, and what keeps one alive. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from contracts.gateway.users import SignInMethod

ABSOLUTE: Final = timedelta(hours=12)
"""How long a session lasts, whatever it is used for."""
IDLE: Final = timedelta(hours=1)
"""How long one lasts that nobody uses (OWASP Session Management Cheat Sheet)."""
NOTED_EVERY: Final = timedelta(minutes=1)
"""A use within this time of the one before is not written down."""
FRESH: Final = timedelta(minutes=15)
"""How long it is taken for shown who somebody is, where they came without a password."""
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def is_use(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a person does something, and not a page by itself: what a page reads again and again keeps no session alive.

    Browsers say whether a request opens a page (`Sec-Fetch-Mode`), htmx whether it does so in their place (`HX-Boosted`).
    """
    if method not in SAFE_METHODS or "hx-boosted" in headers:
        return True
    return headers.get("sec-fetch-mode", "navigate") == "navigate"


def may_set_password(
    has_password: bool, current_is_right: bool, method: SignInMethod, began: datetime, now: datetime
) -> bool:
    """Whether a password may be set: by who knows the one there is, or has none, or came without one a moment ago."""
    fresh = method is not SignInMethod.PASSWORD and now - began < FRESH
    return not has_password or current_is_right or fresh
