"""The HTTP provider against a real server: what it is told, what each of its answers means, and what is not reached."""

import asyncio
import base64
import hashlib
import hmac
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from chassis.outside import Outside
from contracts.outreach.accounts import HttpService
from contracts.taxonomy import Fault, SendKind
from outreach.providers import http
from outreach.providers.http import MOST_BYTES, Http
from outreach.providers.protocol import (
    AwayError,
    CaptchaError,
    LaterError,
    Receipt,
    RefusedError,
    SetupError,
    UnansweredError,
)
from tests.intake.enrichment.test_http_provider import certified
from tests.intake.enrichment.web import Answer, Asked, Web
from tests.outreach.providers.sink import outgoing
from tests.waiting import until

KEY = bytes(range(32))
VARIABLE = "LEADLOOP_PROVIDER_SECRET__ACME__LINKEDIN_1"


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with Web.serving() as web:
        yield web


@asynccontextmanager
async def service(web: Web, path: str = "/send", hosts: str | None = None, **about: Any) -> AsyncIterator[Http]:
    settings = HttpService(**{"url": f"{web.url}{path}", **about})
    provider = Http("acme", settings, Outside(hosts=f"127.0.0.1:{web.port}" if hosts is None else hosts))
    try:
        yield provider
    finally:
        await provider.close()


def says(web: Web, answer: Answer) -> None:
    async def answering(_: Asked) -> Answer:
        return answer

    web.answering = answering


async def told(web: Web, answer: Answer) -> Receipt:
    says(web, answer)
    async with service(web) as provider:
        return await provider.send(outgoing())


async def failure(web: Web, answer: Answer) -> Exception:
    with pytest.raises(Exception) as raised:
        await told(web, answer)
    return raised.value


async def test_a_message_is_posted_with_all_that_a_service_needs_to_know(web: Web) -> None:
    says(web, Answer({"reference": "urn:li:msg:7"}, status=202))
    message = outgoing(
        kind=SendKind.LINKEDIN_MESSAGE, address="https://www.linkedin.com/in/ann", subject=None, body="Zoë \ud800",
        follows=("<a@leadloop>",),
    )  # fmt: skip
    async with service(web, "/v1/send?account=7") as provider:
        receipt = await provider.send(message)
    assert receipt == Receipt("urn:li:msg:7")
    (asked,) = web.asked
    assert (asked.method, asked.path, asked.query) == ("POST", "/v1/send", {"account": "7"})
    assert asked.body == {
        "message_id": str(message.message_id), "kind": "linkedin_message", "to": "https://www.linkedin.com/in/ann",
        "text": "Zoë ?", "subject": None, "from": "sales@example.com", "from_name": "Sales",
        "reference": message.reference, "follows": ["<a@leadloop>"], "unsubscribe_url": None,
        "campaign_id": str(message.campaign_id), "lead_id": str(message.lead_id),
    }  # fmt: skip
    assert asked.headers["idempotency-key"] == asked.headers["webhook-id"] == str(message.message_id)
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["host"] == f"127.0.0.1:{web.port}"
    assert "webhook-signature" not in asked.headers


async def test_the_signature_is_one_of_standard_webhooks(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "whsec_" + base64.b64encode(KEY).decode())
    says(web, Answer(status=204, raw=b""))
    async with service(web, secret="LINKEDIN_1") as provider:
        await provider.send(outgoing())
    (asked,) = web.asked
    at = asked.headers["webhook-timestamp"]
    signed = b".".join((asked.headers["webhook-id"].encode(), at.encode(), asked.content))
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert asked.headers["webhook-signature"] == f"v1,{expected}"
    assert abs(int(at) - time.time()) < 60


@pytest.mark.parametrize(
    ("value", "reason"), [(None, "no_secret"), ("whsec_ö", "secret_invalid"), ("c2hvcnQ=", "secret_invalid")]
)
async def test_nothing_is_sent_without_the_key_it_should_be_signed_with(
    web: Web, monkeypatch: pytest.MonkeyPatch, value: str | None, reason: str
) -> None:
    if value:
        monkeypatch.setenv(VARIABLE, value)
    async with service(web, secret="LINKEDIN_1") as provider:
        with pytest.raises(LaterError, match=reason):
            await provider.send(outgoing())
    assert web.connections == 0


