"""Keys: a key service wraps each tenant's keys, and those wrap or seal what the tenant's rows hold.

The key service is named by a URI. ``file:///path`` is a Tink keyset in a file, for development and for installations
whose file system is the secret store. Unwrapped tenant keys are cached for a few minutes only, so that a key that is
taken away stops being used.

With its first tenant's keys a service keeps a proof, wrapped like them. While the key service opens the proof it is well,
and a tenant's key that it cannot open is that tenant's trouble alone. When it opens neither, it holds another key: then
everything waits, and no tenant gets a key that only this other one could open.
"""

import hashlib
import hmac
import io
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlparse

import tink
from sqlalchemy import text
from tink import TinkError, aead, cleartext_keyset_handle

from chassis.failures import KeysUnavailableError, NotUnwrappedError, TenantKeyError
from chassis.logs import get_logger
from chassis.unit_of_work import UnitOfWork
from contracts.message import PLATFORM

log = get_logger("keys")

aead.register()

_CACHE_SECONDS = 300.0
_KEEP = text("""
    insert into tenant_key (tenant_id, purpose, wrapped)
    select * from unnest(cast(:tenants as text[]), cast(:purposes as text[]), cast(:wrapped as bytea[]))
    on conflict do nothing
""")


class KeyService(Protocol):
    """Wraps and unwraps keys; it never shows its own.

    Both raise `KeysUnavailableError` when the service or its key is away, and `unwrap` the narrower `NotUnwrappedError`
    when the service answers that it cannot open what it was given.
    """

    async def wrap(self, key: bytes, context: bytes) -> bytes: ...

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes: ...


class FileKeyService:
    """A key service whose key is a Tink keyset in a file, read at every use: no file, no keys."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @staticmethod
    def create(path: Path) -> None:
        """Make a new key in `path`, readable by its owner only; an existing one is left as it is."""
        if path.exists():
            return
        handle = tink.new_keyset_handle(aead.aead_key_templates.AES256_GCM)
        out = io.StringIO()
        cleartext_keyset_handle.write(tink.JsonKeysetWriter(out), handle)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(out.getvalue())

    async def wrap(self, key: bytes, context: bytes) -> bytes:
        wrapped: bytes = self._aead().encrypt(key, context)
        return wrapped

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        try:
            key: bytes = self._aead().decrypt(wrapped, context)
        except TinkError:
            raise NotUnwrappedError(f"the key in {self._path} is not the one this was wrapped with") from None
        return key

    def _aead(self) -> Any:
        try:
            handle = cleartext_keyset_handle.read(tink.JsonKeysetReader(self._path.read_text()))
            return handle.primitive(aead.Aead)
        except (OSError, TinkError, ValueError) as error:
            raise KeysUnavailableError(f"no usable key in {self._path}: {type(error).__name__}") from None


def key_service(uri: str) -> KeyService:
    """The key service a URI names.

    Raises:
        ValueError: no key service is known for the URI's scheme.
    """
    parsed = urlparse(uri)
    if parsed.scheme == "file":
        return FileKeyService(Path(parsed.path))
    raise ValueError(f"LEADLOOP_KMS_URI: no key service for {parsed.scheme}://; use file:///path/to/keyset.json")


@dataclass(frozen=True, slots=True)
class TenantKey:
    """A tenant's unwrapped keys.

    Attributes:
        sealer: an AEAD primitive (``encrypt(plaintext, associated_data)``, ``decrypt``).
        token_key: 32 bytes; the key of the tenant's tokens and digests.
    """

    tenant: str
    sealer: Any
    token_key: bytes

    def seal(self, plaintext: bytes, context: str = "") -> bytes:
        sealed: bytes = self.sealer.encrypt(plaintext, f"{self.tenant}/{context}".encode())
        return sealed

    def open(self, sealed: bytes, context: str = "") -> bytes:
        plaintext: bytes = self.sealer.decrypt(sealed, f"{self.tenant}/{context}".encode())
        return plaintext

    def token(self, kind: str, value: str) -> str:
        """The value's token: the same for the same tenant, kind and value, and of no use without the key (HMAC)."""
        return hmac.digest(self.token_key, f"{kind}:{value}".encode(), hashlib.sha256).hex()


class TenantKeys:
    """The tenants' keys, made when first needed and kept wrapped in the service's own schema."""

    def __init__(self, service: KeyService) -> None:
        self._service = service
        self._cache: dict[str, tuple[float, TenantKey]] = {}

    async def of(self, uow: UnitOfWork, tenant: str) -> TenantKey:
        """The tenant's keys.

        Raises:
            KeysUnavailableError: the key service is away, or has another key, and the keys are not in the cache.
            TenantKeyError: the key service is well, and cannot open this tenant's keys.
        """
        cached = self._cache.get(tenant)
        if cached and cached[0] > time.monotonic():
            return cached[1]
        found = await self._load(uow, tenant)
        if not found:
            await self._make(uow, tenant)
            found = await self._load(uow, tenant)
        try:
            keyset, token_key = await self._unwrap_both(tenant, found)
        except NotUnwrappedError:
            await self._unwrap(PLATFORM, "proof", await self._load(uow, PLATFORM))
            try:  # once more, with the key that opened the proof: the one before may have been another, just replaced
                keyset, token_key = await self._unwrap_both(tenant, found)
            except NotUnwrappedError:
                log.error(
                    "a tenant's key cannot be opened, and others can: its messages become dead letters", tenant=tenant
                )
                raise TenantKeyError(tenant) from None
        handle = cleartext_keyset_handle.read(tink.BinaryKeysetReader(keyset))
        key = TenantKey(tenant, handle.primitive(aead.Aead), token_key)
        self._cache[tenant] = (time.monotonic() + _CACHE_SECONDS, key)
        return key

    async def _unwrap_both(self, tenant: str, found: Mapping[str, bytes]) -> tuple[bytes, bytes]:
        return await self._unwrap(tenant, "seal", found), await self._unwrap(tenant, "token", found)

    async def _unwrap(self, tenant: str, purpose: str, found: Mapping[str, bytes]) -> bytes:
        if purpose not in found:
            raise NotUnwrappedError(f"a row is missing: {purpose}")
        return await self._service.unwrap(found[purpose], f"{tenant}/{purpose}".encode())

    async def _load(self, uow: UnitOfWork, tenant: str) -> dict[str, bytes]:
        rows = await uow.execute("select purpose, wrapped from tenant_key where tenant_id = :tenant", tenant=tenant)
        return {row.purpose: row.wrapped for row in rows}

    async def _make(self, uow: UnitOfWork, tenant: str) -> None:
        """Make the tenant's keys and commit them at once: were they undone with the unit of work that first needed them,
        what is sealed with them from the cache could never be opened again."""
        handle = tink.new_keyset_handle(aead.aead_key_templates.AES256_GCM)
        out = io.BytesIO()
        cleartext_keyset_handle.write(tink.BinaryKeysetWriter(out), handle)
        made = {(tenant, "seal"): out.getvalue(), (tenant, "token"): secrets.token_bytes(32)}
        if proof := await self._load(uow, PLATFORM):
            await self._unwrap(PLATFORM, "proof", proof)
        else:
            made[PLATFORM, "proof"] = b"proof"
        tenants, purposes = zip(*made, strict=True)
        wrapped = [
            await self._service.wrap(secret, f"{owner}/{purpose}".encode()) for (owner, purpose), secret in made.items()
        ]
        async with uow.connection.engine.begin() as connection:
            await connection.execute(_KEEP, {"tenants": list(tenants), "purposes": list(purposes), "wrapped": wrapped})
