"""Each tenant's keys: those that seal, those for tokens; made when first needed, kept wrapped, changed by rotation.

Unwrapped keys are cached for a few minutes only, so that a key that is taken away stops being used.

With the first of them a service keeps a proof, wrapped like them. While the key service opens the proof it is well,
and a tenant's key that it cannot open is that tenant's trouble alone. When it opens neither, it holds another key: then
everything waits, and no tenant gets a key that only this other one could open.

Besides these, a service has one secret of its own, which makes ids and opens nothing.

Each key has a row of its own, ``seal``, ``seal/2``, …, ``token``, ``token/2``, …: the newest sealing key seals, all open.
Tokens are made with the newest generation that every replica must have heard of, and the others go on being looked for.
"""

import hashlib
import hmac
import io
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

import tink
from sqlalchemy import text
from tink import aead, cleartext_keyset_handle
from tink.proto import tink_pb2

from chassis.failures import LostRaceError, NotUnwrappedError, TenantKeyError
from chassis.keys.key_service import KeyService
from chassis.logs import get_logger
from chassis.unit_of_work import UnitOfWork
from contracts.message import PLATFORM

T = TypeVar("T")
log = get_logger("keys")

CACHE_SECONDS = 300.0
HEARD_OF_SECONDS = 600.0
"""How old a key must be for every replica to have heard of it: its cache has ended, and what it was doing has too."""
_PREFIX_BYTES = 5
"""What Tink's ciphertexts begin with: the number 1, and the key's id."""
_KEEP = """
    insert into tenant_key (tenant_id, purpose, wrapped)
    select * from unnest(cast(:tenants as text[]), cast(:purposes as text[]), cast(:wrapped as bytea[]))
    on conflict do nothing
"""


@dataclass(frozen=True, slots=True)
class TenantKey:
    """A tenant's unwrapped keys.

    Attributes:
        sealer: an AEAD primitive (``encrypt(plaintext, associated_data)``, ``decrypt``) that knows all sealing keys.
        sealed_with: what begins all that is sealed now.
        opens: what begins all that can be opened.
        token_keys: 32 bytes by generation, from 1.
        generation: the one whose key new tokens and digests are made with.
        meet_unknown: told what begins something sealed with a key that is not here; raises if it may be there by now.
    """

    tenant: str
    sealer: Any = field(repr=False)
    sealed_with: bytes
    opens: frozenset[bytes]
    token_keys: Mapping[int, bytes] = field(repr=False)
    generation: int
    meet_unknown: Callable[[bytes], None] = field(repr=False)

    @property
    def token_key(self) -> bytes:
        """32 bytes; the key of new tokens and digests."""
        return self.token_keys[self.generation]

    def seal(self, plaintext: bytes, context: str = "") -> bytes:
        sealed: bytes = self.sealer.encrypt(plaintext, f"{self.tenant}/{context}".encode())
        return sealed

    def knows(self, sealed: bytes) -> bool:
        """Whether the key is here that this was sealed with."""
        return sealed[:_PREFIX_BYTES] in self.opens

    def open(self, sealed: bytes, context: str = "") -> bytes:
        """What was sealed in this context.

        Raises:
            LostRaceError: it was sealed with a key newer than these; tried again, it will be known.
            TinkError: it was not sealed with this tenant's keys, or in another context.
        """
        if not self.knows(sealed):
            self.meet_unknown(sealed[:_PREFIX_BYTES])
        plaintext: bytes = self.sealer.decrypt(sealed, f"{self.tenant}/{context}".encode())
        return plaintext

    def token(self, kind: str, value: str) -> str:
        """A new value's token: the same for the same tenant, kind and value, and of no use without the key (HMAC)."""
        return self._token(self.generation, kind, value)

    def tokens(self, kind: str, value: str) -> tuple[str, ...]:
        """Every token that the value may have been given, of the oldest generation first."""
        return tuple(self._token(generation, kind, value) for generation in sorted(self.token_keys))

    def lasting_token(self, kind: str, value: str) -> str:
        """The value's token of the first generation, which no rotation changes: for what is known by its token alone."""
        return self._token(1, kind, value)

    def _token(self, generation: int, kind: str, value: str) -> str:
        return hmac.digest(self.token_keys[generation], f"{kind}:{value}".encode(), hashlib.sha256).hex()


