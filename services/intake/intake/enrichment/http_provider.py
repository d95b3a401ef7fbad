"""The provider that is asked over HTTP.

A tenant says what is asked where, so a question must not reach what only this service can reach (server-side request forgery):
the host's name is looked up here, every address of it must be public, and the connection goes to the address that was
checked. Redirects are not followed, no proxy of the environment is used, and no cookie or connection is kept between calls.
"""

import asyncio
import json
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from chassis.outside import NoSecretError, NotAllowedError, secret
from contracts.intake.providers import HttpSettings
from intake.enrichment.domain_run import Price, ProviderError
from intake.enrichment.domain_template import Known, NothingToAskError, at, fill, fill_all
from intake.enrichment.settings import ProviderSettings

MOST_BYTES = 4 * 2**20
MOST_RESULTS = 1000
_CONNECT_SECONDS = 5.0
_OUT_OF_ORDER = frozenset({408, 500, 502, 503, 504})
_UNTOUCHED = frozenset({503})
"""Of those, what says that the request was not handled (RFC 9110, 15.6.4)."""


class HttpProvider:
    """Asks as its settings say."""

    def __init__(self, tenant: str, settings: HttpSettings, where: ProviderSettings) -> None:
        self._tenant = tenant
        self._settings = settings
        self._where = where
        self.price = Price(settings.price, per_result=settings.charges == "result")
        self.repeatable = settings.method == "GET" if settings.repeatable is None else settings.repeatable

    def about(self, known: Known) -> str | None:
        url, query, body = self._question(known)
        return json.dumps([self._settings.method, url, query, body], sort_keys=True, ensure_ascii=False)

    async def ask(self, known: Known, trusted: Mapping[str, float], call: UUID) -> Sequence[Mapping[str, Any]]:
        url, query, body = self._question(known)
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                return self._results(await self._exchange(httpx.URL(url).copy_merge_params(query), body, call))
        except (TimeoutError, httpx.ReadTimeout, httpx.WriteTimeout):
            raise ProviderError("timeout", again=self.repeatable, charged=True) from None
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise ProviderError("unreachable", again=True) from None
        except (httpx.LocalProtocolError, httpx.InvalidURL, UnicodeError):
            raise ProviderError("refused") from None
        except httpx.TransportError:
            raise ProviderError("broken", again=self.repeatable, charged=True) from None

    def _question(self, known: Known) -> tuple[str, dict[str, str], Any]:
        settings = self._settings
        query = {name: value for name, template in settings.query.items() if (value := fill(template, known))}
        body = None if settings.body is None else fill_all(settings.body, known)
        return fill(settings.url, known, _segment), query, body

    async def _exchange(self, url: httpx.URL, body: Any, call: UUID) -> bytes:
        """The answer's body, empty where it is that there is nothing."""
        headers = {
            "User-Agent": "LeadLoop",
            "Accept": "application/json",
            **self._settings.headers,
            # Another encoding could make much of little.
            "Accept-Encoding": "identity",
            "Idempotency-Key": str(call),
            "Host": url.netloc.decode("ascii"),
        }
        if of := self._settings.secret:
            headers[of.header] = of.prefix + _secret(self._tenant, of.variable)
        address = await self._address(url)
        request = httpx.Request(
            self._settings.method, url.copy_with(host=address), headers=headers, json=body,
            extensions={
                "sni_hostname": url.host,
                "timeout": httpx.Timeout(self._settings.timeout_seconds, connect=_CONNECT_SECONDS).as_dict(),
            },
        )  # fmt: skip
        async with httpx.AsyncClient(verify=_trust(), trust_env=False, follow_redirects=False) as client:
            response = await client.send(request, stream=True)
            try:
                _judge(response, self.repeatable)
                return b"" if response.status_code in (204, 404) else await _read(response)
            finally:
                await response.aclose()

    async def _address(self, url: httpx.URL) -> str:
        """Which address to connect to.

        Raises:
            ProviderError: one of the host's is not public, and the operator did not allow it.
        """
        port = url.port or (443 if url.scheme == "https" else 80)
        if url.scheme != "https" and not self._where.allows(url.host, port):
            raise ProviderError("not_allowed")
        try:
            return await self._where.address(url.host, port)
        except NotAllowedError:
            raise ProviderError("not_allowed") from None
        except (OSError, UnicodeError):
            raise ProviderError("unreachable", again=True) from None

    def _results(self, content: bytes) -> Sequence[Mapping[str, Any]]:
        """What is in an answer, by our names of fields.

        Raises:
            ProviderError: it is not what the settings say that it is.
        """
        if not content:
            return []
        try:
            results = at(json.loads(content), self._settings.results)
        except (ValueError, LookupError, RecursionError):
            raise ProviderError("unreadable", charged=True) from None
        if results is None:
            return []
        results = results if isinstance(results, list) else [results]
        found = [self._fields(result) for result in results[:MOST_RESULTS]]
        if found and not any(found):
            raise ProviderError("unreadable", charged=True)
        return found

    def _fields(self, result: Any) -> dict[str, Any]:
        fields = {}
        for name, path in self._settings.fields.items():
            with suppress(LookupError):
                value = at(result, path)
                fields[name] = value if isinstance(value, str | int | float) else None
        return fields


def _secret(tenant: str, name: str) -> str:
    try:
        return secret(tenant, name)
    except NoSecretError:
        raise ProviderError("no_secret") from None


def _judge(response: httpx.Response, repeatable: bool) -> None:
    status = response.status_code
    if status == 429:
        raise ProviderError("too_many_requests", again=True, after=_retry_after(response))
    if status in _OUT_OF_ORDER:
        again = repeatable or status in _UNTOUCHED
        raise ProviderError("unavailable", again=again, after=_retry_after(response))
    if 300 <= status < 400:
        raise ProviderError("redirected")
    if status != 404 and not 200 <= status < 300:
        raise ProviderError("unavailable" if status >= 500 else "refused")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise ProviderError("encoded", charged=True)


async def _read(response: httpx.Response) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > MOST_BYTES:
            raise ProviderError("too_large", charged=True)
    return bytes(content)


def _retry_after(response: httpx.Response) -> timedelta:
    """Seconds or a date (RFC 9110, 10.2.3); none where it is neither."""
    given = response.headers.get("retry-after", "").strip()
    if given.isascii() and given.isdigit():
        return timedelta(seconds=min(int(given), 10**6))
    try:
        moment = parsedate_to_datetime(given)
    except ValueError:
        return timedelta(0)
    return max(timedelta(0), moment.astimezone(UTC) - datetime.now(UTC))


def _segment(value: str) -> str:
    """A value as a part of a path, which it can neither leave nor lengthen."""
    if value in (".", ".."):
        raise NothingToAskError
    return quote(value, safe="")


@cache
def _trust() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
