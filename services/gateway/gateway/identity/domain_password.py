"""Which passwords can be set (NIST SP 800-63B, 5.1.1.2: length counts, composition does not). Pure."""

from typing import Final

SHORTEST: Final = 12
LONGEST: Final = 200
_FEWEST_CHARACTERS: Final = 5
"""Different ones: `aaaaaaaaaaaa` is long and no password."""


def flaw(password: str, email: str | None) -> str:
    """What is wrong with a password; empty where nothing is."""
    if len(password) < SHORTEST:
        return f"a password has {SHORTEST} characters or more; several words make one that can be remembered"
    if len(password) > LONGEST:
        return f"a password has {LONGEST} characters at most"
    lower = password.lower()
    if len(set(lower)) < _FEWEST_CHARACTERS:
        return "this password repeats few characters: take others"
    if email and (email.partition("@")[0] in lower or lower in email):
        return "this password is made of the e-mail address: take another"
    return ""
