"""One connection to an SMTP server, and the point in a conversation from which on nobody knows."""

import asyncio
import ssl
from contextlib import suppress
from typing import cast

from aiosmtplib import SMTP, SMTPException, SMTPResponseException
from aiosmtplib.response import SMTPResponse

from contracts.taxonomy import Fault
from outreach.providers.mail import Mail
from outreach.providers.protocol import RefusedError, UnansweredError

_LISTENING_SECONDS = 0.002
"""Between the content and the full stop: that a server has died while it read the content is heard meanwhile if it is near, and one
message less is unknown. What is heard too late costs no more than that."""


class RepliedError(Exception):
    """The server does not take the message. Its words may be personal, so this error is never shown.

    Attributes:
        to_recipient: whether it knew the recipient by then.
    """

    def __init__(self, reply: SMTPResponse, *, to_recipient: bool) -> None:
        super().__init__(reply.code)
        self.reply = reply
        self.to_recipient = to_recipient


class LostError(Exception):
    """The connection is gone, or what is said on it makes no sense, and the final full stop was not written.

    Attributes:
        reason: as that of `outreach.providers.protocol.NotSentError`.
    """

    def __init__(self, reason: str = "connection_lost") -> None:
        super().__init__(reason)
        self.reason = reason


class Connection:
    """Carries one message after the other, each `begin`, then `finish`.

    What breaks off in between leaves it useless; `usable` says so.
    """

    def __init__(self, client: SMTP) -> None:
        """
        Args:
            client: has greeted and logged in.

        Raises:
            LostError: it is not connected any more.
        """
        if client.protocol is None or client.transport is None:
            raise LostError
        self._client = client
        self._protocol = client.protocol
        self._transport = cast("asyncio.Transport", client.transport)
        # `drain` is to return only when the operating system has everything. Not 0: asyncio's TLS pauses at the limit, so at none.
        self._transport.set_write_buffer_limits(high=1, low=0)
        # aiosmtplib itself writes a message and its full stop in one go. Its protocol is one that a StreamWriter can use.
        self._writer = asyncio.StreamWriter(self._transport, self._protocol, None, asyncio.get_running_loop())
        self._between_messages = True
        self._to_reset = False

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        *,
        hello_name: str | None,
        tls: ssl.SSLContext | None,
        starttls: bool,
        login: tuple[str, str] | None,
    ) -> "Connection":
        """Connect, greet, encrypt and log in.

        Args:
            starttls: whether to use `tls` after the greeting rather than from the first byte.
            login: username and password.

        Raises:
            RepliedError: the server wants nothing of this.
            LostError: there is no server, or none that can be trusted.
        """
        client = SMTP(
            hostname=host,
            port=port,
            local_hostname=hello_name,
            use_tls=tls is not None and not starttls,
            start_tls=False,
            tls_context=tls,
            timeout=None,
        )
        try:
            await client.connect()
            await client.ehlo()
            if starttls:
                if not client.supports_extension("starttls"):
                    raise LostError("tls_failed")
                await client.starttls()
                await client.ehlo()
            if login is not None:
                if not client.supported_auth_methods:
                    raise LostError("login_failed")
                await client.login(*login)
            return cls(client)
        except SMTPResponseException as replied:
            client.close()
            if replied.code < 400:
                raise LostError("protocol_error") from None
            raise RepliedError(SMTPResponse(replied.code, replied.message), to_recipient=False) from None
        except (OSError, SMTPException, UnicodeError) as error:
            client.close()
            untrusted = isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError)
            raise LostError("tls_failed" if untrusted else "unreachable") from None
        except BaseException:
            client.close()
            raise

    @property
    def usable(self) -> bool:
        """Whether another message can be begun."""
        return self._between_messages and self._client.is_connected

    async def begin(self, mail: Mail) -> None:
        """Hand over everything but the final full stop.

        Raises:
            RefusedError: the server cannot write to such an address.
            RepliedError: the server does not take it.
            LostError: nor can it.
        """
        if mail.utf8 and not self._client.supports_extension("smtputf8"):
            raise RefusedError("address_not_supported", Fault.POLICY)
        content = _with_full_stops_doubled(mail.content)
        options = ["SMTPUTF8"] if mail.utf8 else []
        if self._client.supports_extension("size"):
            options.append(f"SIZE={len(mail.content)}")
        self._between_messages = False
        if self._to_reset:
            try:
                await self._ask("RSET")
            except RepliedError:
                raise LostError("protocol_error") from None
        self._to_reset = True
        await self._ask(" ".join((f"MAIL FROM:<{mail.sender}>", *options)))
        await self._ask(f"RCPT TO:<{mail.recipient}>", to_recipient=True)
        await self._ask("DATA", expected=354, to_recipient=True)
        try:
            self._protocol.write(content)
            await self._writer.drain()
        except OSError:
            raise LostError from None
        await asyncio.sleep(_LISTENING_SECONDS)

    async def finish(self, seconds: float) -> SMTPResponse:
        """Write the full stop, and return what the server answers within so many seconds: 2xx, 4xx or 5xx.

        Raises:
            LostError: the connection was gone before.
            UnansweredError: no such answer came.
        """
        if not self._client.is_connected:
            raise LostError
        # From here on nobody knows.
        self._writer.write(b".\r\n")
        try:
            async with asyncio.timeout(seconds):
                reply = await self._protocol.read_response()
        except (OSError, SMTPException):
            raise UnansweredError("the server did not answer to the end of a message") from None
        if not (200 <= reply.code < 300 or 400 <= reply.code < 600):
            raise UnansweredError(f"the server answered {reply.code} to the end of a message")
        self._to_reset = False
        self._between_messages = True
        return reply

    def leave(self) -> None:
        """Take leave of the server and close; nothing is waited for. What was begun is broken off."""
        if self.usable:
            with suppress(OSError):
                self._protocol.write(b"QUIT\r\n")
        else:
            # To close would go on writing what is buffered.
            self._transport.abort()
        self._client.close()
        self._writer.close()

    async def _ask(self, command: str, *, expected: int = 250, to_recipient: bool = False) -> None:
        try:
            reply = await self._client.execute_command(command.encode())
        except (OSError, SMTPException):
            raise LostError from None
        if reply.code >= 400:
            # It is known where the conversation stands: a new one can be begun.
            self._between_messages = True
            raise RepliedError(reply, to_recipient=to_recipient)
        if reply.code != expected and not (expected == 250 and reply.code == 251):
            raise LostError("protocol_error")


def _with_full_stops_doubled(content: bytes) -> bytes:
    """So that none ends the message (RFC 5321, 4.5.2). It begins with a header, never with a full stop."""
    return content.replace(b"\r\n.", b"\r\n..")
