"""Whether a webhook was signed with a secret, and lately (https://www.standardwebhooks.com). Pure."""

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

TOLERANCE: Final = timedelta(minutes=5)
"""How far the sender's clock may be off, and how long a webhook may be on its way."""
PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32
_VERSION: Final = "v1"
_MOST_SIGNATURES: Final = 8
"""A sender signs with each of its secrets while it changes them."""
_LONGEST_ID: Final = 200


@dataclass(frozen=True, slots=True)
class Signed:
    """What the header fields of a webhook say.

    Attributes:
        webhook_id: the same each time it is sent.
        sent: seconds since 1970, as they were written.
        signatures: each the HMAC-SHA256 of id, time and body.
    """

    webhook_id: str
    sent: str
    signatures: tuple[bytes, ...]

    @classmethod
    def read(cls, headers: Mapping[str, str]) -> "Signed | None":
        """None where a field is missing or malformed."""
        webhook_id, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not (0 < len(webhook_id) <= _LONGEST_ID and webhook_id.isascii() and webhook_id.isprintable()):
            return None
        if not (sent.isascii() and sent.isdigit() and len(sent) <= 12):
            return None
        signatures = []
        for given in headers.get("webhook-signature", "").split(" ")[:_MOST_SIGNATURES]:
            version, _, encoded = given.partition(",")
            if version == _VERSION:
                try:
                    signatures.append(base64.b64decode(encoded, validate=True))
                except (binascii.Error, ValueError):
                    return None
        return cls(webhook_id, sent, tuple(signatures)) if signatures else None

    def is_by(self, secrets: Sequence[bytes], body: bytes) -> bool:
        """Whether one of these secrets signed it, in a time that tells nothing about them."""
        content = f"{self.webhook_id}.{self.sent}.".encode() + body
        matched = False
        for secret in secrets:
            right = hmac.digest(secret, content, "sha256")
            for given in self.signatures:
                matched |= hmac.compare_digest(right, given)
        return matched

    def is_recent(self, now: datetime) -> bool:
        return abs(now.timestamp() - int(self.sent)) <= TOLERANCE.total_seconds()


def shown(secret: bytes) -> str:
    """A secret as a sender is told it."""
    return PREFIX + base64.b64encode(secret).decode()
