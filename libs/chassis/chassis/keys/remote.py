"""Key services of other makers, each reached over HTTP by its maker's own client, with the credentials that one looks for.

A client is imported and made at its first use: a service that is idle, or has its key in a file, does not carry it.
"""

import asyncio
import base64
import os
import re
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chassis.failures import KeysUnavailableError, NotUnwrappedError

_SECONDS = 5.0
"""How long a client may take to connect, and to be answered."""
_PATIENCE_SECONDS = 15.0
"""How long is waited for a client, whatever it does: credentials are looked up over the network too."""
_KEY_BYTES = 32
_NONCE_BYTES = 12
_THREADS = 4


class RemoteKeyService(ABC):
    """A key service whose client blocks, and so works in threads of its own.

    What is wrapped is sealed under a key made for it, and that key is what the service encrypts: AWS takes 4 KiB at most,
    and a dead letter has more.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="key-service")
        self._client: Any = None

    async def wrap(self, key: bytes, context: bytes) -> bytes:
        own, nonce = os.urandom(_KEY_BYTES), os.urandom(_NONCE_BYTES)
        encrypted = await self._in_a_thread(self._encrypt, own, context)
        return len(encrypted).to_bytes(2, "big") + encrypted + nonce + AESGCM(own).encrypt(nonce, key, context)

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        end = 2 + int.from_bytes(wrapped[:2], "big")
        encrypted, nonce, sealed = wrapped[2:end], wrapped[end : end + _NONCE_BYTES], wrapped[end + _NONCE_BYTES :]
        if not (encrypted and sealed):
            raise NotUnwrappedError("no key service of this kind wrapped this")
        own = await self._in_a_thread(self._decrypt, encrypted, context)
        try:
            return AESGCM(own).decrypt(nonce, sealed, context)
        except (InvalidTag, ValueError):
            raise NotUnwrappedError("what was wrapped is damaged") from None

    async def _in_a_thread(self, call: Any, data: bytes, context: bytes) -> bytes:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                answer: bytes = await asyncio.get_running_loop().run_in_executor(self._threads, call, data, context)
                return answer
        except KeysUnavailableError:
            self._client = None  # the next one reads its environment anew: a token may have been renewed
            raise
        except TimeoutError:
            raise self._away("no answer") from None

    def _away(self, why: object) -> KeysUnavailableError:
        """`why` is an error of the client's, of which the class is told: its text can quote what was sent."""
        reason = why if isinstance(why, str) else type(why).__name__
        return KeysUnavailableError(f"{type(self).__name__}: {reason}")

    @abstractmethod
    def _encrypt(self, data: bytes, context: bytes) -> bytes:
        """Raises `KeysUnavailableError`, whatever the reason."""

    @abstractmethod
    def _decrypt(self, data: bytes, context: bytes) -> bytes:
        """Raises `KeysUnavailableError`, and of what this key cannot open `NotUnwrappedError`."""


class AwsKeyService(RemoteKeyService):
    """AWS KMS. Credentials, region and endpoint as botocore finds them: `AWS_ACCESS_KEY_ID`, `AWS_PROFILE`,
    `AWS_WEB_IDENTITY_TOKEN_FILE`, the machine's role; `AWS_ENDPOINT_URL_KMS`. The region is the key's own."""

    URI = re.compile(r"aws-kms://(?P<arn>arn:aws[a-z-]*:kms:(?P<region>[a-z0-9-]+):\d+:(?:key|alias)/\S+)")
    HINT = "aws-kms://arn:aws:kms:REGION:ACCOUNT:key/ID"

    def __init__(self, arn: str, region: str) -> None:
        super().__init__()
        self._arn, self._region = arn, region

    def _encrypt(self, data: bytes, context: bytes) -> bytes:
        return self._ask("encrypt", "CiphertextBlob", context, Plaintext=data)

    def _decrypt(self, data: bytes, context: bytes) -> bytes:
        return self._ask("decrypt", "Plaintext", context, CiphertextBlob=data)

    def _ask(self, operation: str, answer: str, context: bytes, **given: bytes) -> bytes:
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
        from botocore.session import get_session

        try:
            if self._client is None:
                config = Config(connect_timeout=_SECONDS, read_timeout=_SECONDS, retries={"total_max_attempts": 2})
                self._client = get_session().create_client("kms", region_name=self._region, config=config)
            encryption_context = {"leadloop": context.decode()}
            done = getattr(self._client, operation)(KeyId=self._arn, EncryptionContext=encryption_context, **given)
            data: bytes = done[answer]
            return data
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code"))
            if code in ("InvalidCiphertextException", "IncorrectKeyException"):
                raise NotUnwrappedError("AWS KMS cannot open this with the key it was told") from None
            raise self._away(f"refused with {code}") from None
        except (BotoCoreError, HTTPClientError, KeyError, OSError) as error:
            raise self._away(error) from None


