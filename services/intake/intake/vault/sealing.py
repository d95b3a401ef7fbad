"""The vault: what is personal about a lead, sealed under a key of the person's own, and with it texts that services received of them.

A person's key is wrapped by the tenant's, which the key service wraps. Without it nothing of the person can be read
again, wherever copies of the rows may lie.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from nacl.secret import Aead
from nacl.utils import random

from chassis.keys import ResealedColumn, TenantKey
from chassis.unit_of_work import Row, UnitOfWork
from intake.vault import store

RESEALED = ResealedColumn("person_key", "wrapped", key={"key_id": "uuid"}, context="person/{key_id}")
"""What `_purpose` is the context of."""


def new_person_keys(uow: UnitOfWork, key: TenantKey, persons: Iterable[UUID]) -> dict[UUID, bytes]:
    """Keys for persons of whom nobody knows yet."""
    made = {person: random(Aead.KEY_SIZE) for person in persons}
    store.keep_new_person_keys(uow, key.tenant, _wrapped(key, made))
    return made


async def person_keys(uow: UnitOfWork, key: TenantKey, persons: Iterable[UUID]) -> dict[UUID, bytes]:
    """The unwrapped keys of these persons; whoever has none yet is given one."""
    wanted = sorted(set(persons))
    if not wanted:
        return {}
    keys = await _load(uow, key, wanted)
    made = {person: random(Aead.KEY_SIZE) for person in wanted if person not in keys}
    if made:
        kept = await store.keep_person_keys(uow, key.tenant, _wrapped(key, made))
        keys.update({person: secret for person, secret in made.items() if person in kept})
        if len(kept) < len(made):  # another unit of work made the same person's key a moment before
            keys.update(await _load(uow, key, [person for person in made if person not in kept]))
    return keys


async def _load(uow: UnitOfWork, key: TenantKey, persons: Sequence[UUID]) -> dict[UUID, bytes]:
    wrapped = await store.person_keys(uow, key.tenant, persons)
    return {person: key.open(sealed, _purpose(person)) for person, sealed in wrapped.items()}


def _wrapped(key: TenantKey, secrets: Mapping[UUID, bytes]) -> dict[UUID, bytes]:
    return {person: key.seal(secret, _purpose(person)) for person, secret in secrets.items()}


def _purpose(person: UUID) -> str:
    return f"person/{person}"


def seal(personal: Mapping[str, object], lead_id: UUID, tenant: str, person_key: bytes) -> bytes:
    """Everything personal about a lead (JSON values by name), sealed for this lead of this tenant."""
    return bytes(Aead(person_key).encrypt(json.dumps(personal).encode(), _context(tenant, lead_id)))


def open_sealed(sealed: bytes, lead_id: UUID, tenant: str, person_key: bytes) -> Mapping[str, Any]:
    """What was sealed.

    Raises:
        nacl.exceptions.CryptoError: sealed for another lead, another tenant or under another key.
    """
    content: Mapping[str, Any] = json.loads(Aead(person_key).decrypt(sealed, _context(tenant, lead_id)))
    return content


def open_wrapped(row: Row, key: TenantKey) -> Mapping[str, Any]:
    """What was sealed of a lead, from a row with its `lead_id`, `sealed`, `key_id` and that key as it is `wrapped`."""
    person_key = key.open(row["wrapped"], _purpose(row["key_id"]))
    return open_sealed(row["sealed"], row["lead_id"], key.tenant, person_key)


async def keep(uow: UnitOfWork, key: TenantKey, sealed: Sequence[store.Sealed]) -> None:
    """Keep what is personal about leads. The texts of a lead whose key is another now are sealed with that; a key
    that seals nothing any more is destroyed: what it sealed may lie in copies of the rows."""
    before = await store.keep_sealed(uow, key.tenant, sealed)
    if not before:
        return
    texts = await store.texts_of(uow, key.tenant, before)
    keys = await person_keys(uow, key, {row["new_key_id"] for row in texts})
    moved = [
        (row["text_id"], row["new_key_id"], seal_text(open_text(row, key), row["text_id"], key.tenant, keys[row["new_key_id"]]))
        for row in texts
    ]  # fmt: skip
    await store.reseal_texts(uow, key.tenant, moved)
    await store.drop_unused_keys(uow, key.tenant, set(before.values()))


def seal_text(text: str, text_id: UUID, tenant: str, person_key: bytes) -> bytes:
    """A text that a service received of a person, sealed as the one with this id."""
    return bytes(Aead(person_key).encrypt(text.encode(), _text_context(tenant, text_id)))


def open_text(row: Row, key: TenantKey) -> str:
    """The text that was sealed, from a row with its `text_id`, `sealed`, `key_id` and that key as it is `wrapped`.

    Raises:
        nacl.exceptions.CryptoError: sealed as another, for another tenant or under another key.
    """
    person_key = key.open(row["wrapped"], _purpose(row["key_id"]))
    return Aead(person_key).decrypt(row["sealed"], _text_context(key.tenant, row["text_id"])).decode()


def _text_context(tenant: str, text_id: UUID) -> bytes:
    return f"{tenant}/text/{text_id}".encode()


def _context(tenant: str, lead_id: UUID) -> bytes:
    return f"{tenant}/{lead_id}".encode()
