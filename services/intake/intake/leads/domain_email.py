"""E-mail addresses, in the one form by which the same address is known again."""

import re

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

_ATOM = r"[a-z0-9_!#$%&'*+\-/=?^`{|}~]+"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_PLAIN = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+([a-z]{{2,63}})")
_RESERVED = frozenset(name.rpartition(".")[2] for name in SPECIAL_USE_DOMAIN_NAMES)
_MAX_LENGTH = 254


def read_email(text: str) -> str | None:
    """The address in lower case, without the spaces around it, or None where it is none that mail could reach.

    The local part's case is dropped although RFC 5321 lets a host tell cases apart, because none in use does, and
    people do type their address in any. Tags (``+news``) and dots stay: whether they matter is the provider's business.
    Names under ``.test`` pass, as RFC 6761 (6.2) asks of applications; the other reserved ones, such as ``.local`` and
    ``.invalid``, do not. Whether the host exists is not looked up.
    """
    address = text.strip().lower()
    plain = _PLAIN.fullmatch(address) if len(address) <= _MAX_LENGTH and "--" not in address else None
    if plain and plain[1] not in _RESERVED:
        # The library would come to the same answer, forty times as slowly. Two hyphens in a row may be Punycode.
        return address
    try:
        read = validate_email(address, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return None
    return read.normalized.lower() if "." in read.domain else None
