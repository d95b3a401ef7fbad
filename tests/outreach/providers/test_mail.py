"""An e-mail says what it was asked to say and nothing that somebody slipped into a name or a subject."""

import base64
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr
from uuid import UUID

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from contracts.taxonomy import Fault, SendKind
from outreach.providers.dkim import Signer
from outreach.providers.mail import Mail, compose
from outreach.providers.protocol import Outgoing, RefusedError, Sender
from tests.outreach.providers.sink import outgoing


def parsed(mail: Mail) -> EmailMessage:
    return message_from_bytes(mail.content, policy=policy.default)


def names(mail: Mail) -> list[str]:
    """The fields' names as a relay sees them: whatever stands at the beginning of a line."""
    head = mail.content.split(b"\r\n\r\n", 1)[0]
    assert b"\r" not in head.replace(b"\r\n", b"")
    assert b"\n" not in head.replace(b"\r\n", b"")
    return [line.split(b":")[0].decode() for line in head.split(b"\r\n") if line[:1] not in (b" ", b"\t")]


FIRST = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
]


def test_a_message_is_a_plain_text_with_the_fields_that_its_readers_need() -> None:
    message = outgoing()
    mail = compose(message, None)
    assert names(mail) == FIRST
    read = parsed(mail)
    assert read["From"] == "Sales <sales@example.com>"
    assert read["To"] == "ann@example.org"
    assert read["Subject"] == "Hello"
    assert read["Message-ID"] == message.reference
    assert abs(read["Date"].datetime - datetime.now(UTC)) < timedelta(minutes=1)
    assert read.get_content_type() == "text/plain"
    assert read.get_content().replace("\r\n", "\n") == message.body
    assert (mail.sender, mail.recipient, mail.utf8) == ("sales@example.com", "ann@example.org", False)


def test_a_follow_up_is_threaded_under_all_that_came_before() -> None:
    read = parsed(compose(outgoing(follows=("<1@example.com>", "<2@example.com>")), None))
    assert read["In-Reply-To"] == "<2@example.com>"
    assert read["References"].split() == ["<1@example.com>", "<2@example.com>"]


def test_a_long_thread_keeps_its_lines_short() -> None:
    follows = tuple(f"<{n:0200}@example.com>" for n in range(30))
    mail = compose(outgoing(follows=follows), None)
    assert max(map(len, mail.content.split(b"\r\n"))) < 998
    assert tuple(parsed(mail)["References"].split()) == follows


def test_one_click_unsubscribes() -> None:
    read = parsed(compose(outgoing(unsubscribe_url="https://example.com/u?t=abc"), None))
    assert read["List-Unsubscribe"] == "<https://example.com/u?t=abc>"
    assert read["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_one_click_is_not_promised_of_an_address_without_encryption() -> None:
    read = parsed(compose(outgoing(unsubscribe_url="http://localhost:8000/u?t=abc"), None))
    assert read["List-Unsubscribe"] == "<http://localhost:8000/u?t=abc>"
    assert read["List-Unsubscribe-Post"] is None


@pytest.mark.parametrize(
    "subject",
    ["Grüße aus Köln", "日本語の件名" * 20, "=?utf-8?q?already?=", "an ordinary subject " * 20, "x" * 2_000, "😀"],
)
def test_a_subject_arrives_as_it_was_written(subject: str) -> None:
    mail = compose(outgoing(subject=subject), None)
    assert names(mail) == FIRST
    assert max(map(len, mail.content.split(b"\r\n"))) < 998
    assert parsed(mail)["Subject"] == subject.strip()


@pytest.mark.parametrize("name", ["Zoë Müller", 'A "B" \\ C', "Doe, John", "名前" * 40, "=?utf-8?q?x?=", "a@b.c"])
def test_a_name_arrives_as_it_was_written(name: str) -> None:
    mail = compose(outgoing(sender=Sender(UUID(int=1), "sales@example.com", name)), None)
    assert names(mail) == FIRST
    # Not the newer parser: before Python 3.13 it puts spaces between the encoded words of a name.
    written = message_from_bytes(mail.content, policy=policy.compat32)["From"]
    assert parseaddr(str(make_header(decode_header(written)))) == (name, "sales@example.com")


@pytest.mark.parametrize(
    "body",
    [
        "Grüße\n",
        ".\n..\n.hidden\n",
        "a" * 5_000 + "\n",
        "trailing \t\nspaces  \n",
        "From here\n",
        "tab\tbell\x07nul\x00\n",
        "=3D =\n",
    ],
)
def test_a_body_arrives_as_it_was_written(body: str) -> None:
    mail = compose(outgoing(body=body), None)
    assert mail.content.isascii()
    assert max(map(len, mail.content.split(b"\r\n"))) <= 78
    assert parsed(mail).get_content().replace("\r\n", "\n") == body


INJECTED = "\r\nBcc: eve@example.net"


@pytest.mark.parametrize(
    "text",
    [
        f"Hi{INJECTED}",
        "Hi\nBcc: eve@example.net",
        "Hi\rBcc: eve@example.net",
        "=?utf-8?q?Hi=0D=0ABcc:_eve@example.net?=",
        "=?utf-8?b?SGkNCkJjYzogZXZlQGV4YW1wbGUubmV0?= x",
        "Hi\u2028Bcc: eve@example.net\x85\x0b\x0c",
        f"ü{INJECTED}\r\n\r\nbody",
        "Hi\x00\x07Bcc: eve@example.net",
    ],
)
def test_a_line_break_in_a_subject_or_a_name_begins_no_field(text: str) -> None:
    mail = compose(outgoing(subject=text, sender=Sender(UUID(int=1), "sales@example.com", text)), None)
    assert names(mail) == FIRST
    assert parsed(mail)["Bcc"] is None
    # Nor does it hide in an encoded word, for a reader's program to unpack.
    for name in ("Subject", "From"):
        written = message_from_bytes(mail.content, policy=policy.compat32)[name].replace("\r\n ", "")
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028]", str(make_header(decode_header(written))))


