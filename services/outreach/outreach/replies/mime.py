"""The parts of a mail, read within bounds, since anybody may have written it.

A mail is looked at up to a size, a number of lines and a depth, and what its headers and character sets claim is believed as far as it
works. Nothing here raises, whatever the bytes.
"""

import codecs
import re
from collections.abc import Iterator
from email import message_from_bytes, message_from_string
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.utils import parseaddr
from typing import Final

from outreach.replies.new_text import LONGEST_TEXT

MAX_BYTES: Final = 512 * 1024
"""The bytes of a mail that are looked at. What a person or a server writes stands at its beginning."""
MAX_LINES: Final = 20_000
"""The lines of a mail that are looked at: parsing takes time by the line."""
MAX_NESTING: Final = 32
"""The parts in parts that a mail may announce; the body of one with more is not looked at."""
MAX_PARTS: Final = 100
"""The parts of a mail that are looked at."""
_MAX_HEADER: Final = 4_000
_MAX_HEADERS: Final = 10
_MAX_COMMENTS: Final = 20

_MESSAGE_ID = re.compile(r"<[^<>\s]{3,500}>")
_NESTED = re.compile(rb"content-type:\s*[\"']?(multipart|message)/", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s@<>,;:\"']{1,64}@[^\s@<>,;:\"'()]{1,255}")
_OTHER_CODECS = frozenset(
    {"idna", "punycode", "raw-unicode-escape", "raw_unicode_escape", "undefined", "unicode_escape", "unicode-escape"}
)
"""Codecs that are no character sets of mails; two of them take time by the square of the length."""


def parse(raw: bytes) -> tuple[Message, bool]:
    """A mail, and whether it was longer or deeper than what is looked at.

    Its headers are those of the older policy: with the newer, asking for one raises on what spam holds.
    """
    lines = raw[:MAX_BYTES].split(b"\n", MAX_LINES)
    shortened = b"\n".join(lines[:MAX_LINES])
    too_deep = len(_NESTED.findall(shortened)) > MAX_NESTING
    if too_deep:
        shortened = re.split(rb"\r?\n\r?\n", shortened, maxsplit=1)[0] + b"\n\n"
    return message_from_bytes(shortened), too_deep or len(shortened) < len(raw)


def parts_of(mail: Message) -> Iterator[Message]:
    """The parts of a mail from its beginning, as many as are looked at; those of another mail within it are its own."""
    waiting = [mail]
    for _ in range(MAX_PARTS):
        if not waiting:
            return
        part = waiting.pop()
        yield part
        if part.get_content_maintype() == "multipart":
            waiting.extend(reversed(inner_of(part)))


def inner_of(part: Message) -> list[Message]:
    """What a part holds: parts, another mail, or the blocks of a report."""
    # Of a part that holds none, `get_payload` decodes the text by whatever character set it claims.
    payload = part.get_payload() if part.is_multipart() else []
    return [each for each in payload if isinstance(each, Message)] if isinstance(payload, list) else []


def fields_of(text: str) -> Message:
    """A text that consists of headers."""
    return message_from_string(text[:LONGEST_TEXT].lstrip())


def header(part: Message, name: str) -> str | None:
    """A header in plain text without line ends, None where there is none.

    Args:
        name: in lower case.
    """
    return next(iter(headers(part, name)), None)


def headers(part: Message, name: str) -> list[str]:
    """Every header of that name, as they are looked at."""
    # Raw: of bytes that are no ASCII, the policy keeps nothing.
    raw = [str(value) for key, value in part.raw_items() if str(key).lower() == name]
    return [_decoded(value[:_MAX_HEADER]) for value in raw[:_MAX_HEADERS]]


def ids(part: Message, name: str) -> tuple[str, ...]:
    """The Message-IDs in a header, with angle brackets."""
    return tuple(_MESSAGE_ID.findall(header(part, name) or ""))


def address_in(value: str | None) -> str | None:
    """The address in a header, in lower case, None where there is none."""
    if not value:
        return None
    address = parseaddr(without_nesting(value))[1]
    found = _ADDRESS.search(address if "@" in address else value)
    return found[0].lower() if found else None


def without_nesting(value: str) -> str:
    """A header with addresses, without comments in comments, for which the standard library's reader calls itself."""
    return value if value.count("(") <= _MAX_COMMENTS else value.replace("(", " ")


def body(part: Message) -> str:
    """The text of a part, with `\\n` at its lines' ends; empty of a part that holds parts."""
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    declared = re.search(r"charset\s*=\s*\"?'?([\w.:-]{1,40})", header(part, "content-type") or "", re.IGNORECASE)
    text = _decoded_bytes(payload, declared[1] if declared else "utf-8")
    return text.replace("\0", "").replace("\r\n", "\n")


def _decoded(value: str) -> str:
    value = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if "=?" in value:
        try:
            pieces = decode_header(value)
        except (MessageError, ValueError):
            pieces = []
        if pieces:
            value = "".join(p if isinstance(p, str) else _decoded_bytes(p, c or "utf-8") for p, c in pieces)
    return " ".join(value.replace("\0", "").split())


def _decoded_bytes(raw: bytes, charset: str) -> str:
    """Text in a character set that may be unknown or wrong."""
    for name in (charset, "utf-8"):
        try:
            if codecs.lookup(name).name in _OTHER_CODECS:
                continue
            return raw.decode(name)
        except (LookupError, ValueError):
            continue
    return raw.decode("latin-1")
