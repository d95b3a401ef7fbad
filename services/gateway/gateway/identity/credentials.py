"""What somebody shows to be let in: API keys, sign-in links, sessions.

Each holds 32 random bytes, far beyond guessing, so a plain SHA-256 is kept of it and nothing slower is needed
(OWASP Password Storage Cheat Sheet: slow hashes are for what people choose).
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

SIGN_IN_LIFETIME = timedelta(minutes=15)

_KEY_PREFIX = "ll"
_RANDOM_BYTES = 32


def new_key(key_id: UUID) -> str:
    """An API key: ``ll_<key id>_<secret>``; the prefix lets secret scanners find one that leaked."""
    return f"{_KEY_PREFIX}_{key_id.hex}_{new_secret()}"


def key_id_of(presented: str) -> UUID | None:
    """The id within an API key, if it has the shape of one."""
    prefix, _, rest = presented.partition("_")
    key_id, _, secret = rest.partition("_")
    if prefix != _KEY_PREFIX or len(key_id) != 32 or not secret:
        return None
    try:
        return UUID(hex=key_id)
    except ValueError:
        return None


def new_secret() -> str:
    return secrets.token_urlsafe(_RANDOM_BYTES)


def digest(secret: str) -> bytes:
    """What is stored of a secret: its SHA-256."""
    return hashlib.sha256(secret.encode()).digest()


def matches(presented: str, stored: bytes) -> bool:
    """Whether a secret is the one a digest was made of, in a time that tells nothing about it."""
    return hmac.compare_digest(digest(presented), stored)


@dataclass(frozen=True, slots=True)
class SignInToken:
    """What a sign-in link ends with. It names the tenant, for no row is visible before the tenant is known."""

    tenant: str
    secret: str

    def __str__(self) -> str:
        return f"{self.tenant}.{self.secret}"

    @classmethod
    def read(cls, text: str) -> "SignInToken":
        """The token in a link; one that is not of that shape names no tenant."""
        tenant, _, secret = text.partition(".")
        return cls(tenant, secret)
