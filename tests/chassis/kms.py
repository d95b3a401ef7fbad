"""Key services of other makers, as their clients see them: local HTTP servers that speak their protocols with a real key."""

import base64
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
GCP = "projects/acme/locations/europe/keyRings/leadloop/cryptoKeys/tenants"
URIS = {
    "aws": f"aws-kms://{ARN}",
    "gcp": f"gcp-kms://{GCP}",
    "vault": "hcvault://vault.example:8200/transit/keys/tenants",
}
AWS_LIMIT = 4096
"""Bytes that AWS encrypts at most with a symmetric key."""

Answer = tuple[int, dict[str, Any]]


class DoesNotOpenError(Exception):
    """The ciphertext is another key's, another context's, or damaged."""


class Double:
    """One of the three services. `denies` refuses who asks; `replace_key` has it hold another key; `asked` counts."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.denies = False
        self.asked = 0
        self._key = AESGCM.generate_key(256)
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self.come_back()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def replace_key(self) -> None:
        self._key = AESGCM.generate_key(256)

    def go_away(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def come_back(self) -> None:
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = double.answer(self, body)
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header(
                    "Content-Type", "application/x-amz-json-1.1" if double.kind == "aws" else "application/json"
                )
                self.send_header("Content-Length", str(len(data)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(data)
                self.close_connection = True

            do_PUT = do_POST

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        self.asked += 1
        answers = {"aws": self._aws, "gcp": self._gcp, "vault": self._vault}
        return answers[self.kind](request, body)

    def _encrypt(self, data: str, context: bytes) -> str:
        nonce = os.urandom(12)
        return base64.b64encode(nonce + AESGCM(self._key).encrypt(nonce, base64.b64decode(data), context)).decode()

    def _decrypt(self, data: str, context: bytes) -> str:
        try:
            raw = base64.b64decode(data)
            return base64.b64encode(AESGCM(self._key).decrypt(raw[:12], raw[12:], context)).decode()
        except (InvalidTag, ValueError):
            raise DoesNotOpenError from None

    def _aws(self, request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        """JSON 1.1 (https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html), signed with version 4."""
        given = json.loads(body)
        assert request.headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
        assert "/eu-central-1/kms/aws4_request" in request.headers["Authorization"]
        assert given["KeyId"] == ARN
        if self.denies:
            return 400, {"__type": "AccessDeniedException", "message": "no"}
        context = json.dumps(given["EncryptionContext"], sort_keys=True).encode()
        if request.headers["X-Amz-Target"] == "TrentService.Encrypt":
            if len(base64.b64decode(given["Plaintext"])) > AWS_LIMIT:
                return 400, {"__type": "ValidationException", "message": "too long"}
            return 200, {"CiphertextBlob": self._encrypt(given["Plaintext"], context), "KeyId": ARN}
        assert request.headers["X-Amz-Target"] == "TrentService.Decrypt"
        try:
            return 200, {"Plaintext": self._decrypt(given["CiphertextBlob"], context), "KeyId": ARN}
        except DoesNotOpenError:
            return 400, {"__type": "InvalidCiphertextException"}

    def _gcp(self, request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        """REST (https://cloud.google.com/kms/docs/reference/rest), and the exchange of a signed claim for a token."""
        if request.path == "/token":
            assert b"jwt-bearer" in body
            return 200, {"access_token": "a-token", "expires_in": 3600, "token_type": "Bearer"}
        assert request.headers["Authorization"] == "Bearer a-token"
        if self.denies:
            return 403, {"error": {"code": 403, "status": "PERMISSION_DENIED"}}
        given = json.loads(body)
        context = base64.b64decode(given["additionalAuthenticatedData"])
        if request.path == f"/v1/{GCP}:encrypt":
            return 200, {"name": GCP, "ciphertext": self._encrypt(given["plaintext"], context)}
        assert request.path == f"/v1/{GCP}:decrypt"
        try:
            return 200, {"plaintext": self._decrypt(given["ciphertext"], context)}
        except DoesNotOpenError:
            return 400, {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "Decryption failed"}}

    def _vault(self, request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        """https://developer.hashicorp.com/vault/api-docs/secret/transit"""
        if self.denies or request.headers["X-Vault-Token"] != "a-token":
            return 403, {"errors": ["permission denied"]}
        given = json.loads(body)
        context = base64.b64decode(given["associated_data"])
        if request.path == "/v1/transit/encrypt/tenants":
            return 200, {"data": {"ciphertext": f"vault:v1:{self._encrypt(given['plaintext'], context)}"}}
        assert request.path == "/v1/transit/decrypt/tenants"
        try:
            data = self._decrypt(given["ciphertext"].removeprefix("vault:v1:"), context)
            return 200, {"data": {"plaintext": data}}
        except DoesNotOpenError:  # versions differ: hashicorp/vault#10842
            return 500, {"errors": ["1 error occurred:\n\t* cipher: message authentication failed\n\n"]}


@contextmanager
def running(kind: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[Double]:
    """A service of this kind, and the environment in which its client finds it."""
    double = Double(kind)
    for name, value in _environment(double, folder).items():
        monkeypatch.setenv(name, value)
    try:
        yield double
    finally:
        double.go_away()


def _environment(double: Double, folder: Path) -> dict[str, str]:
    if double.kind == "aws":
        return {
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_ENDPOINT_URL_KMS": double.url,
        }
    if double.kind == "vault":
        return {"VAULT_ADDR": double.url, "VAULT_TOKEN": "a-token"}
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = folder / "account.json"
    account.write_text(
        json.dumps(
            {
                "type": "service_account", "project_id": "acme", "private_key_id": "1", "private_key": key.decode(),
                "client_email": "leadloop@acme.iam.example", "client_id": "1", "token_uri": f"{double.url}/token",
            }
        )
    )  # fmt: skip
    return {"GOOGLE_APPLICATION_CREDENTIALS": str(account), "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS": double.url}