@given(subject=st.text(min_size=1), name=st.text(), body=st.text())
def test_whatever_is_written_no_field_is_added_and_every_line_is_one(subject: str, name: str, body: str) -> None:
    sender = Sender(UUID(int=1), "sales@example.com", name)
    try:
        mail = compose(outgoing(subject=subject, body=body, sender=sender), None)
    except RefusedError as refused:
        assert refused.reason == "subject_missing"
        return
    assert names(mail) == FIRST
    assert mail.content.isascii()
    assert mail.content.endswith(b"\r\n")
    assert max(map(len, mail.content.split(b"\r\n"))) < 998
    assert b"\r" not in mail.content.replace(b"\r\n", b"")
    assert b"\n" not in mail.content.replace(b"\r\n", b"")


@given(st.text(alphabet=st.characters(categories=["Cs", "Cc", "L"]), min_size=1))
def test_half_a_character_breaks_nothing(text: str) -> None:
    try:
        mail = compose(outgoing(subject=f"a{text}", body=text), None)
    except RefusedError:
        raise AssertionError("refused") from None
    assert names(mail) == FIRST


REFUSED = [
    ({"kind": SendKind.SMS}, "not_an_email"),
    ({"subject": None}, "subject_missing"),
    ({"subject": " \r\n "}, "subject_missing"),
    ({"address": "ann@example.org\r\nBcc: eve@example.net"}, "address_invalid"),
    ({"address": "ann@example.org>\r\nDATA"}, "address_invalid"),
    ({"address": "ann"}, "address_invalid"),
    ({"address": "ann@"}, "address_invalid"),
    ({"address": "@example.org"}, "address_invalid"),
    ({"address": "ann@example..org"}, "address_invalid"),
    ({"address": "ann smith@example.org"}, "address_invalid"),
    ({"address": "ann@example.org, eve@example.net"}, "address_invalid"),
    ({"address": "ann@a.org,eve@example.net"}, "address_invalid"),
    ({"address": "<ann@example.org"}, "address_invalid"),
    ({"address": "a\u2028b@example.org"}, "address_invalid"),
    ({"address": "a\ud800@example.org"}, "address_invalid"),
    ({"sender": Sender(UUID(int=1), "sales@example.com\nBcc: x@y.z")}, "address_invalid"),
    ({"reference": "1@example.com"}, "reference_invalid"),
    ({"reference": "<1@example.com>\r\nBcc: eve@example.net"}, "reference_invalid"),
    ({"reference": "<1@ex ample.com>"}, "reference_invalid"),
    ({"reference": "<ü@example.com>"}, "reference_invalid"),
    ({"follows": ("<1@example.com>\r\n",)}, "reference_invalid"),
    ({"unsubscribe_url": "https://example.com/>\r\nBcc: eve@example.net"}, "unsubscribe_url_invalid"),
    ({"unsubscribe_url": "mailto:u@example.com"}, "unsubscribe_url_invalid"),
]


