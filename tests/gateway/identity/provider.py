"""A sign-in provider as the standard has it: it asks nobody, and says whoever the test wants."""

import base64
import hashlib
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.gateway.conftest import listening

CLIENT = "leadloop"
SECRET = "s3cret"


@dataclass
class Provider:
    """Attributes:
    who: the claims about whoever comes.
    spoil: what differs in the ID token from what it should say.
    signs_with: the key it signs with; its own is the one that it shows.
    """

    issuer: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "1", "alg": "RS256", "use": "sig"}))
    who: dict[str, Any] = field(default_factory=dict)
    spoil: dict[str, Any] = field(default_factory=dict)
    signs_with: RSAKey | None = None
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator["Provider"]:
        provider = cls()
        app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", provider.configuration),
                Route("/jwks", provider.keys),
                Route("/authorize", provider.authorize),
                Route("/token", provider.token, methods=["POST"]),
            ]
        )
        async with listening(app) as provider.issuer:
            yield provider

    @property
    def host(self) -> str:
        return self.issuer.partition("//")[2]

    async def configuration(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
            }
        )

    async def keys(self, _: Request) -> Response:
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    async def authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        assert (asked["response_type"], asked["client_id"], asked["code_challenge_method"]) == ("code", CLIENT, "S256")
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}")

    async def token(self, request: Request) -> Response:
        given = {name: str(value) for name, value in (await request.form()).items()}
        asked = self._codes.pop(given["code"], None)
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(given.get("code_verifier", "").encode()).digest())
        if (
            asked is None
            or request.headers.get("authorization") != f"Basic {basic}"
            or asked["code_challenge"] != challenge.rstrip(b"=").decode()
            or asked["redirect_uri"] != given["redirect_uri"]
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        claims |= self.who | self.spoil
        token = jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.signs_with or self.key)
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": token})
