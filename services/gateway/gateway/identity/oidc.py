"""Signing in by way of another system, by OpenID Connect's code flow with PKCE.

A tenant's admin says where that system is, so it must not be a way to what only this service can reach (server-side request
forgery): each connection goes to an address that was checked a moment before, redirects are not followed, and no answer is
read beyond what one can be.
"""

import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final
from urllib.parse import quote

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chassis.keys import TenantKeys
from chassis.outside import NotAllowedError, Outside
from chassis.unit_of_work import Database
from contracts.message import ProblemCode, ProblemError
from contracts.taxonomy import Role
from gateway.identity import personal, store_users
from gateway.identity.domain_oidc import Round, Word
from gateway.identity.signing_in import Known

_ALGORITHMS: Final = ["RS256", "RS384", "RS512", "ES256", "ES384", "PS256", "PS384", "PS512"]
"""What signs with a key that the provider alone has; `none`, and what we could sign ourselves, are not among them."""
_SECONDS: Final = 10.0
_MOST_BYTES: Final = 2**20
_LEEWAY_SECONDS: Final = 60
_SCOPE: Final = "openid email profile"


_AWAY: Final = (httpx.HTTPError, httpx.InvalidURL, NotAllowedError, OSError, UnicodeError)
"""What it comes to that a provider does not answer, or may not be reached."""


class _Configuration(BaseModel):
    """What a provider says of itself (OpenID Connect Discovery, 3)."""

    model_config = ConfigDict(extra="ignore")

    issuer: str
    authorization_endpoint: Annotated[str, Field(pattern="^https?://")]
    token_endpoint: str
    jwks_uri: str


@dataclass(frozen=True, slots=True)
class _Provider:
    issuer: str
    client_id: str
    client_secret: str | None
    new_users: Role | None


@dataclass(frozen=True, slots=True)
class Oidc:
    """Asks tenants' sign-in providers who somebody is."""

    database: Database
    keys: TenantKeys
    outside: Outside

    async def begin(self, tenant: str, name: str, secret: str, back: str) -> str:
        """Where the browser goes, whose secret this is; it comes `back`.

        Raises:
            ProblemError: `not_found`, the tenant has no such provider; `unavailable`, it does not answer as one.
        """
        provider = await self._provider(tenant, name)
        round_ = Round.of(secret, tenant, name)
        async with self._client() as client:
            configuration = await _configuration(client, provider)
        url: str = prepare_grant_uri(
            configuration.authorization_endpoint, provider.client_id, "code", redirect_uri=back, scope=_SCOPE,
            state=round_.state, nonce=round_.nonce, code_challenge=create_s256_code_challenge(round_.verifier),
            code_challenge_method="S256",
        )  # fmt: skip
        return url

    async def complete(
        self, tenant: str, name: str, secret: str, back: str, answer: Mapping[str, str]
    ) -> tuple[Known, Role | None]:
        """Whom the provider says the browser's user is, and the role of users who are new.

        Raises:
            ProblemError: `forbidden`, the answer is none to this browser; and as `begin` does.
        """
        provider = await self._provider(tenant, name)
        round_ = Round.of(secret, tenant, name)
        # Without a secret the round would be everybody's.
        if not secret or answer.get("state") != round_.state or not answer.get("code"):
            raise _not_this_round()
        async with self._client() as client:
            configuration = await _configuration(client, provider)
            try:
                given = {
                    "grant_type": "authorization_code", "code": answer["code"], "redirect_uri": back,
                    "code_verifier": round_.verifier,
                }  # fmt: skip
                token = await _redeem(client, configuration.token_endpoint, provider, given)
                keys = KeySet.import_key_set((await _get(client, configuration.jwks_uri)).json())
                word = Word.read(_claims(token, keys, provider, round_.nonce))
            except _AWAY:
                raise _away() from None
            except (JoseError, KeyError, TypeError, ValueError):
                raise _not_this_round() from None
        return Known(provider.issuer, word.subject, word.email, word.name), provider.new_users

    async def _provider(self, tenant: str, name: str) -> _Provider:
        async with self.database.begin(tenant) as uow:
            row = await store_users.provider(uow, tenant, name)
            if row is None:
                raise ProblemError(ProblemCode.NOT_FOUND, "there is no such way to sign in; ask whoever told you of it")
            secret = personal.opened_secret(await personal.key_of(uow, self.keys, tenant), row)
        return _Provider(
            row["issuer"].rstrip("/"), row["client_id"], secret, Role(row["new_users"]) if row["new_users"] else None
        )

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=_Checked(self.outside), timeout=_SECONDS, follow_redirects=False, trust_env=False
        )


