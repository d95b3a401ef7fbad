"""The work on one lead that every peer does, with the same libraries: so that a comparison is of plumbing, not of domains."""

import hmac
import os
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson
import phonenumbers
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from email_validator import validate_email
from pydantic import BaseModel

TENANT = "acme"
KEY = b"k" * 32  # the data is synthetic: one fixed key for tokens and vault
AES = AESGCM(KEY)


class SubmitLead(BaseModel):
    """The command as an upstream publishes it."""

    message_id: uuid.UUID
    tenant_id: str
    source_system: str
    source_id: str
    full_name: str
    phone: str
    email: str
    product_interest: str
    metadata: dict[str, Any] = {}


class VaultEntry(NamedTuple):
    """One sealed value: a 12-byte nonce and the AES-256-GCM ciphertext, with the tenant as associated data."""

    tenant_id: str
    token: bytes
    sealed: bytes


class ProtectedContact(NamedTuple):
    """What may leave the vault (the tokens) and what stays in it."""

    phone_token: bytes
    email_token: bytes
    vault: list[VaultEntry]


def protect(command: SubmitLead) -> ProtectedContact:
    """Normalise the phone (E.164) and the e-mail, tokenise both (HMAC-SHA-256) and seal both.

    Raises:
        ValueError: the phone is no valid number, or the e-mail no valid address (EmailNotValidError).
    """
    number = phonenumbers.parse(command.phone, "US")
    if not phonenumbers.is_valid_number(number):
        raise ValueError(f"lead {command.source_id}: the phone is not a valid US number")
    phone = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    email = validate_email(command.email, check_deliverability=False).normalized.lower()
    vault = [_seal(command.tenant_id, value) for value in (phone, email)]
    return ProtectedContact(vault[0].token, vault[1].token, vault)


def _seal(tenant_id: str, value: str) -> VaultEntry:
    nonce = os.urandom(12)
    token = hmac.digest(KEY, value.encode(), "sha256")
    return VaultEntry(tenant_id, token, nonce + AES.encrypt(nonce, value.encode(), tenant_id.encode()))


def commands(count: int) -> Iterator[bytes]:
    """`count` different `SubmitLead` commands as JSON, all valid."""
    for i in range(count):
        yield orjson.dumps(
            {
                "message_id": str(uuid.uuid4()),
                "tenant_id": TENANT,
                "source_system": f"web{i % 7}",
                "source_id": f"s{i}",
                "full_name": "Jane Roe",
                "phone": f"(614) 4{i % 90 + 10:02d}-{i % 10000:04d}",
                "email": f"Jane.{i}@Example.com",
                "product_interest": "home_loan",
                "metadata": {"utm_source": "google", "city": "Dublin OH"},
            }
        )
