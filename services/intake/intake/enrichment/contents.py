"""What is personal in a run, sealed with the tenant's key, and the tokens by which a person in it is known."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chassis.keys import ResealedColumn, TenantKey
from intake.leads import domain_contact
from intake.leads.domain_contact import read_contact

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


def reached_by(fields: Mapping[str, Any], company: Mapping[str, Any], region: str) -> dict[str, str]:
    """What a contact with these fields is reached by, under the kind of its token; read as intake reads the lead that it may become.

    Parameters:
        region: how national telephone numbers are read where the company's country does not say it.
    """
    country = {"country": company["country"]} if "country" in company else {}
    read = read_contact({**fields, **country}, region, [])
    return domain_contact.reached_by(read.phone.e164 if read.phone else None, read.email, read.linkedin_url)


def identity(key: TenantKey, text: str) -> str:
    """A keyed hash of what tells a company or a person from others."""
    return key.lasting_token("enrichment", text)


def evidence(key: TenantKey, revision: UUID, about: str) -> str:
    """The key under which a provider's answer is remembered: same provider, same question, same key."""
    return f"enrichment/{key.lasting_token('enrichment/evidence', f'{revision}/{about}')}"