@pytest.mark.parametrize(
    "answer",
    [
        Answer({"reference": None}),
        Answer({"reference": "with spaces and \x00"}),
        Answer({"reference": 7}, status=201),
        Answer(["not an object"]),
        Answer(raw=b"no json"),
        Answer(raw=b"[" * 20_000),
        Answer(raw=b" " * (MOST_BYTES + 1)),
        Answer(raw=b"less than it says", headers={"Content-Length": "1000"}),
        Answer({"reference": "x"}, headers={"Content-Encoding": "gzip"}),
    ],
)
async def test_what_is_taken_is_taken_whatever_is_said_of_it(web: Web, answer: Answer) -> None:
    assert await told(web, answer) == Receipt(None)


async def test_a_repeated_message_was_taken_before(web: Web) -> None:
    assert await told(web, Answer({"reference": "7"}, status=409)) == Receipt("7")


@pytest.mark.parametrize(
    ("status", "said", "reason", "fault"),
    [
        (422, {"reason": "no_such_profile", "fault": "recipient"}, "no_such_profile", Fault.RECIPIENT),
        (404, {"reason": "no_such_profile", "fault": "recipient"}, "no_such_profile", Fault.RECIPIENT),
        (410, {"reason": "number_gone", "fault": "recipient"}, "number_gone", Fault.RECIPIENT),
        (400, {"reason": "taken_for_spam", "fault": "reputation"}, "taken_for_spam", Fault.REPUTATION),
        (422, {"reason": "inbox_full", "fault": "transient"}, "inbox_full", Fault.TRANSIENT),
        (422, {"reason": "too_long", "fault": "policy"}, "too_long", Fault.POLICY),
        (422, {"reason": "too_long"}, "too_long", Fault.POLICY),
        (422, {"reason": "too_long", "fault": ["recipient"]}, "too_long", Fault.POLICY),
        (422, {"reason": "Call 614 555 0142!"}, "http_422", Fault.POLICY),
        (422, {"fault": "recipient"}, "http_422", Fault.RECIPIENT),
        (400, None, "http_400", Fault.POLICY),
        (413, None, "http_413", Fault.POLICY),
    ],
)
async def test_a_refusal_has_its_reason_and_its_fault(
    web: Web, status: int, said: Any, reason: str, fault: Fault
) -> None:
    refused = await failure(web, Answer(said, status=status))
    assert isinstance(refused, RefusedError)
    assert (refused.reason, refused.fault) == (reason, fault)


@pytest.mark.parametrize(
    ("answer", "reason", "seconds", "throttled"),
    [
        (Answer({"reason": "seat_expired"}, status=403), "not_allowed", None, False),
        (Answer(status=429), "rate_limited", None, True),
        (Answer({"reason": "weekly_limit"}, status=429, headers={"Retry-After": "90"}), "weekly_limit", 90, True),
        (Answer(status=429, headers={"Retry-After": "9" * 30}), "rate_limited", 7 * 86400, True),
        (Answer(status=503, headers={"Retry-After": "5"}), "unavailable", 5, True),
        (Answer(status=503, headers={"Retry-After": "soon"}), "unavailable", None, True),
        (Answer(status=307, headers={"Location": "/elsewhere"}), "redirected", None, False),
        (Answer(status=301, headers={"Location": "/elsewhere"}), "redirected", None, False),
        (Answer(status=408), "timed_out", None, False),
        (Answer(status=404), "not_found", None, False),
    ],
)
async def test_what_may_be_sent_later_is(
    web: Web, answer: Answer, reason: str, seconds: float | None, throttled: bool
) -> None:
    later = await failure(web, answer)
    assert type(later) is LaterError
    assert (later.reason, later.seconds, later.throttled) == (reason, seconds, throttled)
    assert web.paths() == ["/send"]  # no redirect is followed


async def test_a_service_that_does_not_know_the_signature_has_the_account_wait(web: Web) -> None:
    later = await failure(web, Answer(status=401))
    assert (type(later), str(later)) == (SetupError, "not_allowed")


