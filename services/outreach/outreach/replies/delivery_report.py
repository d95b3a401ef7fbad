"""What a server says became of a message: in the form of RFC 3464, or in words of its own, which flufl.bounce knows.

Anybody can write such a report. It counts for a message of ours that it has with it, or that it names and that was sent to the
recipient of whom it tells. What people, and mailing lists, pass on of one is none.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from enum import StrEnum
from typing import Final

from flufl.bounce import all_failures

from outreach.replies.mime import MAX_PARTS, address_in, body, fields_of, header, headers, inner_of
from outreach.replies.new_text import LONGEST_TEXT

# It logs what it fails at, with its data; what it fails at is no report that anybody could read.
logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL + 1)

MAX_REPORTED: Final = 100
"""The recipients of a report that are told."""
_LONGEST_LINE: Final = 1_000
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_SAID = re.compile(r"(?:^|\s)([45]\d\d[ -](?:[45]\.\d{1,3}\.\d{1,3})?.{0,400}?)(?=\n\s{0,80}\n|\n-{3}|\Z)", re.DOTALL)
"""A server's answer in running text (RFC 5321, 4.2)."""
_TYPE = re.compile(r"report-type\s*=\s*\"?delivery-status\b", re.IGNORECASE)
_SENDERS = re.compile(r"(mailer-daemon|postmaster|mail-daemon|mailerdaemon|mdaemon|microsoftexchange\w*)@")
_SUBJECTS = re.compile(
    r"undeliver|delivery (status|failure|has failed|incomplete|report)|returned mail|mail delivery|failure notice"
    r"|delivery.{0,20}fail|could not be delivered|returned to sender|unzustellbar|nicht zugestellt|non remis"
    r"|no se puede entregar"
)


class Action(StrEnum):
    """What a server did with a message (RFC 3464, 2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a message to one recipient.

    Attributes:
        status: the enhanced status code (RFC 3463), `5.1.1`.
        diagnostic: what the recipient's server said, without its type; it may name the recipient.
        recipient: the address it ended at, in lower case.
        original_recipient: the address it was sent to, if the server tells it.
    """

    action: Action
    status: str | None = None
    diagnostic: str | None = field(default=None, repr=False)
    recipient: str | None = field(default=None, repr=False)
    original_recipient: str | None = field(default=None, repr=False)


def deliveries_in(mail: Message, parts: list[Message]) -> tuple[Delivery, ...]:
    """What a mail reports of each recipient, nothing if it is no delivery report."""
    if headers(mail, "list-id"):
        return ()
    if mail.get_content_type() == "multipart/report" and _TYPE.search(header(mail, "content-type") or ""):
        standard = tuple(each for block in _blocks(inner_of(mail)) if (each := _delivery(block)))[:MAX_REPORTED]
        if standard:
            return standard
    return _in_words(mail, parts) if _is_by_a_server(mail) else ()


def envelope_id_in(parts: list[Message]) -> str | None:
    """The ENVID that the message was handed over with (RFC 3461, 4.4)."""
    return next((value for block in _blocks(parts) if (value := header(block, "original-envelope-id"))), None)


def message_ids_in(parts: list[Message]) -> tuple[str, ...]:
    """The Message-ID that servers add to their report, though no standard has it there."""
    return tuple(value for block in _blocks(parts) if (value := header(block, "x-original-message-id")))


def _is_by_a_server(mail: Message) -> bool:
    """Whether a server wrote a mail to say that it did not deliver one; whoever forwards what it wrote may leave its subject as it is."""
    if _SENDERS.match(address_in(header(mail, "from")) or "") or headers(mail, "x-failed-recipients"):
        return True
    by_machine = header(mail, "return-path") == "<>" or (header(mail, "auto-submitted") or "no").lower() != "no"
    subject = (header(mail, "subject") or "").lower()
    return by_machine and bool(_SUBJECTS.search(subject)) and not subject.startswith("re:")


def _blocks(parts: list[Message]) -> Iterator[Message]:
    """The groups of fields of a report: the first is of the message, each other of a recipient."""
    for part in parts:
        if part.get_content_type() == "message/delivery-status" and inner_of(part):
            yield from inner_of(part)[: MAX_REPORTED + 1]
        elif part.get_content_type() in ("message/delivery-status", "message/global-delivery-status"):
            text = body(part) or "".join(inner.as_string() for inner in inner_of(part)[:1])
            for group in text[:LONGEST_TEXT].split("\n\n")[: MAX_REPORTED + 1]:
                yield fields_of(group)


def _delivery(block: Message) -> Delivery | None:
    """What a group says of a recipient; that of the message has no action."""
    action = _action((header(block, "action") or "").lower())
    if action is None:
        return None
    diagnostic = _without_type(header(block, "diagnostic-code"))
    status = _STATUS.search(header(block, "status") or "") or _STATUS.search(diagnostic or "")
    original = address_in(_without_type(header(block, "original-recipient")))
    return Delivery(
        action=action,
        status=status[1] if status else None,
        diagnostic=diagnostic,
        recipient=address_in(_without_type(header(block, "final-recipient"))) or original,
        original_recipient=original,
    )


def _action(word: str) -> Action | None:
    if word.startswith("error"):  # OpenSMTPD
        return Action.FAILED
    return next((each for each in Action if word.startswith(each)), None)


def _without_type(value: str | None) -> str | None:
    """`ann@example.com` of `rfc822; ann@example.com`."""
    if value is None:
        return None
    head, semicolon, rest = value.partition(";")
    return rest.strip() if semicolon and re.fullmatch(r"[\w-]+", head.strip()) else value


def _in_words(mail: Message, parts: list[Message]) -> tuple[Delivery, ...]:
    try:
        delayed, failed = all_failures(_in_ascii(mail))
    except (AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return ()  # it expects what servers write, and anybody may write
    text = "\n".join(body(part) for part in parts if part.get_content_type() == "text/plain")[:LONGEST_TEXT]
    status, said = _STATUS.search(text), _SAID.search(text)
    found = [(Action.FAILED, each) for each in sorted(failed)] + [(Action.DELAYED, each) for each in sorted(delayed)]
    return tuple(
        Delivery(
            action=action,
            status=status[1] if status else None,
            diagnostic=" ".join(said[1].split()) if said else None,
            recipient=address,
        )
        for action, raw in found[:MAX_REPORTED]
        if (address := address_in(raw.decode("ascii", "replace")))
    )


def _in_ascii(part: Message) -> Message:
    """A part as flufl.bounce knows them: ASCII and without encodings, in lines for which its patterns take no long time."""
    copy = Message()
    for name, value in part.raw_items():
        if name.lower() != "content-transfer-encoding":
            copy[name] = str(value).encode("ascii", "replace").decode("ascii")
    if part.is_multipart():
        copy.set_payload([_in_ascii(each) for each in inner_of(part)[:MAX_PARTS]])
    elif part.get_content_maintype() == "text":
        text = body(part)[:LONGEST_TEXT].encode("ascii", "replace").decode("ascii")
        copy.set_payload("\n".join(line[:_LONGEST_LINE] for line in text.split("\n")))
    return copy
