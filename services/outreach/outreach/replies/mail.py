"""What a mail that came in is, which message it answers, and what its writer wrote. Nothing here does input or output."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from outreach.replies.complaint import Complaint, complaint_in
from outreach.replies.delivery_report import Delivery, deliveries_in, envelope_id_in, message_ids_in
from outreach.replies.domain_classify import AUTOMATIC_HEADERS, automatic_rules
from outreach.replies.mime import (
    address_in,
    body,
    fields_of,
    header,
    headers,
    ids,
    inner_of,
    parse,
    parts_of,
    without_nesting,
)
from outreach.replies.new_text import LONGEST_TEXT, new_text, text_of_html

MAX_REFERENCES: Final = 50
"""The Message-IDs a mail may belong to, and the tags it may have."""
_WHERE_IT_CAME: Final = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-forwarded-to", "to", "cc")
_REPLY_SUBJECT = re.compile(r"^\s*(re|aw|antw|sv|rv|r|odp|vs)\s*(\[\d+\]|\(\d+\))?\s*:", re.IGNORECASE)
_ID_IN_TEXT = re.compile(r"(?im)^[> \t]{0,20}message-id:[ \t]*(<[^<>\s]{3,500}>)")


class MailKind(StrEnum):
    """What a mail is."""

    REPLY = "reply"
    """Somebody answers a message."""
    AUTO_REPLY = "auto_reply"
    """A machine answers for somebody."""
    DELIVERY_REPORT = "delivery_report"
    """A server tells what became of a message."""
    COMPLAINT = "complaint"
    """A provider passes on that a recipient took a message for spam."""
    OTHER = "other"
    """None of these: it names no message, nor does its subject say that it answers one."""


@dataclass(frozen=True, slots=True)
class IncomingMail:
    """A mail that came in.

    Attributes:
        message_id: its own Message-ID, with angle brackets.
        sender: the address it is from, in lower case.
        sent_at: what its Date header says, in UTC.
        returned: of a report, the Message-IDs of the message that it has with it, or says that it is about.
        belongs_to: the Message-IDs of what it answers or reports, the likeliest first.
        tags: what stands after the `+` in the addresses it came to. Where none of `belongs_to` is known, they tell the message, or
            with `verp_recipient` the person.
        envelope_id: of a delivery report, the ENVID that the message was handed over with (RFC 3461, 4.4).
        text: what its writer wrote, without what they quoted and without their signature; empty of reports.
        headers: those in `AUTOMATIC_HEADERS`, for `domain_classify.classify`.
        to_many: whether it went to a mailing list or all who take a newsletter (RFC 2919, RFC 2369).
        deliveries: of a delivery report, one for each recipient.
        complaint: of a complaint.
        cut: whether it was longer or deeper than what is looked at.
    """

    kind: MailKind
    message_id: str | None = None
    sender: str | None = field(default=None, repr=False)
    subject: str | None = field(default=None, repr=False)
    sent_at: datetime | None = None
    returned: tuple[str, ...] = ()
    belongs_to: tuple[str, ...] = ()
    tags: tuple[str, ...] = field(default=(), repr=False)
    envelope_id: str | None = None
    text: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    to_many: bool = False
    deliveries: tuple[Delivery, ...] = ()
    complaint: Complaint | None = None
    cut: bool = False


def read_mail(raw: bytes) -> IncomingMail:
    """A mail as a server has it. Never raises: bytes that are no mail are `MailKind.OTHER`.

    The worst of mails takes about a second, so let a thread do it.
    """
    mail, cut = parse(raw)
    parts = list(parts_of(mail))
    subject = header(mail, "subject")
    automatic = {name: value for name in AUTOMATIC_HEADERS if (value := header(mail, name)) is not None}
    complaint = complaint_in(mail, parts)
    deliveries = () if complaint else deliveries_in(mail, parts)
    reports = complaint is not None or bool(deliveries)
    own = ids(mail, "message-id")
    returned = (*message_ids_in(parts), *_ids_of_original(parts)) if reports else ()
    belongs_to = _belongs_to(mail, returned, own)
    tags = _tags(mail)
    if complaint:
        kind = MailKind.COMPLAINT
    elif deliveries:
        kind = MailKind.DELIVERY_REPORT
    elif automatic_rules(automatic, subject):
        kind = MailKind.AUTO_REPLY
    elif belongs_to or tags or _REPLY_SUBJECT.match(subject or ""):
        kind = MailKind.REPLY
    else:
        kind = MailKind.OTHER
    return IncomingMail(
        kind=kind,
        message_id=own[0] if own else None,
        sender=address_in(header(mail, "from")),
        subject=subject,
        sent_at=_date(header(mail, "date")),
        returned=tuple(dict.fromkeys(returned))[:MAX_REFERENCES],
        belongs_to=belongs_to,
        tags=tags,
        envelope_id=envelope_id_in(parts) if deliveries else None,
        text="" if reports else new_text(_text(parts)),
        headers=MappingProxyType(automatic),
        to_many=any(headers(mail, name) for name in ("list-id", "list-unsubscribe")),
        deliveries=deliveries,
        complaint=complaint,
        cut=cut,
    )


def verp_recipient(tag: str) -> str | None:
    """The recipient in the tag of a variable envelope return path: `ann@example.com` of `ann=example.com`."""
    local, _, domain = tag.rpartition("=")
    return f"{local}@{domain}".lower() if local and "." in domain else None


def _belongs_to(mail: Message, returned: tuple[str, ...], own: tuple[str, ...]) -> tuple[str, ...]:
    answered = (*ids(mail, "in-reply-to"), *reversed(ids(mail, "references")))
    return tuple(dict.fromkeys(each for each in (*returned, *answered) if each not in own))[:MAX_REFERENCES]


def _ids_of_original(parts: list[Message]) -> tuple[str, ...]:
    """The Message-ID of the message that a report has with it: all of it, its headers, or a copy below the report's words."""
    found: list[str] = []
    for part in parts:
        if part.get_content_type() in ("message/rfc822", "message/global"):
            found += [each for original in inner_of(part) for each in ids(original, "message-id")]
        elif part.get_content_type() in ("text/rfc822-headers", "message/global-headers"):
            found += ids(fields_of(body(part)), "message-id")
    if not found:
        for part in parts:
            if part.get_content_maintype() == "text":
                found += [match[1] for match in _ID_IN_TEXT.finditer(body(part)[:LONGEST_TEXT])]
    return tuple(found)


def _text(parts: list[Message]) -> str:
    """What a mail shows: its plain text, else the text of its HTML; of several such parts the first with words."""
    markup = ""
    for part in parts:
        if (header(part, "content-disposition") or "").lower().startswith("attachment"):
            continue
        if part.get_content_type() == "text/plain" and (plain := body(part)).strip():
            return plain[:LONGEST_TEXT]
        if part.get_content_type() == "text/html" and not markup:
            markup = body(part)
    return text_of_html(markup)


def _date(value: str | None) -> datetime | None:
    try:
        at = parsedate_to_datetime(value or "")
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _tags(mail: Message) -> tuple[str, ...]:
    values = [without_nesting(value) for name in _WHERE_IT_CAME for value in headers(mail, name)]
    tags = [address.rpartition("@")[0].partition("+")[2] for _, address in getaddresses(values)]
    return tuple(dict.fromkeys(tag for tag in tags if tag))[:MAX_REFERENCES]