class GcpKeyService(RemoteKeyService):
    """Google Cloud KMS. Application default credentials (`GOOGLE_APPLICATION_CREDENTIALS`, the machine's account); the
    endpoint is another where `CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS` names one."""

    URI = re.compile(
        r"gcp-kms://(?P<name>projects/[^/\s]+/locations/[\w-]+/keyRings/[\w-]+/cryptoKeys/[\w-]+)", re.ASCII
    )
    HINT = "gcp-kms://projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/NAME"

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def _encrypt(self, data: bytes, context: bytes) -> bytes:
        return self._ask("encrypt", "plaintext", "ciphertext", data, context)

    def _decrypt(self, data: bytes, context: bytes) -> bytes:
        return self._ask("decrypt", "ciphertext", "plaintext", data, context)

    def _ask(self, operation: str, given: str, answer: str, data: bytes, context: bytes) -> bytes:
        import google.auth
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.requests import AuthorizedSession
        from requests import RequestException

        root = os.environ.get("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS", "https://cloudkms.googleapis.com/")
        body = {given: _base64(data), "additionalAuthenticatedData": _base64(context)}
        try:
            if self._client is None:
                credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloudkms"])
                self._client = AuthorizedSession(credentials, refresh_timeout=_SECONDS)  # type: ignore[no-untyped-call]
            url = f"{root.rstrip('/')}/v1/{self._name}:{operation}"
            done = self._client.post(url, json=body, timeout=_SECONDS)
            if done.status_code == 200:
                return base64.b64decode(done.json()[answer], validate=True)
            status = str(done.json()["error"]["status"])
        except (GoogleAuthError, RequestException, KeyError, TypeError, ValueError, OSError) as error:
            raise self._away(error) from None
        if operation == "decrypt" and status == "INVALID_ARGUMENT":
            raise NotUnwrappedError("Cloud KMS cannot open this with the key it was told")
        raise self._away(f"refused with {status}")


class VaultKeyService(RemoteKeyService):
    """The transit engine of HashiCorp Vault or OpenBao, with a key of an AEAD type (aes256-gcm96, its default). Address,
    token and certificates as hvac finds them: `VAULT_ADDR` (where the URI's host is not meant with https), `VAULT_TOKEN`
    or the file ``~/.vault-token``, `VAULT_CACERT`, `VAULT_CLIENT_CERT`; and `VAULT_NAMESPACE`."""

    URI = re.compile(r"hcvault://(?P<host>[^/\s]+)/(?P<mount>[^\s]+)/keys/(?P<name>[\w.-]+)", re.ASCII)
    HINT = "hcvault://HOST:PORT/transit/keys/NAME"

    def __init__(self, host: str, mount: str, name: str) -> None:
        super().__init__()
        self._host, self._mount, self._name = host, mount, name

    def _encrypt(self, data: bytes, context: bytes) -> bytes:
        return self._ask("encrypt_data", "ciphertext", context, plaintext=_base64(data)).encode()

    def _decrypt(self, data: bytes, context: bytes) -> bytes:
        try:
            ciphertext = data.decode("ascii")
        except UnicodeDecodeError:
            raise NotUnwrappedError("Vault has not wrapped this") from None
        return base64.b64decode(self._ask("decrypt_data", "plaintext", context, ciphertext=ciphertext))

    def _ask(self, operation: str, answer: str, context: bytes, **given: str) -> str:
        import hvac
        from hvac.exceptions import VaultError
        from requests import RequestException

        try:
            if self._client is None:
                url = os.environ.get("VAULT_ADDR", f"https://{self._host}")
                self._client = hvac.Client(url, timeout=_SECONDS, namespace=os.environ.get("VAULT_NAMESPACE"))
            transit = getattr(self._client.secrets.transit, operation)
            done = transit(self._name, mount_point=self._mount, associated_data=_base64(context), **given)
            return str(done["data"][answer])
        except VaultError as error:
            said = str(error.errors or error.text)
            if (
                "message authentication failed" in said or "invalid ciphertext" in said
            ):  # a 400, or a 500 of some versions
                raise NotUnwrappedError("Vault cannot open this with the key it was told") from None
            raise self._away(error) from None
        except (RequestException, KeyError, TypeError, ValueError, OSError) as error:
            raise self._away(error) from None


_KINDS: dict[str, type[AwsKeyService] | type[GcpKeyService] | type[VaultKeyService]] = {
    "aws-kms": AwsKeyService,
    "gcp-kms": GcpKeyService,
    "hcvault": VaultKeyService,
}


def key_service(uri: str) -> RemoteKeyService:
    """The key service a URI names.

    Raises:
        ValueError: none is known for the URI's scheme, or the URI names no key of it.
    """
    scheme = uri.partition("://")[0]
    kind = _KINDS.get(scheme)
    if kind is None:
        known = ", ".join(("file:///path/to/keyset.json", *(kind.HINT for kind in _KINDS.values())))
        raise ValueError(f"LEADLOOP_KMS_URI: no key service for {scheme}://; use one of {known}")
    named = kind.URI.fullmatch(uri)
    if named is None:
        raise ValueError(f"LEADLOOP_KMS_URI: this names no key; write it like {kind.HINT}")
    return kind(**named.groupdict())


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
