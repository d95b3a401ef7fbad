"""A recipient's complaint as their provider passes it on: as RFC 5965 says, or as Outlook.com does."""

from dataclasses import dataclass, field
from email.message import Message
from typing import Final

from outreach.replies.mime import address_in, body, fields_of, header, headers, inner_of

_MOST: Final = 100
_NO_COMPLAINTS: Final = frozenset({"auth-failure", "not-spam"})
"""Reports that no recipient complains with: of a failed authentication (RFC 6591), or that a mail was wanted after all."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is reported of a message.

    Attributes:
        feedback_type: the word of RFC 5965, 7.3, in lower case: `abuse`, `fraud`, `virus`, `other`, or a later one.
        recipients: the addresses that complained, in lower case; many providers black them out.
    """

    feedback_type: str
    recipients: tuple[str, ...] = field(default=(), repr=False)


def complaint_in(mail: Message, parts: list[Message]) -> Complaint | None:
    """The complaint that a mail is, or None."""
    for part in parts:
        if part.get_content_type() == "message/feedback-report":
            fields = next(iter(inner_of(part)), None) or fields_of(body(part))
            kind = (header(fields, "feedback-type") or "abuse").lower()
            named = [address_in(value) for value in headers(fields, "original-rcpt-to")]
            found = [each for each in named if each] or _recipients_of_original(parts)
            return None if kind in _NO_COMPLAINTS else Complaint(kind, tuple(dict.fromkeys(found))[:_MOST])
    if "complaint" in (header(mail, "subject") or "").lower():
        # Outlook.com sends the message itself, and in it a header of its own with the recipient.
        for message in [*parts, *(inner for part in parts for inner in inner_of(part))]:
            if recipient := address_in(header(message, "x-hmxmroriginalrecipient")):
                return Complaint("abuse", (recipient,))
    return None


def _recipients_of_original(parts: list[Message]) -> list[str]:
    for part in parts:
        if part.get_content_type() == "message/rfc822":
            original = next(iter(inner_of(part)), None)
        elif part.get_content_type() == "text/rfc822-headers":
            original = fields_of(body(part))
        else:
            continue
        address = address_in(header(original, "to")) if original is not None else None
        return [address] if address else []
    return []
