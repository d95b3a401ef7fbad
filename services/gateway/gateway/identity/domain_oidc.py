"""OpenID Connect as pure rules: what goes with a browser to its provider and back, and what the provider's word is good for.

All that one round needs is made of one secret, which only the browser keeps: so nothing is stored for whoever begins a round, and
nobody else's answer fits it (OpenID Connect Core 3.1.2.1, RFC 7636, RFC 9700).
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_LONGEST_SUBJECT = 255
"""OpenID Connect Core, 2."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round goes by.

    Attributes:
        state: comes back with the browser, and shows that it set out here.
        nonce: comes back within the provider's word, and shows that it was given in this round.
        verifier: shown when the code is redeemed: the code is of no use to whoever intercepts it.
    """

    state: str
    nonce: str
    verifier: str

    @classmethod
    def of(cls, secret: str, tenant: str, provider: str) -> "Round":
        """The round of a browser's secret, with one provider of one tenant."""
        return cls(*(_made_of(secret, tenant, provider, what) for what in ("state", "nonce", "verifier")))


@dataclass(frozen=True, slots=True)
class Word:
    """What a provider says about somebody; an e-mail address that it has not confirmed says nothing."""

    subject: str
    email: str | None
    name: str | None

    @classmethod
    def read(cls, claims: Mapping[str, Any]) -> "Word":
        """The word in an ID token's claims, once its signature, issuer, audience, time and nonce are right.

        Raises:
            ValueError: it does not say about whom it is.
        """
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT:
            raise ValueError("no subject")
        email, name = claims.get("email"), claims.get("name")
        confirmed = claims.get("email_verified") is True and isinstance(email, str) and "@" in email
        return cls(
            subject, str(email).strip().lower() if confirmed else None, name[:200] if isinstance(name, str) else None
        )


def _made_of(*parts: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256("\n".join(parts).encode()).digest()).rstrip(b"=").decode()
