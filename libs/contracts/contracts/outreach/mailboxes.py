"""Messages of outreach: the mailboxes that accounts' replies and delivery reports are read from."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.message import Kind, Reply, Request, Topic
from contracts.outreach.accounts import SecretName
from contracts.values import NO_NUL, Actor


class ImapSecurity(StrEnum):
    """How a connection to a mailbox is kept from others."""

    TLS = "tls"
    """From its beginning (RFC 8314)."""
    STARTTLS = "starttls"
    """After a greeting in clear."""


class ImapServer(BaseModel):
    """Where an account's mails come in; its user is the account's address. None of them is marked as read or deleted."""

    model_config = ConfigDict(frozen=True)

    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]{1,253}$", examples=["imap.example.com"])]
    """Its name; one that may be reached from outside."""
    port: Annotated[int, Field(ge=1, le=65535)] = 993
    """Usually 993 with tls and 143 with starttls."""
    security: ImapSecurity = ImapSecurity.TLS
    """How the connection is kept from others."""
    password: SecretName
    """The end of the name of the environment variable of outreach's that holds the password, as of a mail server's."""
    folder: Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL, examples=["INBOX"])] = "INBOX"
    """Which is read."""


class NewImapServer(ImapServer):
    """A mailbox as it is ordered: a misspelt field is refused."""

    model_config = ConfigDict(extra="forbid")


class MailboxView(Reply):
    """A mailbox as it is now."""

    account_id: UUID
    imap: ImapServer
    """Where it is."""
    read_at: datetime | None = None
    """When it was last read to its end."""
    failing_since: datetime | None = None
    """Since when it cannot be read; empty while it can."""
    error: str | None = None
    """Why, in words for whoever sets it right."""
    passed_over: int = 0
    """Mails that could not be handled; they lie in the mailbox, and the service's log names them."""


class SetMailbox(Request[MailboxView]):
    """Have an account's mailbox be read from now on, once a minute; what lies in it already is not."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "set_mailbox")
    account_id: UUID
    imap: NewImapServer
    """Where it is; another folder or server is read from its end."""
    actor: Actor | None = None


class RemoveMailbox(Request[MailboxView]):
    """Have an account's mailbox not be read any more."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "remove_mailbox")
    account_id: UUID
    actor: Actor | None = None


class MailboxList(Reply):
    """Mailboxes of a tenant."""

    mailboxes: list[MailboxView]
    """In the order their accounts were added."""
    next_cursor: str | None = None


class ListMailboxes(Request[MailboxList]):
    """The mailboxes of a tenant and how reading them goes, a page at a time."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "list_mailboxes")
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None
