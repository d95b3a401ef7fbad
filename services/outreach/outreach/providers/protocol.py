"""What outreach asks of whoever carries its messages, and what it may be answered."""

from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from contracts.taxonomy import Fault, SendKind

_UNTIL_LOOKED_AT_AGAIN = 900.0
"""Seconds after which it is tried again with what an account is set up with, if nobody changes that."""


@dataclass(frozen=True, slots=True)
class Sender:
    """The account a message leaves from.

    Attributes:
        address: the mailbox's e-mail address, the LinkedIn profile, or the number (E.164).
        name: what is shown beside it.
    """

    account_id: UUID
    address: str = field(repr=False)
    name: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to one person. What is personal about it is revealed right before it leaves, and kept nowhere.

    Attributes:
        message_id: the message's own; a provider that can, tells a repeated one by it.
        address: the recipient's: an e-mail address, a LinkedIn profile, or a number (E.164).
        subject: of an e-mail.
        body: plain text.
        reference: what the provider is to know it by: of an e-mail its Message-ID with angle brackets (RFC 5322, 3.6.4), the
            same however often it is made.
        follows: the references of the messages before it in its sequence, oldest first.
        unsubscribe_url: where one POST unsubscribes the person (RFC 8058).
    """

    tenant: str
    message_id: UUID
    campaign_id: UUID
    lead_id: UUID
    kind: SendKind
    sender: Sender
    address: str = field(repr=False)
    body: str = field(repr=False)
    reference: str
    subject: str | None = field(default=None, repr=False)
    follows: tuple[str, ...] = ()
    unsubscribe_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Receipt:
    """The provider has taken a message.

    Attributes:
        provider_reference: what it calls the message, if it calls it anything.
    """

    provider_reference: str | None = None


class NotSentError(Exception):
    """The message was surely not sent.

    Attributes:
        reason: why, as a word for programs (`contracts.values.Slug`).
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RefusedError(NotSentError):
    """It never will be, either.

    Attributes:
        fault: whose fault it is; only the recipient's suppresses them.
    """

    def __init__(self, reason: str, fault: Fault) -> None:
        super().__init__(reason)
        self.fault = fault


class LaterError(NotSentError):
    """It may be sent later: the provider is away, busy, or asks to wait.

    Attributes:
        seconds: after how long at the earliest, if the provider says so.
        throttled: whether the provider says that the account sends too much.
    """

    def __init__(self, reason: str, seconds: float | None = None, *, throttled: bool = False) -> None:
        super().__init__(reason)
        self.seconds = seconds
        self.throttled = throttled


class AwayError(LaterError):
    """The provider could not be spoken to: it is down, busy, or broke off. So many of these open its circuit (`accounts.breaking`)."""


class SetupError(LaterError):
    """What the account is set up with cannot be used, until a person has put it right: the provider was not asked, or let nobody in. The
    account waits."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, _UNTIL_LOOKED_AT_AGAIN, throttled=True)


class CaptchaError(NotSentError):
    """The provider wants to see a person before the account sends anything more."""

    def __init__(self) -> None:
        super().__init__("captcha")


class UnansweredError(Exception):
    """The provider was given a whole message and did not say whether it takes it: nobody knows."""


class Provider(Protocol):
    """Carries messages of one account, or of many."""

    async def send(self, message: Outgoing) -> Receipt:
        """Returns when the provider has taken the message.

        Raises:
            NotSentError: it was surely not sent; which of them says what is to be done.
            Exception: any other means that nobody knows whether it was sent.
        """

    async def close(self) -> None:
        """Let go of connections."""
