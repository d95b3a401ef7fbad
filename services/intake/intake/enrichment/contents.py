"""What is personal in a run, sealed with the tenant's key, and the tokens by which a person in it is known."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chassis.keys import ResealedColumn, TenantKey
from intake.leads.domain_phone import read_phone

RESEALED = (
    ResealedColumn("enrichment_run", "criteria", key={"run_id": "uuid"}, context="enrichment/criteria/{run_id}"),
    ResealedColumn(
        "enrichment_item", "sealed", key={"run_id": "uuid", "step": "text", "item": "integer"},
        context="enrichment/contact/{run_id}",
    ),
    ResealedColumn(
        "memory", "value", key={"key": "text"}, context="enrichment/{key}",
        read="decode(value ->> 'sealed', 'hex')",
        write="jsonb_set(value, '{sealed}', to_jsonb(encode(given.sealed, 'hex')))",
    ),
)  # fmt: skip
"""What `seal` seals, with its contexts: what nobody else seals is in `memory`."""


def seal(key: TenantKey, content: Any, context: str) -> bytes:
    """A JSON value, sealed; `context` says what it is, and only as that it is opened."""
    return key.seal(json.dumps(content).encode(), f"enrichment/{context}")


def open_(key: TenantKey, sealed: bytes, context: str) -> Any:
    return json.loads(key.open(sealed, f"enrichment/{context}"))


def criteria(run_id: UUID) -> str:
    return f"criteria/{run_id}"


def contact(run_id: UUID) -> str:
    return f"contact/{run_id}"


def reached_by(fields: Mapping[str, Any], region: str) -> dict[str, str]:
    """What a person is reached by, under the kind of its token.

    Parameters:
        region: how national telephone numbers are read.
    """
    phone = read_phone(fields["phone"], region) if "phone" in fields else None
    values = {
        "phone_token": phone.e164 if phone else None,
        "email_token": fields.get("email"),
        "linkedin_token": fields.get("linkedin_url"),
    }
    return {kind: value for kind, value in values.items() if value}


def tokens(key: TenantKey, reached_by: Mapping[str, str]) -> list[str]:
    """The tokens of what a person is reached by, whichever of them their lead has."""
    return [token for kind, value in reached_by.items() for token in key.tokens(kind, value)]


def identity(key: TenantKey, text: str) -> str:
    """A keyed hash of what tells a company or a person from others."""
    return key.lasting_token("enrichment", text)


def evidence(key: TenantKey, revision: UUID, about: str) -> str:
    """The key under which a provider's answer is remembered: same provider, same question, same key."""
    return f"enrichment/{key.lasting_token('enrichment/evidence', f'{revision}/{about}')}"
