"""DomainKeys Identified Mail (RFC 6376): the signature by which a domain answers for an e-mail.

Made with the library that the keys are made with: dkimpy reckons RSA in Python, 10 ms and more a message, during which nothing else
runs.
"""

import base64
import re
from collections.abc import Callable, Sequence
from hashlib import sha256
from time import time

_SPACES = re.compile(rb"[ \t]+")
_LINE_ENDS = re.compile(rb"[ \t]+\r\n")
_ONCE_MORE = ("from", "to", "subject", "list-unsubscribe", "list-unsubscribe-post")
"""Named once more than they occur, so that nobody can add another (RFC 6376, 8.15)."""


class Signer:
    """Signs for one domain, with what verifiers find under ``<selector>._domainkey.<domain>``."""

    def __init__(self, domain: str, selector: str, private_key: str) -> None:
        """
        Args:
            private_key: RSA of 1024 bits or more (RFC 8301), or Ed25519 (RFC 8463), as PEM without a password.

        Raises:
            ValueError: it is no such key.
        """
        algorithm, self._signed = _signing(private_key)
        self._tags = f"a={algorithm}; c=relaxed/relaxed; d={domain}; s={selector}"

    def sign(self, fields: Sequence[tuple[str, str]], body: bytes) -> str:
        """The value of a DKIM-Signature over all the fields and the body, canonicalized relaxed/relaxed (RFC 6376, 3.4).

        Args:
            fields: each of a name of its own.
            body: its lines end with CRLF.
        """
        names = [name.lower() for name, _ in fields]
        signed = [*names, *(name for name in _ONCE_MORE if name in names)]
        value = (
            f"v=1; {self._tags}; t={int(time())};\r\n"
            f" h={':'.join(signed)};\r\n"
            f" bh={base64.b64encode(sha256(_relaxed_body(body)).digest()).decode()};\r\n"
            f" b="
        )
        # A name that occurs no more adds nothing to what is signed.
        head = b"".join(_relaxed_field(name, text) + b"\r\n" for name, text in fields)
        signature = base64.b64encode(self._signed(head + _relaxed_field("DKIM-Signature", value))).decode()
        return value + "\r\n  ".join(signature[start : start + 72] for start in range(0, len(signature), 72))


def _signing(private_key: str) -> tuple[str, Callable[[bytes], bytes]]:
    """The algorithm of a key, as a signature names it, and how to sign with it."""
    # Imported by whoever signs: the library takes 8 MiB.
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(private_key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("the DKIM key is no private key in PEM without a password") from None
    if isinstance(key, Ed25519PrivateKey):
        return "ed25519-sha256", lambda data: key.sign(sha256(data).digest())
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("the DKIM key is neither of RSA nor of Ed25519")
    if key.key_size < 1024:
        raise ValueError("the DKIM key is shorter than 1024 bits, so that no verifier accepts it (RFC 8301)")
    return "rsa-sha256", lambda data: key.sign(data, PKCS1v15(), SHA256())


def _relaxed_field(name: str, value: str) -> bytes:
    return name.lower().encode() + b":" + _SPACES.sub(b" ", value.encode().replace(b"\r\n", b"")).strip(b" ")


def _relaxed_body(body: bytes) -> bytes:
    lines = _SPACES.sub(b" ", _LINE_ENDS.sub(b"\r\n", body)).rstrip(b"\r\n")
    return lines + b"\r\n" if lines else b""
