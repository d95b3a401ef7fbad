"""Messages by way of a service that the tenant names, over HTTP: one POST for each, at most once.

A request is signed as Standard Webhooks (https://www.standardwebhooks.com) lay down, and carries the message's id as
``Idempotency-Key``, so that the service knows a repeated one. What it answers is the truth; where the request was begun and no answer
makes sense, nobody knows.

A tenant says where the service is, so it must not be what only we can reach (server-side request forgery): the host's name is looked
up here, every address of it must be public, and the connection goes to the address that was checked. Redirects are not followed,
no proxy of the environment is used, and no cookie is kept.
"""

import asyncio
import base64
import hmac
import json
import re
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from time import time
from typing import Any

import httpx
from pydantic import TypeAdapter, ValidationError

from chassis.outside import NoSecretError, NotAllowedError, Outside, secret
from contracts.outreach.accounts import HttpService
from contracts.taxonomy import Fault
from contracts.values import Slug
from outreach.providers.protocol import (
    AwayError,
    CaptchaError,
    LaterError,
    Outgoing,
    Receipt,
    RefusedError,
    SetupError,
    UnansweredError,
)

MOST_BYTES = 64 * 1024
"""Of an answer's body; what is longer is not read."""
_CONNECTIONS = 8
"""The most at once; each carries one message at a time."""
_IDLE_SECONDS = 4.0
"""After how long without a message a connection is closed. Some servers close theirs after 5 s, and a message that is begun right then is
unknown."""
_TIMEOUT = httpx.Timeout(connect=5.0, pool=30.0, write=30.0, read=60.0)
"""Seconds; all together with those of a body less than `outreach.sending.sender` waits."""
_BODY_SECONDS = 10.0
_LONGEST_PAUSE = 7 * 86400.0
_SHORTEST_KEY = 24
"""Bytes (Standard Webhooks, signature scheme)."""
_REFERENCE = re.compile(r"[!-~]{1,200}")
_SLUG: TypeAdapter[str] = TypeAdapter(Slug)
_ELSEWHERE = frozenset({301, 307, 308})
"""What says that the same request is to be made elsewhere, so that it was not handled here (RFC 9110, 15.4)."""
_NOWHERE = frozenset({404, 405, 410})
"""What servers say where there is no such service, rather than no such person."""


class Http:
    """An account at a service of the tenant's.

    Parameters:
        trust: which certificates are believed; the usual ones, if none is given.
    """

    def __init__(
        self, tenant: str, service: HttpService, outside: Outside, trust: ssl.SSLContext | None = None
    ) -> None:
        self._tenant = tenant
        self._service = service
        self._outside = outside
        self._client = httpx.AsyncClient(
            verify=trust or _usual_trust(), trust_env=False, follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            limits=httpx.Limits(
                max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS, keepalive_expiry=_IDLE_SECONDS
            ),
        )  # fmt: skip
        self._under_way = 0
        self._at_rest = asyncio.Event()
        self._at_rest.set()

    async def send(self, message: Outgoing) -> Receipt:
        """Returns when the service has taken the message, now or before.

        Raises:
            NotSentError: as the service's answer is judged (docs/operations.md, Outreach); or the request was not begun.
            UnansweredError: it was, and nobody knows whether the message was sent.
        """
        self._under_way += 1
        self._at_rest.clear()
        try:
            return await self._send(message)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._at_rest.set()

    async def close(self) -> None:
        """Let go of the connections, once what is under way has come to its end."""
        await self._at_rest.wait()
        await self._client.aclose()

    async def _send(self, message: Outgoing) -> Receipt:
        request = await self._request(message)
        try:
            response = await self._client.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise AwayError("tls_failed" if _is_of_tls(error) else "unreachable") from None
        except httpx.PoolTimeout:
            raise AwayError("timed_out") from None
        except httpx.HTTPError as error:
            raise UnansweredError(f"the service did not answer: {type(error).__name__}") from None
        try:
            said = await _said(response)
        finally:
            await response.aclose()
        return _judge(response, said)

    async def _request(self, message: Outgoing) -> httpx.Request:
        url = httpx.URL(self._service.url)
        address = await self._address(url)
        content = _content(message)
        headers = {
            "User-Agent": "LeadLoop",
            "Accept": "application/json",
            # Another encoding could make much of little.
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
            "Host": url.netloc.decode("ascii"),
            "Idempotency-Key": str(message.message_id),
            **self._signature(str(message.message_id), content),
        }
        return httpx.Request(
            "POST", url.copy_with(host=address), headers=headers, content=content,
            extensions={"sni_hostname": url.host, "timeout": _TIMEOUT.as_dict()},
        )  # fmt: skip

    async def _address(self, url: httpx.URL) -> str:
        """Which address to connect to.

        Raises:
            LaterError: there is none, or it must not be reached.
        """
        port = url.port or (443 if url.scheme == "https" else 80)
        if url.scheme != "https" and not self._outside.allows(url.host, port):
            raise SetupError("not_allowed")
        try:
            return await self._outside.address(url.host, port)
        except NotAllowedError:
            raise SetupError("not_allowed") from None
        except (OSError, UnicodeError):
            raise AwayError("unreachable") from None

    def _signature(self, message_id: str, content: bytes) -> dict[str, str]:
        """The headers of a webhook, signed where there is a key.

        Raises:
            LaterError: the operator has not set the key, or it is none.
        """
        headers = {"webhook-id": message_id, "webhook-timestamp": str(int(time()))}
        if self._service.secret:
            try:
                key = base64.b64decode(secret(self._tenant, self._service.secret).removeprefix("whsec_"), validate=True)
            except NoSecretError:
                raise SetupError("no_secret") from None
            except ValueError:
                raise SetupError("secret_invalid") from None
            if len(key) < _SHORTEST_KEY:
                raise SetupError("secret_invalid")
            signed = f"{message_id}.{headers['webhook-timestamp']}.".encode() + content
            headers["webhook-signature"] = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
        return headers


