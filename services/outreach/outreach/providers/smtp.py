"""E-mail by way of one SMTP server (RFC 5321), each message at most once.

A server takes a message when it has read the full stop on a line of its own at the end of the content, and throws away
what it was sent without one (RFC 5321, 4.1.1.4). So the full stop is written by itself, after everything else has left. What
fails before is surely not sent; what fails between the full stop and the server's answer to it is unknown (RFC 1047); what the
server answers is the truth.
"""

import asyncio
import re
import ssl
from enum import StrEnum
from pathlib import Path
from typing import Self

from aiosmtplib.response import SMTPResponse
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from contracts.taxonomy import Fault
from outreach.bounces import domain_bounce
from outreach.providers.dkim import Signer
from outreach.providers.mail import Mail, compose
from outreach.providers.protocol import AwayError, LaterError, NotSentError, Outgoing, Receipt, RefusedError, SetupError
from outreach.providers.smtp_connection import Connection, LostError, RepliedError


class Security(StrEnum):
    """How a connection is encrypted. A certificate that is not the host's is refused either way."""

    STARTTLS = "starttls"
    """After a greeting in clear; nothing is sent to a server that does not offer it (RFC 3207)."""
    TLS = "tls"
    """From the first byte (RFC 8314, 3.3)."""
    NONE = "none"


class DkimSettings(BaseModel):
    """What e-mails are signed with; `outreach.providers.dkim.Signer` says which keys.

    Attributes:
        private_key: as PEM.
    """

    model_config = ConfigDict(frozen=True)

    domain: str = Field(pattern=r"^[A-Za-z0-9.-]{1,253}$")
    selector: str = Field(pattern=r"^[A-Za-z0-9._-]{1,63}$")
    private_key: SecretStr