async def _configuration(client: httpx.AsyncClient, provider: _Provider) -> _Configuration:
    url = f"{provider.issuer}/.well-known/openid-configuration"
    try:
        found = _Configuration.model_validate_json((await _get(client, url)).content)
    except (*_AWAY, ValidationError):
        raise _away() from None
    if found.issuer.rstrip("/") != provider.issuer:
        raise _away()
    return found


async def _get(client: httpx.AsyncClient, url: str) -> httpx.Response:
    return (await client.get(url)).raise_for_status()


async def _redeem(client: httpx.AsyncClient, url: str, provider: _Provider, given: Mapping[str, str]) -> str:
    """The ID token that a code is redeemed for (RFC 6749, 4.1.3); a client without a secret names itself instead (2.3.1).

    Raises:
        KeyError, TypeError, ValueError: the provider gives none.
    """
    secret = provider.client_secret
    if secret is None:
        response = await client.post(url, data={**given, "client_id": provider.client_id})
    else:
        auth = httpx.BasicAuth(quote(provider.client_id, safe=""), quote(secret, safe=""))
        response = await client.post(url, data=given, auth=auth)
    if response.is_server_error:
        response.raise_for_status()
    token: str = response.json()["id_token"]
    return token


def _claims(token: str, keys: KeySet, provider: _Provider, nonce: str) -> Mapping[str, Any]:
    """What an ID token says, once everything about it is right (OpenID Connect Core, 3.1.3.7).

    Raises:
        JoseError, ValueError: something is not.
    """
    claims = jwt.decode(token, keys, algorithms=_ALGORITHMS).claims
    rules = JWTClaimsRegistry(
        leeway=_LEEWAY_SECONDS,
        iss={"essential": True, "values": [provider.issuer, f"{provider.issuer}/"]},
        aud={"essential": True, "value": provider.client_id},
        exp={"essential": True},
        iat={"essential": True},
        nonce={"essential": True, "value": nonce},
    )
    rules.validate(claims)
    if claims.get("azp", provider.client_id) != provider.client_id:
        raise ValueError("given to another client")
    return claims


class _Checked(httpx.AsyncHTTPTransport):
    """Connects to addresses that may be reached, and to no other."""

    def __init__(self, outside: Outside) -> None:
        super().__init__(verify=_trust(), trust_env=False)
        self._outside = outside

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        if url.scheme != "https" and not self._outside.allows(url.host, port):
            raise NotAllowedError
        address = await self._outside.address(url.host, port)
        request.headers["Accept-Encoding"] = "identity"  # another encoding could make much of little
        checked = httpx.Request(
            request.method, url.copy_with(host=address), headers=request.headers, stream=request.stream,
            extensions={**request.extensions, "sni_hostname": url.host},
        )  # fmt: skip
        response = await super().handle_async_request(checked)
        return httpx.Response(
            response.status_code, headers=response.headers, stream=_Bounded(response.stream),
            extensions=response.extensions,
        )  # fmt: skip


class _Bounded(httpx.AsyncByteStream):
    """A body of which no more is read than one may have."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for chunk in self._stream:
            read += len(chunk)
            if read > _MOST_BYTES:
                raise httpx.ReadError("the answer is larger than one can be")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


@cache
def _trust() -> ssl.SSLContext:
    """The authorities that the machine trusts; reading them takes longer than many a call."""
    return httpx.create_ssl_context(trust_env=False)


def _away() -> ProblemError:
    return ProblemError(
        ProblemCode.UNAVAILABLE,
        "the sign-in provider does not answer as its settings say, or may not be reached; an admin can look into them",
    )


def _not_this_round() -> ProblemError:
    return ProblemError(ProblemCode.FORBIDDEN, "signing in did not come to its end; begin again")
