"""Mail leaves by as few connections as it takes, encrypted, logged in, and as the server can take it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import dkim
import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError

from outreach.providers.protocol import LaterError, RefusedError, SetupError
from outreach.providers.smtp import Security, SmtpSettings
from tests.outreach.providers.sink import Sink, Taken, outgoing, smtp_to
from tests.outreach.providers.test_mail import RSA, pem, published
from tests.waiting import until


class Mailbox:
    """What aiosmtpd hands its messages to."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.encrypted: list[bool] = []
        self.logins: list[bytes] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.taken.append(Taken(envelope.mail_from or "", envelope.rcpt_tos[0], envelope.content))
        assert server.transport is not None
        self.encrypted.append(server.transport.get_extra_info("sslcontext") is not None)
        return "250 2.0.0 OK id=1tabcd-000001-2k"

    def login(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(data.login)
        return AuthResult(success=data.password == b"secret", handled=False)


@asynccontextmanager
async def aiosmtpd(*, tls: ssl.SSLContext | None = None, **options: object) -> AsyncIterator[tuple[int, Mailbox]]:
    mailbox = Mailbox()
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(mailbox, hostname="mx.example.org", authenticator=mailbox.login, **options),  # type: ignore[arg-type]
        "127.0.0.1",
        ssl=tls,
    )
    async with server:
        yield server.sockets[0].getsockname()[1], mailbox


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A certificate of 127.0.0.1's own making, as a file, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    path = folder / "certificate.pem"
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
    secret = folder / "key.pem"
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path, secret)
    return path, context


LOGIN = {"username": "sales", "password": "secret"}


async def test_mail_travels_encrypted_from_the_first_byte(authority: tuple[Path, ssl.SSLContext]) -> None:
    path, context = authority
    async with (
        aiosmtpd(tls=context, auth_require_tls=False) as (port, mailbox),
        smtp_to(port, security=Security.TLS, authorities=path, **LOGIN) as smtp,
    ):
        receipt = await smtp.send(outgoing())
        await smtp.send(outgoing())
    assert receipt.provider_reference == "1tabcd-000001-2k"
    assert mailbox.encrypted == [True, True]
    assert mailbox.logins == [b"sales"], "one login for both"


async def test_mail_travels_encrypted_after_the_greeting(authority: tuple[Path, ssl.SSLContext]) -> None:
    path, context = authority
    async with (
        aiosmtpd(tls_context=context, require_starttls=True, auth_required=True) as (port, mailbox),
        smtp_to(port, security=Security.STARTTLS, authorities=path, **LOGIN) as smtp,
    ):
        await smtp.send(outgoing())
    assert mailbox.encrypted == [True]
    assert mailbox.logins == [b"sales"]


async def test_a_long_message_arrives_whole_over_tls(authority: tuple[Path, ssl.SSLContext]) -> None:
    path, context = authority
    async with (
        aiosmtpd(tls=context) as (port, mailbox),
        smtp_to(port, security=Security.TLS, authorities=path) as smtp,
    ):
        await smtp.send(outgoing(body=".a line of a very long message\n" * 100_000))
    assert mailbox.taken[0].parsed.get_content().replace("\r\n", "\n") == ".a line of a very long message\n" * 100_000


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
async def test_a_server_whose_certificate_nobody_vouches_for_is_sent_nothing(
    security: Security, authority: tuple[Path, ssl.SSLContext]
) -> None:
    _, context = authority
    how = {"tls": context} if security is Security.TLS else {"tls_context": context}
    async with aiosmtpd(**how) as (port, mailbox), smtp_to(port, security=security, **LOGIN) as smtp:
        with pytest.raises(LaterError) as told:
            await smtp.send(outgoing())
    assert told.value.reason == "tls_failed"
    assert mailbox.taken == []
    assert mailbox.logins == []


async def test_a_server_that_offers_no_encryption_is_sent_neither_password_nor_mail() -> None:
    async with Sink().listening() as sink, smtp_to(sink.port, security=Security.STARTTLS, **LOGIN) as smtp:
        with pytest.raises(LaterError) as told:
            await smtp.send(outgoing())
    assert told.value.reason == "tls_failed"
    assert [line.split()[0] for line in sink.heard] == ["EHLO"]


