"""The HTTP provider against a real server: what is asked, what is read, which failures are tried again, and what is refused."""

import asyncio
import gzip
import json
import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from chassis.outside import is_public
from contracts.intake.providers import HttpSettings, ProviderSecret
from intake.enrichment import http_provider
from intake.enrichment.domain_run import ProviderError
from intake.enrichment.domain_template import NothingToAskError
from intake.enrichment.http_provider import HttpProvider
from intake.enrichment.settings import ProviderSettings
from tests.intake.enrichment.web import Answer, Asked, Web

KNOWN: dict[str, Any] = {
    "criteria": {"states": ["OH", "PA"], "size": 50, "empty": ""},
    "company": {"domain": "acme.test", "name": "Acme & Sons/Ltd"},
}


def provider(web: Web, path: str = "/find", hosts: str | None = None, **settings: Any) -> HttpProvider:
    made = HttpSettings(**{"url": f"{web.url}{path}", "results": "items", "fields": {"name": "n"}, **settings})
    return HttpProvider("acme-eu", made, ProviderSettings(hosts=f"127.0.0.1:{web.port}" if hosts is None else hosts))


def certified(name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for a name, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    ).public_bytes(Encoding.PEM)  # fmt: skip
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(certificate + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        server.load_cert_chain(file.name)
    return server, ssl.create_default_context(cadata=certificate.decode())


async def answers(web: Web, answer: Answer, **settings: Any) -> Any:
    async def answering(_: Asked) -> Answer:
        return answer

    web.answering = answering
    return await provider(web, **settings).ask(KNOWN, {}, uuid4())


async def failure(web: Web, answer: Answer, **settings: Any) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        await answers(web, answer, **settings)
    return raised.value


async def test_a_question_is_asked_as_it_is_set_with_what_is_known(web: Web) -> None:
    await answers(
        web, Answer({"items": []}), method="POST", path="/of/{company.name}", headers={"X-Version": "2"},
        query={"domain": "{company.domain}", "all": "of {criteria.states}", "left_out": "{criteria.none?}"},
        body={"in": {"states": "{criteria.states}", "size": "{criteria.size}", "none": "{criteria.empty?}", "n": 1}},
    )  # fmt: skip
    (asked,) = web.asked
    assert (asked.method, asked.path) == ("POST", "/of/Acme%20%26%20Sons%2FLtd")
    assert asked.query == {"domain": "acme.test", "all": "of OH,PA"}
    assert asked.body == {"in": {"states": ["OH", "PA"], "size": 50, "n": 1}}
    assert asked.headers["x-version"] == "2"
    assert asked.headers["host"] == f"127.0.0.1:{web.port}"


@pytest.mark.parametrize("known", [{}, {"company": {"domain": ""}}, {"company": {"domain": ".."}}])
async def test_what_lacks_a_value_is_not_asked(web: Web, known: Any) -> None:
    with pytest.raises(NothingToAskError):
        await provider(web, "/{company.domain}/people").ask(known, {}, uuid4())
    assert web.asked == []


async def test_results_are_read_where_the_settings_say(web: Web) -> None:
    body = {"items": [{"n": "A", "mails": [{"v": "a@x.test"}]}, {"n": "B", "mails": []}, 7]}
    fields = {"name": "n", "domain": "mails.0.v"}
    assert await answers(web, Answer(body), fields=fields) == [{"name": "A", "domain": "a@x.test"}, {"name": "B"}, {}]
    assert await answers(web, Answer({"n": "only"}), results="") == [{"name": "only"}]
    assert await answers(web, Answer({"items": None})) == []
    assert await answers(web, Answer(status=404)) == await answers(web, Answer(status=204, raw=b"")) == []


async def test_the_secret_is_the_tenants_own_variable_and_is_read_as_it_is_asked(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = ProviderSecret(prefix="Bearer ", variable="FINDER_KEY")
    assert (await failure(web, Answer({"items": []}), secret=secret)).failure == "no_secret"
    assert web.asked == []
    monkeypatch.setenv("LEADLOOP_PROVIDER_SECRET__ACME__FINDER_KEY", "another's")
    assert (await failure(web, Answer({"items": []}), secret=secret)).failure == "no_secret"
    monkeypatch.setenv("LEADLOOP_PROVIDER_SECRET__ACME_EU__FINDER_KEY", "s3cret")
    await answers(web, Answer({"items": []}), secret=secret)
    assert web.asked[0].headers["authorization"] == "Bearer s3cret"


@pytest.mark.parametrize("name", ["", "A__B", "_A", "A_", "a", "A B", "../A"])
def test_no_variable_but_the_tenants_own_can_be_named(name: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        ProviderSecret(variable=name)


async def test_the_same_call_has_the_same_idempotency_key(web: Web) -> None:
    key = uuid4()
    for _ in range(2):
        await provider(web).ask(KNOWN, {}, key)
    assert [asked.headers["idempotency-key"] for asked in web.asked] == [str(key)] * 2


@pytest.mark.parametrize(
    ("status", "failed", "get", "post"),
    [
        (429, "too_many_requests", True, True),
        (503, "unavailable", True, True),
        (500, "unavailable", True, False),
        (504, "unavailable", True, False),
        (501, "unavailable", False, False),
        (400, "refused", False, False),
        (401, "refused", False, False),
        (302, "redirected", False, False),
    ],
)
async def test_only_what_may_safely_be_repeated_is_tried_again(
    web: Web, status: int, failed: str, get: bool, post: bool
) -> None:
    answer = Answer(status=status, headers={"Location": "/elsewhere"})
    for method, again in (("GET", get), ("POST", post)):
        error = await failure(web, answer, method=method)
        assert (error.failure, error.again, error.charged) == (failed, again, False)
    assert (await failure(web, answer, method="POST", repeatable=True)).again == get
    assert set(web.paths()) == {"/find"}, "a redirect is not followed"


async def test_a_provider_says_how_long_it_wants_to_be_left_alone(web: Web) -> None:
    assert (await failure(web, Answer(status=429, headers={"Retry-After": "7"}))).after == timedelta(seconds=7)
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    after = (await failure(web, Answer(status=503, headers={"Retry-After": moment}))).after
    assert timedelta(seconds=60) < after <= timedelta(seconds=90)
    for nonsense in ("soon", "-1", "9" * 4000):
        error = await failure(web, Answer(status=429, headers={"Retry-After": nonsense}))
        assert error.after == timedelta(0) or error.after >= timedelta(days=1)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_does_not_answer_in_time_may_have_been_charged(web: Web, method: Any) -> None:
    never = asyncio.Event()

    async def slow(_: Asked) -> Answer:
        await never.wait()
        return Answer()

    web.answering = slow
    with pytest.raises(ProviderError) as raised:
        await provider(web, method=method, timeout_seconds=0.2).ask(KNOWN, {}, uuid4())
    never.set()
    assert (raised.value.failure, raised.value.again, raised.value.charged) == ("timeout", method == "GET", True)


async def test_a_broken_connection_and_one_that_never_was_are_told_apart(web: Web) -> None:
    broken = await failure(web, Answer(breaks=True), method="POST")
    assert (broken.failure, broken.again, broken.charged) == ("broken", False, True)
    with pytest.raises(ProviderError) as raised:
        await provider(web, url="http://127.0.0.1:9/", hosts="127.0.0.1:9", method="POST").ask(KNOWN, {}, uuid4())
    assert (raised.value.failure, raised.value.again, raised.value.charged) == ("unreachable", True, False)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"<html>", b"\xff\xfe", b"[" * 100_000, b'{"items": "x', b'{"other": []}', b'{"items": [{"other": 1}]}',
        b'{"items": [1, 2]}', b'"items"', b"[]", b'{"items": {"other": 1}}',
    ],
)  # fmt: skip
async def test_garbage_is_a_failure_that_is_paid_for_and_not_tried_again(web: Web, raw: bytes) -> None:
    answer = Answer(raw=raw)
    if not raw:
        assert await answers(web, Answer(raw=raw, status=204)) == []
        return
    error = await failure(web, answer)
    assert (error.failure, error.again, error.charged) == ("unreadable", False, True)


async def test_a_large_or_compressed_answer_is_not_taken(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_provider, "MOST_BYTES", 1000)
    whole = {"items": [{"n": "x" * 900}]}
    assert len(await answers(web, Answer(whole))) == 1
    assert (await failure(web, Answer({"items": [{"n": "x" * 1000}]}))).failure == "too_large"
    packed = gzip.compress(json.dumps(whole).encode())
    error = await failure(web, Answer(raw=packed, headers={"Content-Encoding": "gzip"}))
    assert error.failure == "encoded"
    assert web.asked[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("http://127.0.0.1:{port}/", ""),
        ("http://127.0.0.1:{port}/", "127.0.0.1:1"),
        ("http://127.0.0.1:{port}/", "localhost"),
        ("https://127.0.0.1:{port}/", ""),
        ("https://localhost:{port}/", ""),
        ("https://[::1]:{port}/", ""),
        ("https://2130706433:{port}/", ""),
        ("https://169.254.169.254/", ""),
        ("http://example.com/", ""),
    ],
)
async def test_only_public_hosts_over_https_and_those_the_operator_allows_are_asked(
    web: Web, url: str, hosts: str
) -> None:
    with pytest.raises(ProviderError) as raised:
        await provider(web, url=url.format(port=web.port), hosts=hosts).ask(KNOWN, {}, uuid4())
    assert (raised.value.failure, raised.value.charged) == ("not_allowed", False)
    assert web.asked == []


