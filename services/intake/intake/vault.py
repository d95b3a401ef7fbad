"""The vault: what is personal about a lead, sealed under a key of the person's own.

A person's key is wrapped by the tenant's, which the key service wraps. Without it nothing of the person can be read
again, wherever copies of the rows may lie.
"""

import json
import os
from collections.abc import Iterable, Mapping
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chassis.keys import TenantKey
from chassis.unit_of_work import UnitOfWork
from intake.domain_lead import NormalLead

_NONCE_BYTES = 12
_KEY_BYTES = 32

_LOAD = "select key_id, wrapped from person_key where tenant_id = :tenant and key_id = any(cast(:ids as uuid[]))"
_KEEP = """
    insert into person_key (tenant_id, key_id, wrapped)
    select :tenant, * from unnest(cast(:ids as uuid[]), cast(:wrapped as bytea[]))
    on conflict do nothing
    returning key_id
"""


async def person_keys(uow: UnitOfWork, key: TenantKey, persons: Iterable[UUID]) -> dict[UUID, bytes]:
    """The unwrapped keys of these persons; whoever has none yet is given one."""
    wanted = sorted(set(persons))
    rows = await uow.execute(_LOAD, tenant=key.tenant, ids=wanted)
    keys = {row.key_id: key.open(row.wrapped, f"person/{row.key_id}") for row in rows}
    made = {person: os.urandom(_KEY_BYTES) for person in wanted if person not in keys}
    if made:
        wrapped = [key.seal(secret, f"person/{person}") for person, secret in made.items()]
        rows = await uow.execute(_KEEP, tenant=key.tenant, ids=list(made), wrapped=wrapped)
        kept = {row.key_id for row in rows}
        keys.update({person: secret for person, secret in made.items() if person in kept})
        if len(kept) < len(made):  # another unit of work made the same person's key a moment before
            rows = await uow.execute(_LOAD, tenant=key.tenant, ids=[person for person in made if person not in kept])
            keys.update({row.key_id: key.open(row.wrapped, f"person/{row.key_id}") for row in rows})
    return keys


def seal(lead: NormalLead, lead_id: UUID, tenant: str, person_key: bytes) -> bytes:
    """Everything personal about a lead, sealed for this lead of this tenant."""
    content = {
        "name": lead.name,
        "phone": lead.phone,
        "phone_extension": lead.phone_extension,
        "email": lead.email,
        "linkedin_url": lead.linkedin_url,
        "notes": lead.notes,
        "metadata": lead.private_metadata,
    }
    nonce = os.urandom(_NONCE_BYTES)
    given = {name: value for name, value in content.items() if value}
    return nonce + AESGCM(person_key).encrypt(nonce, json.dumps(given).encode(), _context(tenant, lead_id))


def open_sealed(sealed: bytes, lead_id: UUID, tenant: str, person_key: bytes) -> Mapping[str, object]:
    """What was sealed.

    Raises:
        cryptography.exceptions.InvalidTag: sealed for another lead, another tenant or under another key.
    """
    nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    content: Mapping[str, object] = json.loads(AESGCM(person_key).decrypt(nonce, ciphertext, _context(tenant, lead_id)))
    return content


def _context(tenant: str, lead_id: UUID) -> bytes:
    return f"{tenant}/{lead_id}".encode()