@dataclass(frozen=True, slots=True)
class Rotation:
    """A tenant's keys after a rotation.

    Attributes:
        sealing_keys: how many open; the newest seals.
        generation: of the newest token key.
        active_from: when tokens begin to be made with it.
    """

    sealing_keys: int
    generation: int
    active_from: datetime


@dataclass(frozen=True, slots=True)
class _Wrapped:
    key: bytes
    age: float


class TenantKeys:
    """The tenants' keys, kept wrapped in the service's own schema."""

    def __init__(self, service: KeyService) -> None:
        self._service = service
        self._cache: dict[str, tuple[float, TenantKey]] = {}
        self._missed: dict[str, frozenset[bytes]] = {}
        self._secret: bytes | None = None

    async def of(self, uow: UnitOfWork, tenant: str, *, fresh: bool = False) -> TenantKey:
        """The tenant's keys, as they were minutes ago at most, or `fresh` as they are; made if there are none.

        Raises:
            KeysUnavailableError: the key service is away, or has another key, and the keys are not in the cache.
            TenantKeyError: the key service is well, and cannot open this tenant's keys.
        """
        cached = self._cache.get(tenant)
        if cached and cached[0] > time.monotonic() and not fresh:
            return cached[1]
        found = await self._load(uow, tenant)
        if not found:
            await self._make(uow, {(tenant, "seal"): _new_keyset(), (tenant, "token"): secrets.token_bytes(32)})
            found = await self._load(uow, tenant)
        try:
            opened = await self._unwrap_all(tenant, found)
        except NotUnwrappedError:
            await self._check_proof(await self._load(uow, PLATFORM))
            try:  # once more, with the key that opened the proof: the one before may have been another, just replaced
                opened = await self._unwrap_all(tenant, found)
            except NotUnwrappedError:
                log.error(
                    "a tenant's key cannot be opened, and others can: its messages become dead letters", tenant=tenant
                )
                raise TenantKeyError(tenant) from None
        key = self._key(tenant, opened, {number: row.age for number, row in _of("token", found).items()})
        waiting = [HEARD_OF_SECONDS - row.age for number, row in _of("token", found).items() if number > key.generation]
        self._cache[tenant] = (time.monotonic() + min([CACHE_SECONDS, *waiting]), key)
        return key

    async def rotate(self, uow: UnitOfWork, tenant: str, *, tokens: bool) -> Rotation | None:
        """Give the tenant another sealing key, which seals from now on, or another token key, `tokens`.

        Returns:
            None for a tenant that has no keys here.

        Raises:
            KeysUnavailableError: the key service is away or has another key.
            LostRaceError: the tenant's keys were rotated a moment before.
        """
        found = await self._load(uow, tenant)
        if not found:
            return None
        purpose = "token" if tokens else "seal"
        number = max(_of(purpose, found), default=0) + 1
        secret = secrets.token_bytes(32) if tokens else _new_keyset()
        await self._check_proof(await self._load(uow, PLATFORM))
        kept = await uow.execute(_KEEP, **await self._wrapped({(tenant, f"{purpose}/{number}"): secret}))
        if not kept.rowcount:
            raise LostRaceError("the tenant's keys were rotated a moment before")
        self.forget(tenant)
        found = await self._load(uow, tenant)
        generations = _of("token", found)
        newest = max(generations)
        wait = HEARD_OF_SECONDS - generations[newest].age if newest > 1 else 0.0
        return Rotation(len(_of("seal", found)), newest, uow.now + timedelta(seconds=max(0.0, wait)))

    async def secret(self, uow: UnitOfWork) -> bytes:
        """32 bytes of the service's own, of no tenant; made when first needed, the same in every replica for ever.

        Nothing is opened with it, so a process that has it keeps it.

        Raises:
            KeysUnavailableError: the key service is away, or has another key.
        """
        if self._secret is None:
            found = await self._load(uow, PLATFORM)
            if "secret" not in found:
                await self._make(uow, {(PLATFORM, "secret"): secrets.token_bytes(32)})
                found = await self._load(uow, PLATFORM)
            self._secret = await self._unwrap(PLATFORM, "secret", found["secret"])
        return self._secret

    def forget(self, tenant: str) -> None:
        """Look the tenant's keys up anew when they are next needed."""
        self._cache.pop(tenant, None)

    def _key(self, tenant: str, opened: Mapping[str, bytes], ages: Mapping[int, float]) -> TenantKey:
        keyset = tink_pb2.Keyset()
        for _, one in sorted(_of("seal", opened).items()):
            keyset.MergeFromString(one)  # of a repeated field all are kept, of the primary key's id the last
        opens = frozenset(_prefix(key.key_id) for key in keyset.key)
        missed = self._missed[tenant] = self._missed.get(tenant, frozenset()) - opens

        def meet_unknown(prefix: bytes) -> None:
            if prefix in missed:  # it was looked for
                return
            self._missed[tenant] |= {prefix}
            self.forget(tenant)
            raise LostRaceError("it was sealed with a key that was made a moment before")

        return TenantKey(
            tenant=tenant,
            sealer=cleartext_keyset_handle.from_keyset(keyset).primitive(aead.Aead),
            sealed_with=_prefix(keyset.primary_key_id),
            opens=opens,
            token_keys=_of("token", opened),
            generation=max(number for number, age in ages.items() if number == 1 or age >= HEARD_OF_SECONDS),
            meet_unknown=meet_unknown,
        )

    async def _unwrap_all(self, tenant: str, found: Mapping[str, _Wrapped]) -> dict[str, bytes]:
        if not _of("seal", found) or 1 not in _of("token", found):
            raise NotUnwrappedError("a row is missing")
        return {purpose: await self._unwrap(tenant, purpose, row) for purpose, row in found.items()}

    async def _check_proof(self, found: Mapping[str, _Wrapped]) -> None:
        """Raises `KeysUnavailableError` where the key service does not open what it wrapped first."""
        if "proof" not in found:
            raise NotUnwrappedError("a row is missing: proof")
        await self._unwrap(PLATFORM, "proof", found["proof"])

    async def _unwrap(self, tenant: str, purpose: str, row: _Wrapped) -> bytes:
        return await self._service.unwrap(row.key, f"{tenant}/{purpose}".encode())

    async def _wrapped(self, made: Mapping[tuple[str, str], bytes]) -> dict[str, list[Any]]:
        """New keys by tenant and purpose, as `_KEEP` takes them."""
        return {
            "tenants": [tenant for tenant, _ in made],
            "purposes": [purpose for _, purpose in made],
            "wrapped": [
                await self._service.wrap(secret, f"{tenant}/{purpose}".encode())
                for (tenant, purpose), secret in made.items()
            ],
        }

    async def _load(self, uow: UnitOfWork, tenant: str) -> dict[str, _Wrapped]:
        rows = await uow.execute(
            """select purpose, wrapped, extract(epoch from clock_timestamp() - created_at)::float as age
               from tenant_key where tenant_id = :tenant""",
            tenant=tenant,
        )
        return {row.purpose: _Wrapped(row.wrapped, row.age) for row in rows}

    async def _make(self, uow: UnitOfWork, made: Mapping[tuple[str, str], bytes]) -> None:
        """Keep new keys by tenant and purpose, and commit them at once: were they undone with the unit of work that first
        needed them, what is sealed with them from the cache could never be opened again."""
        if proof := await self._load(uow, PLATFORM):
            await self._check_proof(proof)
        else:
            made = {**made, (PLATFORM, "proof"): b"proof"}
        wrapped = await self._wrapped(made)
        async with uow.connection.engine.begin() as connection:
            await connection.execute(text(_KEEP), wrapped)


def _new_keyset() -> bytes:
    out = io.BytesIO()
    handle = tink.new_keyset_handle(aead.aead_key_templates.AES256_GCM)
    cleartext_keyset_handle.write(tink.BinaryKeysetWriter(out), handle)
    return out.getvalue()


def _prefix(key_id: int) -> bytes:
    return b"\x01" + key_id.to_bytes(4, "big")


def _of(purpose: str, rows: Mapping[str, T]) -> dict[int, T]:
    """The rows of one purpose by their number: ``seal`` is 1, ``seal/2`` is 2."""
    found = {}
    for name, row in rows.items():
        kind, _, number = name.partition("/")
        if kind == purpose:
            found[int(number or 1)] = row
    return found
