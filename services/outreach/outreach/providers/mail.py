"""An e-mail as the bytes that travel, and how the addresses on its envelope are written.

The fields are made by hand from the parts of the standard library's email package rather than by its EmailMessage, which takes ten
times as long and, before Python 3.11.10, lets a line break within an encoded word begin a new field (CVE-2024-6923).
"""

import quopri
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime, quote

import idna

from contracts.taxonomy import Fault, SendKind
from outreach.providers.dkim import Signer
from outreach.providers.protocol import Outgoing, RefusedError

_LINE_LENGTH = 900
"""The most octets in a line of a header that is left as it is; a line ends at 998 at the latest (RFC 5322, 2.1.1)."""
_BREAKS = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")
_PLAIN = re.compile(r"[ -~]*")
_LOCAL_PART = re.compile(r"[^\s\x00-\x20\x7f-\xa0\"(),:;<>@\[\\\]\ud800-\udfff]{1,64}")
_REFERENCE = re.compile(r"<[!-;=?A-~]{1,200}@[!-;=?A-~]{1,250}>")
_URL = re.compile(r"https?://[!-;=?-~]{1,880}")


@dataclass(frozen=True, slots=True)
class Mail:
    """An e-mail, and whom it goes from and to.

    Attributes:
        sender, recipient: as they are written on the envelope, without angle brackets.
        utf8: whether that takes SMTPUTF8 (RFC 6531): a local part is not ASCII. A domain never needs it.
        content: header and body, every line ended by CRLF; lines that begin with a full stop are not doubled yet.
    """

    sender: str = field(repr=False)
    recipient: str = field(repr=False)
    utf8: bool
    content: bytes = field(repr=False)


def compose(message: Outgoing, signer: Signer | None) -> Mail:
    """The message as an e-mail, signed where there is a signer.

    Line breaks and other control characters in the subject and the sender's name become spaces. The body travels as
    quoted-printable, so that no relay needs to rewrite it and break the signature (RFC 6376, 5.3).

    Raises:
        RefusedError: it is no e-mail or has no subject; or an address, a reference or the unsubscribe URL is not written as one.
    """
    if message.kind is not SendKind.EMAIL:
        raise RefusedError("not_an_email", Fault.POLICY)
    if message.subject is None or not (subject := _one_line(message.subject)):
        raise RefusedError("subject_missing", Fault.POLICY)
    if not all(_REFERENCE.fullmatch(reference) for reference in (message.reference, *message.follows)):
        raise RefusedError("reference_invalid", Fault.POLICY)
    sender, recipient = _on_envelope(message.sender.address), _on_envelope(message.address)
    fields = [
        ("From", _mailbox(message.sender.name, sender)),
        ("To", recipient),
        ("Subject", _text("Subject", subject)),
        ("Date", format_datetime(datetime.now(UTC))),
        ("Message-ID", message.reference),
    ]
    if message.follows:
        fields.append(("In-Reply-To", message.follows[-1]))
        fields.append(("References", "\r\n ".join(message.follows)))
    if message.unsubscribe_url is not None:
        if not _URL.fullmatch(message.unsubscribe_url):
            raise RefusedError("unsubscribe_url_invalid", Fault.POLICY)
        fields.append(("List-Unsubscribe", f"<{message.unsubscribe_url}>"))
        if message.unsubscribe_url.startswith("https:"):  # RFC 8058 (3.1) asks for it.
            fields.append(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    fields += [
        ("MIME-Version", "1.0"),
        ("Content-Type", 'text/plain; charset="utf-8"'),
        ("Content-Transfer-Encoding", "quoted-printable"),
    ]
    body = _body(message.body)
    if signer is not None:
        fields.insert(0, ("DKIM-Signature", signer.sign(fields, body)))
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    utf8 = not (sender.isascii() and recipient.isascii())
    return Mail(sender, recipient, utf8, head.encode() + b"\r\n" + body)


def _on_envelope(address: str) -> str:
    """The address with its domain in ASCII (RFC 5891), so that only a local part may still be something else."""
    local, _, domain = address.rpartition("@")
    try:
        ascii_domain = idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        raise RefusedError("address_invalid", Fault.POLICY) from None
    if not _LOCAL_PART.fullmatch(local):
        raise RefusedError("address_invalid", Fault.POLICY)
    return f"{local}@{ascii_domain}"


def _mailbox(name: str | None, address: str) -> str:
    if name is None or not (shown := _one_line(name)):
        return address
    return f"{_text('From', shown, quoted=True)} <{address}>"


def _one_line(text: str) -> str:
    return _BREAKS.sub(" ", text).strip()


def _text(name: str, text: str, *, quoted: bool = False) -> str:
    """The text as it is if it may be, or as encoded words (RFC 2047), folded."""
    if _PLAIN.fullmatch(text) and "=?" not in text and len(text) <= _LINE_LENGTH:
        return f'"{quote(text)}"' if quoted else text
    # A lone surrogate, as JSON may carry, is no character that could be sent.
    sendable = text.encode(errors="replace").decode()
    return Header(sendable, "utf-8", header_name=name).encode(linesep="\r\n")


def _body(text: str) -> bytes:
    lines = "\n".join(re.split(r"\r\n|\r|\n", text.rstrip("\r\n")))
    return quopri.encodestring(lines.encode(errors="replace")).replace(b"\n", b"\r\n") + b"\r\n"