async def test_a_date_says_as_well_when_to_come_again(web: Web) -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    later = await failure(web, Answer(status=429, headers={"Retry-After": at}))
    assert isinstance(later, LaterError)
    assert later.seconds is not None
    assert 500 < later.seconds <= 600


@pytest.mark.parametrize("status", [400, 403, 409, 429])
async def test_a_person_is_wanted_whatever_the_status(web: Web, status: int) -> None:
    assert isinstance(await failure(web, Answer({"reason": "captcha"}, status=status)), CaptchaError)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=500),
        Answer({"reason": "no_such_profile", "fault": "recipient"}, status=502),
        Answer(status=503),
        Answer(status=504),
        Answer(status=303, headers={"Location": "/done"}),
        Answer(breaks=True),
    ],
)
async def test_nobody_knows_what_came_of_what_is_not_answered(web: Web, answer: Answer) -> None:
    assert isinstance(await failure(web, answer), UnansweredError)
    assert web.paths() == ["/send"]


async def test_nobody_knows_either_when_the_answer_takes_too_long(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_TIMEOUT", http.httpx.Timeout(5.0, read=0.2))

    async def answering(_: Asked) -> Answer:
        await asyncio.sleep(2)
        return Answer()

    web.answering = answering
    async with service(web) as provider:
        with pytest.raises(UnansweredError):
            await provider.send(outgoing())


async def test_where_no_connection_is_made_nothing_was_sent(web: Web) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    async with service(web, hosts="127.0.0.1", url=f"http://127.0.0.1:{port}/") as provider:
        with pytest.raises(AwayError, match="unreachable"):
            await provider.send(outgoing())


async def test_a_connection_carries_one_message_after_the_other(web: Web) -> None:
    says(web, Answer({}, headers={"Connection": "keep-alive", "Set-Cookie": "a=b"}))
    async with service(web) as provider:
        for _ in range(3):
            await provider.send(outgoing())
    assert (len(web.asked), web.connections) == (3, 1)
    assert not any("cookie" in asked.headers for asked in web.asked)


async def test_what_is_under_way_comes_to_its_end_before_it_is_closed(web: Web) -> None:
    answered = asyncio.Event()

    async def answering(_: Asked) -> Answer:
        await answered.wait()
        return Answer({"reference": "7"})

    async def under_way() -> bool:
        return bool(web.asked)

    web.answering = answering
    async with service(web) as provider, asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(provider.send(outgoing()))
        await until(under_way)
        closing = tasks.create_task(provider.close())
        await asyncio.sleep(0.05)
        assert not closing.done()
        answered.set()
    assert sending.result() == Receipt("7")


@pytest.mark.parametrize("hosts", ["", "127.0.0.1:1", "localhost"])
async def test_a_host_that_is_neither_public_nor_allowed_is_not_reached(web: Web, hosts: str) -> None:
    for scheme in ("http", "https"):
        async with service(web, hosts=hosts, url=f"{scheme}://127.0.0.1:{web.port}/") as provider:
            with pytest.raises(LaterError, match="not_allowed"):
                await provider.send(outgoing())
    assert web.connections == 0


async def test_the_certificate_must_be_the_hosts() -> None:
    for name, reason in (("localhost", None), ("other.example.com", "tls_failed")):
        server, trust = certified(name)
        async with Web.serving(server) as web:
            says(web, Answer({"reference": "7"}))
            settings = HttpService(url=f"https://localhost:{web.port}/send")
            provider = Http("acme", settings, Outside(hosts="localhost"), trust)
            if reason:
                with pytest.raises(LaterError, match=reason):
                    await provider.send(outgoing())
                assert web.asked == []
            else:
                assert await provider.send(outgoing()) == Receipt("7")
                assert web.asked[0].headers["host"] == f"localhost:{web.port}"
            await provider.close()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/", "https://", "https://user:secret@example.com/", "https://example.com:99999/",
        "https://example.com/#a", "https://exa mple.com/", "https://[::1/", "https://[1::2::3]/", "//example.com/",
    ],
)  # fmt: skip
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="url"):
        HttpService(url=url)
    assert json.loads(HttpService(url="https://[2001:db8::1]:8443/x?y=1").model_dump_json())["secret"] is None