class SmtpSettings(BaseModel):
    """A server, and how it is spoken to.

    Attributes:
        authorities: a file of certificates in PEM that are trusted instead of the machine's.
        hello_name: what the server is told that this is, a name that its address resolves to; the machine's own by default.
        connections: the most at once; each carries one message at a time.
        idle_seconds: after how long without a message a connection is closed.
        send_seconds: the longest that a message may take until its final full stop, waiting for a connection included.
        answer_seconds: the longest that is waited for the answer to that. RFC 5321 (4.5.3.2.6) advises ten minutes, for whoever gives up
            sooner never learns whether it was sent; the lease of a message must be longer than both.
    """

    model_config = ConfigDict(frozen=True)

    host: str
    port: int = Field(default=587, ge=1, le=65535)
    security: Security = Security.STARTTLS
    username: str | None = None
    password: SecretStr | None = None
    authorities: Path | None = None
    dkim: DkimSettings | None = None
    hello_name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9.:\[\]-]{1,255}$")
    connections: int = Field(default=8, ge=1)
    idle_seconds: float = Field(default=30.0, gt=0)
    send_seconds: float = Field(default=30.0, gt=0)
    answer_seconds: float = Field(default=120.0, gt=0)

    @model_validator(mode="after")
    def _login_is_whole_and_hidden(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("a username and a password are given together or not at all")
        if self.username is not None and self.security is Security.NONE:
            raise ValueError("a password would travel in clear: set security to starttls or tls")
        return self


_CLOSING = 421
"""The server closes the connection, whatever it was asked (RFC 5321, 4.2.3)."""
_OF_THE_ACCOUNT = frozenset({"rate_limited", "account_blocked", "login_failed", "tls_required"})
"""Reasons that pass by when the account is rested or put right. The message is not to be lost meanwhile."""
_OF_ITS_SETUP = frozenset({"login_failed", "tls_required"})
"""Those of them that are no message's fault where they are said before a recipient is named, and that only a person puts right."""
_REFERENCE = re.compile(
    r"queued as ([\w.-]{4,100})|\bid=([\w.-]{4,100})|internalid=(\d{4,40})|^(?:2\.\d\.\d )?ok:? +(?:\d{10} +)?([\w.-]{8,100})",
    re.IGNORECASE,
)
"""What Postfix, Exim, Exchange, Gmail and Amazon SES call a message that they have taken."""


class Smtp:
    """A `outreach.providers.protocol.Provider` of e-mail. It connects when it has something to send."""

    def __init__(self, settings: SmtpSettings) -> None:
        """
        Raises:
            ValueError: the DKIM key is none.
            OSError: the file of authorities cannot be read, or holds none.
        """
        self._settings = settings
        dkim = settings.dkim
        self._signer = Signer(dkim.domain, dkim.selector, dkim.private_key.get_secret_value()) if dkim else None
        encrypted = settings.security is not Security.NONE
        self._tls = ssl.create_default_context(cafile=settings.authorities) if encrypted else None
        self._slots = asyncio.Semaphore(settings.connections)
        self._kept: dict[Connection, asyncio.TimerHandle] = {}
        self._closed = False

    async def send(self, message: Outgoing) -> Receipt:
        """Returns when the server has taken the message.

        A connection that was kept may have gone stale; the message is then begun anew on a new one, which is safe as long as the final
        full stop was not written.

        Raises:
            NotSentError: it was surely not sent; `RefusedError` or `LaterError` as `outreach.bounces.domain_bounce` judges the answer.
            outreach.providers.protocol.UnansweredError: nobody knows whether it was sent.
        """
        mail = compose(message, self._signer)
        try:
            async with asyncio.timeout(self._settings.send_seconds):
                connection = await self._all_but_the_full_stop(mail)
        except TimeoutError:
            raise AwayError("timed_out") from None
        except RepliedError as replied:
            raise _not_sent(replied.reply, to_recipient=replied.to_recipient) from None
        except LostError as lost:
            raise AwayError(lost.reason) from None
        try:
            reply = await connection.finish(self._settings.answer_seconds)
        except LostError as lost:
            raise AwayError(lost.reason) from None
        finally:
            self._keep(connection)
            self._slots.release()
        if reply.code >= 400:
            raise _not_sent(reply, to_recipient=True)
        return Receipt(provider_reference=_reference(reply.message))

    async def close(self) -> None:
        """Let go of the connections that carry nothing; the others go when their message is done."""
        self._closed = True
        for connection in list(self._kept):
            self._let_go(connection)

    async def _all_but_the_full_stop(self, mail: Mail) -> Connection:
        await self._slots.acquire()
        try:
            return await self._begin(mail)
        except BaseException:
            self._slots.release()
            raise

    async def _begin(self, mail: Mail) -> Connection:
        kept = self._take()
        if kept is not None:
            try:
                return await self._begin_on(kept, mail)
            except LostError:
                pass
            except RepliedError as replied:
                if replied.reply.code != _CLOSING:
                    raise
        return await self._begin_on(await self._connect(), mail)

    async def _begin_on(self, connection: Connection, mail: Mail) -> Connection:
        try:
            await connection.begin(mail)
        except BaseException:
            self._keep(connection)
            raise
        return connection

    async def _connect(self) -> Connection:
        settings = self._settings
        try:
            return await Connection.open(
                settings.host,
                settings.port,
                hello_name=settings.hello_name,
                tls=self._tls,
                starttls=settings.security is Security.STARTTLS,
                login=(settings.username, settings.password.get_secret_value())
                if settings.username is not None and settings.password is not None
                else None,
            )
        except RepliedError as replied:
            # Said to whoever connects: it says nothing of this message.
            bounce = domain_bounce.of_reply(replied.reply.code, replied.reply.message, to_recipient=False)
            if bounce.reason in _OF_ITS_SETUP:
                raise SetupError(bounce.reason) from None
            throttled = bounce.fault is Fault.REPUTATION
            later = AwayError if bounce.fault is Fault.TRANSIENT else LaterError
            raise later(bounce.reason, bounce.seconds, throttled=throttled) from None

    def _take(self) -> Connection | None:
        """The connection that was used last, so that those too many fall idle."""
        while self._kept:
            connection, timer = self._kept.popitem()
            timer.cancel()
            if connection.usable:
                return connection
            connection.leave()
        return None

    def _keep(self, connection: Connection) -> None:
        if self._closed or not connection.usable:
            connection.leave()
        else:
            loop = asyncio.get_running_loop()
            self._kept[connection] = loop.call_later(self._settings.idle_seconds, self._let_go, connection)

    def _let_go(self, connection: Connection) -> None:
        self._kept.pop(connection).cancel()
        connection.leave()


def _not_sent(reply: SMTPResponse, *, to_recipient: bool) -> NotSentError:
    bounce = domain_bounce.of_reply(reply.code, reply.message, to_recipient=to_recipient)
    if bounce.reason in _OF_ITS_SETUP and not to_recipient:
        return SetupError(bounce.reason)
    if not bounce.permanent or bounce.fault is Fault.TRANSIENT or bounce.reason in _OF_THE_ACCOUNT:
        later = AwayError if reply.code == _CLOSING and bounce.reason == "system_unavailable" else LaterError
        return later(bounce.reason, bounce.seconds, throttled=bounce.fault is Fault.REPUTATION)
    return RefusedError(bounce.reason, bounce.fault)


def _reference(text: str) -> str | None:
    found = _REFERENCE.search(text)
    return found[found.lastindex] if found and found.lastindex else None
