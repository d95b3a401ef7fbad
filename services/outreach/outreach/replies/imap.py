"""Mails of a mailbox, over IMAP (RFC 3501), each once.

The place in a mailbox is a `Cursor`. Whoever handles a mail stores the cursor that came with it in the same transaction, and
gives it back after a restart. `imaplib` waits, so every call to the server runs in a thread.
"""

import asyncio
import imaplib
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeVar

from outreach.replies.mime import MAX_BYTES

T = TypeVar("T")

BATCH: Final = 50
"""Mails fetched at once unless more or fewer are asked for."""
_SEARCHED: Final = 50_000
"""The UIDs searched at once in a large mailbox: imaplib reads a million bytes of an answer's line and no more."""
_SIZE = re.compile(rb"UID (\d+)")


class Security(StrEnum):
    """How a connection is kept from others."""

    TLS = "tls"
    """From its beginning (RFC 8314), usually on port 993."""
    STARTTLS = "starttls"
    """After a greeting in clear, usually on port 143."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Where an account's mails come in.

    Attributes:
        seconds: how long one answer of the server may take.
        tls: whom to trust; the system's authorities unless another is given.
    """

    host: str
    user: str = field(repr=False)
    password: str = field(repr=False)
    port: int = 993
    folder: str = "INBOX"
    security: Security = Security.TLS
    seconds: float = 30.0
    tls: ssl.SSLContext | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Up to where a folder has been read.

    Attributes:
        uid_validity: which generation of UIDs it is; when the server begins another, all of the folder is new (RFC 3501,
            2.3.1.1), so that a mail may come a second time. Its Message-ID tells.
        uid: of the last mail read, 0 before the first.
    """

    uid_validity: int
    uid: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """A mail as it lies in the mailbox.

    Attributes:
        raw: its bytes, no more than the first `MAX_BYTES` + 1.
        cursor: where to go on once it is handled.
    """

    uid: int
    raw: bytes = field(repr=False)
    cursor: Cursor


class MailboxError(Exception):
    """A mailbox cannot be read. Its text names the server and the folder, never the user."""


class MailboxUnreachableError(MailboxError):
    """The server is away or does not answer in time: try again later."""


class MailboxRefusedError(MailboxError):
    """The server answers and refuses, its certificate is not trusted, or there is no such folder: somebody has to set it right."""


@dataclass(frozen=True, slots=True)
class _Opened:
    """What the server tells of a folder when it is opened."""

    uid_validity: int
    mails: int


class Inbox:
    """A folder that is open for reading. Made by `open_inbox`; one call at a time."""

    def __init__(self, mailbox: Mailbox, client: imaplib.IMAP4, opened: _Opened) -> None:
        self._mailbox = mailbox
        self._client = client
        self._uid_validity = opened.uid_validity
        self._mails = opened.mails

    async def end(self) -> Cursor:
        """Behind the newest mail, for whoever wants only what comes from now on."""
        return Cursor(self._uid_validity, await _in_thread(self._mailbox, self._newest))

    async def fetch(self, after: Cursor | None, *, limit: int = BATCH) -> list[Fetched]:
        """The next mails after a cursor, oldest first; with None, from the first one. Empty when there are no more.

        None is marked as read.

        Raises:
            MailboxUnreachableError: the server went away; nothing is lost, since the cursor is the caller's.
            MailboxRefusedError: it refuses.
        """
        start = after.uid if after is not None and after.uid_validity == self._uid_validity else 0
        return await _in_thread(self._mailbox, lambda: self._fetch(start, limit))

    async def mark_read(self, mails: list[Fetched]) -> None:
        """Set `\\Seen`, for people who look into the mailbox as well. Needs an inbox opened with `writable`."""
        uids = ",".join(str(mail.uid) for mail in mails)
        if uids:
            await _in_thread(self._mailbox, lambda: self._ask("STORE", uids, "+FLAGS.SILENT", r"(\Seen)"))

    def _ask(self, command: str, *arguments: str) -> list[Any]:
        status, data = self._client.uid(command, *arguments)
        if status != "OK":
            raise MailboxRefusedError(_said(self._mailbox, f"refused {command}"))
        return data

    def _search(self, uids: str) -> list[int]:
        return sorted(int(uid) for line in self._ask("SEARCH", "UID", uids) for uid in (line or b"").split())

    def _newest(self) -> int:
        """The UID of the newest mail, 0 if there is none."""
        self._client.noop()  # the server tells of what came since it was asked last
        return max(self._search("*"), default=0)

    def _uids_after(self, start: int, limit: int) -> list[int]:
        newest = self._newest()
        step = newest if self._mails <= _SEARCHED else _SEARCHED
        uids: list[int] = []
        while len(uids) < limit and start < newest:
            last = min(start + step, newest)
            uids += self._search(f"{start + 1}:{last}")
            start = last
        return uids[:limit]

    def _fetch(self, start: int, limit: int) -> list[Fetched]:
        uids = self._uids_after(start, limit)
        if not uids:
            return []
        answer = self._ask("FETCH", ",".join(map(str, uids)), f"(UID BODY.PEEK[]<0.{MAX_BYTES + 1}>)")
        bodies: dict[int, bytes] = {}
        for index, item in enumerate(answer):
            if not isinstance(item, tuple):
                continue
            # Some servers name the UID after the body.
            after = answer[index + 1] if index + 1 < len(answer) and isinstance(answer[index + 1], bytes) else b""
            if found := _SIZE.search(item[0]) or _SIZE.search(after):
                bodies[int(found[1])] = item[1]
        # A mail that somebody deleted meanwhile is in no answer; the cursor of the next one passes it.
        return [Fetched(uid, bodies[uid], Cursor(self._uid_validity, uid)) for uid in uids if uid in bodies]


@asynccontextmanager
async def open_inbox(mailbox: Mailbox, *, writable: bool = False) -> AsyncIterator[Inbox]:
    """A connection with the folder open; it is let go of at the end.

    Args:
        writable: whether mails may be marked as read.

    Raises:
        MailboxUnreachableError, MailboxRefusedError
    """
    connection = _Connection()
    try:
        client, opened = await _in_thread(mailbox, lambda: _open(mailbox, connection, writable=writable))
        yield Inbox(mailbox, client, opened)
    finally:
        # A call that was cancelled still waits for its answer in a thread, and ends with the connection.
        await asyncio.shield(asyncio.to_thread(connection.let_go))


class _Connection:
    """A connection that can be let go of while a thread still makes it."""

    def __init__(self) -> None:
        self._client: imaplib.IMAP4 | None = None
        self._gone = False

    def made(self, client: imaplib.IMAP4) -> None:
        self._client = client
        if self._gone:
            self.let_go()

    def let_go(self) -> None:
        self._gone = True
        if self._client is not None:
            with suppress(OSError, imaplib.IMAP4.error):
                self._client.shutdown()


def _open(mailbox: Mailbox, connection: _Connection, *, writable: bool) -> tuple[imaplib.IMAP4, _Opened]:
    """Connect, log in, open the folder."""
    trusted = mailbox.tls or ssl.create_default_context()
    client: imaplib.IMAP4
    if mailbox.security is Security.TLS:
        client = imaplib.IMAP4_SSL(mailbox.host, mailbox.port, ssl_context=trusted, timeout=mailbox.seconds)
        connection.made(client)
    else:
        client = imaplib.IMAP4(mailbox.host, mailbox.port, timeout=mailbox.seconds)
        connection.made(client)
        client.starttls(ssl_context=trusted)
    try:
        client.login(mailbox.user, mailbox.password)
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error:
        # The server's words may name the user.
        raise MailboxRefusedError(_said(mailbox, "refused the user or the password")) from None
    status, mails = client.select(_quoted(mailbox.folder), readonly=not writable)
    if status != "OK":
        raise MailboxRefusedError(_said(mailbox, "has no such folder, or does not let it be read"))
    _, data = client.response("UIDVALIDITY")
    if not data or not data[0]:
        raise MailboxRefusedError(_said(mailbox, "gives its mails no lasting UIDs"))
    return client, _Opened(int(data[0]), int(mails[0] or 0))


async def _in_thread(mailbox: Mailbox, ask: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(ask)
    except ssl.SSLCertVerificationError as error:
        raise MailboxRefusedError(
            _said(mailbox, f"has a certificate that is not trusted: {error.verify_message}")
        ) from None
    except (OSError, imaplib.IMAP4.abort) as error:
        raise MailboxUnreachableError(_said(mailbox, f"is away or too slow ({type(error).__name__})")) from None
    except imaplib.IMAP4.error as error:
        raise MailboxRefusedError(_said(mailbox, f"answers what IMAP does not ({type(error).__name__})")) from None


def _said(mailbox: Mailbox, what: str) -> str:
    return f"the IMAP server {mailbox.host}:{mailbox.port}, folder {mailbox.folder}, {what}"


def _quoted(folder: str) -> str:
    escaped = folder.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