async def test_a_wrong_password_keeps_the_messages_for_later(authority: tuple[Path, ssl.SSLContext]) -> None:
    path, context = authority
    async with (
        aiosmtpd(tls_context=context) as (port, mailbox),
        smtp_to(port, security=Security.STARTTLS, authorities=path, username="sales", password="wrong") as smtp,
    ):
        with pytest.raises(SetupError, match="login_failed"):
            await smtp.send(outgoing())
    assert mailbox.taken == []


@pytest.mark.parametrize(
    "settings",
    [
        {"security": "none", **LOGIN},
        {"username": "sales"},
        {"password": "secret"},
        {"dkim": {"domain": "example.com\r\n", "selector": "s", "private_key": "x"}},
        {"hello_name": "a b"},
        {"port": 0},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SmtpSettings.model_validate({"host": "127.0.0.1", **settings})


def test_settings_do_not_show_their_secrets() -> None:
    settings = SmtpSettings.model_validate(
        {"host": "h", **LOGIN, "dkim": {"domain": "e.com", "selector": "s", "private_key": "hidden"}}
    )
    assert "secret" not in repr(settings)
    assert "hidden" not in repr(settings)


async def test_messages_share_a_connection() -> None:
    async with Sink().listening() as sink, smtp_to(sink.port) as smtp:
        for _ in range(20):
            await smtp.send(outgoing())
    assert len(sink.taken) == 20
    assert sink.connections == 1


async def test_messages_at_once_share_no_connection_and_no_more_are_open_than_allowed() -> None:
    messages = [outgoing(address=f"ann{n}@example.org", subject=f"to {n}") for n in range(60)]
    async with Sink().listening() as sink, smtp_to(sink.port, connections=5) as smtp:
        await asyncio.gather(*map(smtp.send, messages))
    assert sink.most_open == 5
    assert sink.connections == 5
    assert sorted((taken.recipient, taken.parsed["Subject"]) for taken in sink.taken) == sorted(
        (message.address, message.subject) for message in messages
    )


async def test_each_of_many_at_once_is_told_what_became_of_its_own() -> None:
    answers = iter([None, "550 5.1.1 user unknown"] * 30)

    async with Sink().listening() as sink, smtp_to(sink.port, connections=4) as smtp:
        sink.answers["RCPT"] = lambda: next(answers) or "250 fine"
        results = await asyncio.gather(*(smtp.send(outgoing()) for _ in range(60)), return_exceptions=True)
    assert sum(isinstance(result, RefusedError) for result in results) == 30
    assert len(sink.taken) == 30
    assert sink.connections == 4, "a refusal costs no connection"


async def test_a_connection_that_has_nothing_to_carry_is_left_politely_after_a_while() -> None:
    async with Sink().listening() as sink, smtp_to(sink.port, idle_seconds=0.1) as smtp:
        await smtp.send(outgoing())

        async def left() -> bool:
            return sink.open == 0

        await until(left)
        assert sink.heard[-1] == "QUIT"
        await smtp.send(outgoing())
    assert sink.connections == 2


async def test_closing_leaves_every_connection() -> None:
    async with Sink().listening() as sink, smtp_to(sink.port) as smtp:
        await asyncio.gather(*(smtp.send(outgoing()) for _ in range(3)))
        assert sink.open == 3
        await smtp.close()

        async def left() -> bool:
            return sink.open == 0

        await until(left)
        assert sink.heard.count("QUIT") == 3


async def test_closing_lets_a_message_under_way_come_to_its_end() -> None:
    async with Sink().listening() as sink, smtp_to(sink.port) as smtp:
        sink.reads.clear()
        sending = asyncio.create_task(smtp.send(outgoing()))

        async def begun() -> bool:
            return "DATA" in sink.heard

        await until(begun)
        await smtp.close()
        sink.reads.set()
        await sending

        async def left() -> bool:
            return sink.open == 0

        await until(left)
    assert len(sink.taken) == 1


async def test_a_connection_that_has_gone_stale_costs_no_message() -> None:
    async with Sink(hangs_up_after=".").listening() as sink, smtp_to(sink.port) as smtp:
        for _ in range(5):
            await smtp.send(outgoing())
    assert len(sink.taken) == 5
    assert sink.connections == 5


async def test_a_server_that_has_had_enough_of_a_connection_is_given_another() -> None:
    def tired() -> str:
        return "250 fine" if sink.heard.count("DATA") < sink.connections * 2 else "421 4.4.2 too many messages, bye"

    async with Sink().listening() as sink, smtp_to(sink.port) as smtp:
        sink.answers["MAIL"] = tired
        for _ in range(6):
            await smtp.send(outgoing())
    assert len(sink.taken) == 6
    assert sink.connections == 3


async def test_a_new_connection_that_is_told_to_go_is_not_followed_by_another() -> None:
    async with Sink({"MAIL": "421 4.7.0 too many messages"}).listening() as sink, smtp_to(sink.port) as smtp:
        with pytest.raises(LaterError) as told:
            await smtp.send(outgoing())
    assert told.value.throttled
    assert sink.connections == 1


async def test_an_address_of_another_script_travels_where_the_server_can_take_it() -> None:
    async with aiosmtpd(enable_SMTPUTF8=True) as (port, mailbox), smtp_to(port) as smtp:
        await smtp.send(outgoing(address="jürgen@bücher.example"))
        await smtp.send(outgoing(address="ann@bücher.example"))
    assert [taken.recipient for taken in mailbox.taken] == [
        "jürgen@xn--bcher-kva.example",
        "ann@xn--bcher-kva.example",
    ]


async def test_an_address_that_the_server_cannot_write_is_not_the_recipients_fault() -> None:
    async with Sink().listening() as sink, smtp_to(sink.port) as smtp:
        with pytest.raises(RefusedError) as told:
            await smtp.send(outgoing(address="jürgen@example.org"))
        await smtp.send(outgoing(address="ann@bücher.example"))
    assert told.value.reason == "address_not_supported"
    assert sink.connections == 1


async def test_a_server_is_told_the_size_where_it_asks_for_it() -> None:
    async with aiosmtpd(data_size_limit=2_000) as (port, mailbox), smtp_to(port) as smtp:
        with pytest.raises(RefusedError) as told:
            await smtp.send(outgoing(body="x" * 3_000))
        await smtp.send(outgoing())
    assert told.value.reason == "too_large"
    assert len(mailbox.taken) == 1


async def test_lines_that_begin_with_a_full_stop_end_no_message() -> None:
    body = ".\n..\n.\n\n. x\n"
    async with aiosmtpd() as (port, mailbox), smtp_to(port) as smtp:
        await smtp.send(outgoing(body=body))
    assert mailbox.taken[0].parsed.get_content().replace("\r\n", "\n") == body


async def test_a_signature_survives_the_journey() -> None:
    key = {"domain": "example.com", "selector": "rsa", "private_key": pem(RSA)}
    async with aiosmtpd() as (port, mailbox), smtp_to(port, dkim=key) as smtp:
        await smtp.send(outgoing(subject="Grüße", body=".\nGrüße\n", unsubscribe_url="https://example.com/u"))
    assert dkim.verify(mailbox.taken[0].content, dnsfunc=published)


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        ("250 2.0.0 Ok: queued as 4XyZ12AbC", "4XyZ12AbC"),
        ("250 OK id=1tabcd-000001-2k", "1tabcd-000001-2k"),
        ("250 2.0.0 OK  1732924689 d2e1a72fcca58-7253a0f9sm1 - gsmtp", "d2e1a72fcca58-7253a0f9sm1"),
        ("250 Ok 0100018c1a2b3c4d-5e6f7a8b-000000", "0100018c1a2b3c4d-5e6f7a8b-000000"),
        (
            "250 2.6.0 <1@example.com> [InternalId=30073459933184, Hostname=x.prod] Queued mail for delivery",
            "30073459933184",
        ),
        ("250 fine", None),
    ],
)
async def test_a_servers_own_name_for_a_message_is_read(answer: str, reference: str | None) -> None:
    async with Sink({".": answer}).listening() as sink, smtp_to(sink.port) as smtp:
        assert (await smtp.send(outgoing())).provider_reference == reference