async def test_an_allowed_host_is_asked_over_http(web: Web) -> None:
    await provider(web, hosts="other.test, 127.0.0.1").ask(KNOWN, {}, uuid4())
    assert len(web.asked) == 1


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "192.168.1.1", "172.16.0.1", "127.0.0.1", "0.0.0.0", "100.64.0.1", "169.254.1.1", "224.0.0.1", "::1",
     "fe80::1%eth0", "fd00::1", "::ffff:8.8.8.8", "64:ff9b::a00:1", "2002:a00:1::", "ff02::1", "::"],
)  # fmt: skip
def test_addresses_that_are_not_everybodys_are_not_public(address: str) -> None:
    assert not is_public(address)
    assert is_public("93.184.215.14") and is_public("2606:4700::1111")


async def test_over_tls_the_host_that_was_named_must_prove_itself_although_its_address_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, failed in (("localhost", None), ("other.test", "unreachable")):
        server, client = certified(name)
        monkeypatch.setattr(http_provider, "_trust", lambda client=client: client)
        async with Web.serving(server) as web:
            asking = provider(web, url=f"https://localhost:{web.port}/", hosts="localhost")
            if failed:
                with pytest.raises(ProviderError, match=failed):
                    await asking.ask(KNOWN, {}, uuid4())
            else:
                assert await asking.ask(KNOWN, {}, uuid4()) == []
                assert web.asked[0].headers["host"] == f"localhost:{web.port}"


async def test_no_proxy_of_the_environment_is_used(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    await provider(web).ask(KNOWN, {}, uuid4())
    assert len(web.asked) == 1


def test_the_price_is_for_each_call_or_for_what_is_found() -> None:
    web = Web()
    assert provider(web, price=Decimal("0.1")).price.of(found=False) == Decimal("0.1")
    per_result = provider(web, price=Decimal("0.1"), charges="result").price
    assert (per_result.of(found=False), per_result.of(found=True)) == (0, Decimal("0.1"))