@pytest.mark.parametrize(("changes", "reason"), REFUSED)
def test_what_is_not_written_as_it_must_be_is_refused_and_is_not_the_recipients_fault(
    changes: dict[str, object], reason: str
) -> None:
    with pytest.raises(RefusedError) as told:
        compose(outgoing(**changes), None)
    assert (told.value.reason, told.value.fault) == (reason, Fault.POLICY)


def test_a_domain_of_another_script_travels_in_ascii_and_a_local_part_as_it_is() -> None:
    mail = compose(outgoing(address="ann@bücher.example"), None)
    assert (mail.recipient, mail.utf8) == ("ann@xn--bcher-kva.example", False)
    assert mail.content.isascii()
    mail = compose(outgoing(address="jürgen@straße.example"), None)
    assert (mail.recipient, mail.utf8) == ("jürgen@xn--strae-oqa.example", True)
    assert "To: jürgen@xn--strae-oqa.example\r\n".encode() in mail.content


RSA = generate_private_key(65537, 2048)
ED25519 = Ed25519PrivateKey.generate()


def pem(key: RSAPrivateKey | Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def published(name: bytes, timeout: int = 5) -> bytes:
    if name == b"rsa._domainkey.example.com.":
        key = RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return b"v=DKIM1; k=rsa; p=" + base64.b64encode(key)
    assert name == b"ed._domainkey.example.com."
    key = ED25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return b"v=DKIM1; k=ed25519; p=" + base64.b64encode(key)


SIGNERS = [Signer("example.com", "rsa", pem(RSA)), Signer("example.com", "ed", pem(ED25519))]


def full() -> Outgoing:
    return outgoing(
        subject="Grüße " * 30,
        sender=Sender(UUID(int=1), "sales@example.com", "Zoë,  Müller"),
        follows=("<1@example.com>", "<2@example.com>"),
        unsubscribe_url="https://example.com/u?t=abc",
        body="Dear  Ann,\n\n.dots and   spaces \nGrüße\n\n\n",
    )


@pytest.mark.parametrize("signer", SIGNERS)
def test_a_signature_holds_and_covers_every_field_and_the_body(signer: Signer) -> None:
    content = compose(full(), signer).content
    assert dkim.verify(content, dnsfunc=published)
    signature = parsed(Mail("", "", False, content))["DKIM-Signature"]
    tags = dict(tag.strip().split("=", 1) for tag in signature.replace("\r\n", "").split(";"))
    covered = tags["h"].replace(" ", "").split(":")
    assert {"from", "to", "subject", "date", "message-id", "list-unsubscribe", "list-unsubscribe-post"} <= set(covered)
    for was, now in [
        (b"To: ann@", b"To: eve@"),
        (b"One-Click", b"Two-Click"),
        (b"u?t=abc", b"u?t=abd"),
        (b"Dear", b"Dead"),
        (b"<2@example.com>\r\n", b"<3@example.com>\r\n"),
    ]:
        assert was in content
        assert not dkim.verify(content.replace(was, now), dnsfunc=published), was
    for added in (b"From: eve@example.net\r\n", b"Subject: free\r\n", b"List-Unsubscribe: <https://example.net>\r\n"):
        assert not dkim.verify(added + content, dnsfunc=published), added


@pytest.mark.parametrize("signer", SIGNERS)
@given(subject=st.text(min_size=1).filter(lambda text: text.strip().isprintable()), body=st.text())
def test_a_signature_holds_whatever_is_written(signer: Signer, subject: str, body: str) -> None:
    message = replace(outgoing(), subject=f"about {subject}", body=body)
    assert dkim.verify(compose(message, signer).content, dnsfunc=published)


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        ("no key", "no private key in PEM"),
        (
            ec.generate_private_key(ec.SECP256R1())
            .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            .decode(),
            "neither of RSA nor of Ed25519",
        ),
    ],
)
def test_a_key_that_no_verifier_takes_is_told_at_once(key: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Signer("example.com", "s", key)