def _content(message: Outgoing) -> bytes:
    body = {
        "message_id": str(message.message_id),
        "kind": message.kind.value,
        "to": message.address,
        "text": message.body,
        "subject": message.subject,
        "from": message.sender.address,
        "from_name": message.sender.name,
        "reference": message.reference,
        "follows": message.follows,
        "unsubscribe_url": message.unsubscribe_url,
        "campaign_id": str(message.campaign_id),
        "lead_id": str(message.lead_id),
    }
    # A lone surrogate, as JSON may carry, is no character that could be sent.
    return json.dumps(body, ensure_ascii=False).encode(errors="replace")


async def _said(response: httpx.Response) -> dict[str, Any]:
    """The object that is in an answer; empty where none can be read, for the status is the answer."""
    content = bytearray()
    if response.headers.get("content-encoding", "identity").lower() == "identity":
        with suppress(TimeoutError, httpx.HTTPError, ValueError, RecursionError):
            async with asyncio.timeout(_BODY_SECONDS):
                async for chunk in response.aiter_raw():
                    content += chunk
                    if len(content) > MOST_BYTES:
                        return {}
            said = json.loads(content)
            return said if isinstance(said, dict) else {}
    return {}


def _judge(response: httpx.Response, said: dict[str, Any]) -> Receipt:
    status, reason = response.status_code, _reason(said)
    refused = 400 <= status < 500
    if refused and reason == "captcha":
        raise CaptchaError
    if 200 <= status < 300 or status == 409:  # A conflict is with the same message, which was handed over before.
        return Receipt(_reference(said))
    if status == 401:  # It knows nobody by this signature (RFC 9110, 15.5.2), whatever the message.
        raise SetupError("not_allowed")
    if status == 403:
        raise LaterError("not_allowed")
    if status == 429 or (status == 503 and "retry-after" in response.headers):
        usual = "rate_limited" if status == 429 else "unavailable"
        raise LaterError(reason or usual, _retry_after(response), throttled=True)
    if status in _ELSEWHERE:
        raise LaterError("redirected")
    if status == 408:  # It has not read the whole request (RFC 9110, 15.5.9).
        raise LaterError("timed_out")
    if status in _NOWHERE and reason is None:
        raise LaterError("not_found")
    if refused:
        raise RefusedError(reason or f"http_{status}", _fault(said))
    raise UnansweredError(f"the service answered {status}")


def _reason(said: dict[str, Any]) -> str | None:
    try:
        return _SLUG.validate_python(said.get("reason"), strict=True)
    except ValidationError:
        return None


def _fault(said: dict[str, Any]) -> Fault:
    """Whose fault the service says it is; nobody is suppressed for a word that is not known."""
    return next((fault for fault in Fault if fault == said.get("fault")), Fault.POLICY)


def _reference(said: dict[str, Any]) -> str | None:
    given = said.get("reference")
    return given if isinstance(given, str) and _REFERENCE.fullmatch(given) else None


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds, or a date (RFC 9110, 10.2.3); none where it is neither."""
    given = response.headers.get("retry-after", "").strip()
    if given.isascii() and given.isdigit():
        return min(float(given), _LONGEST_PAUSE)
    try:
        moment = parsedate_to_datetime(given)
    except ValueError:
        return None
    return min(max(0.0, (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds()), _LONGEST_PAUSE)


def _is_of_tls(error: BaseException | None) -> bool:
    while error and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error is not None


@cache
def _usual_trust() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
