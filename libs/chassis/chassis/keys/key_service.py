"""The key service, named by a URI: it wraps what must not be stored in clear, and never shows its own key.

``file:///path`` is a Tink keyset in a file, for development and for installations whose file system is the secret store;
the others are in `chassis.keys.remote`.
"""

import io
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlparse

import tink
from tink import TinkError, aead, cleartext_keyset_handle

from chassis.failures import KeysUnavailableError, NotUnwrappedError

aead.register()


class KeyService(Protocol):
    """Wraps and unwraps keys, and what else has no tenant's key; it never shows its own.

    What was wrapped in one context opens in no other. Both raise `KeysUnavailableError` when the service or its key is
    away, and `unwrap` the narrower `NotUnwrappedError` when the service answers that it cannot open what it was given.
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
    """The key service a URI names; nothing is looked up or connected yet.

    Raises:
        ValueError: no key service is known for the URI's scheme, or the URI names no key of it.
    """
    parsed = urlparse(uri)
    if parsed.scheme == "file":
        return FileKeyService(Path(parsed.path))
    from chassis.keys import remote  # most installations' services never need it

    return remote.key_service(uri)
