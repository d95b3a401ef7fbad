"""Messages of the gateway: the secrets that services sign webhooks with, which tell what comes back of an account's messages."""

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, Field

from contracts.message import Kind, Reply, Request, Topic
from contracts.values import Actor

LONGEST_OVERLAP_HOURS = 168


class WebhookSecretInfo(BaseModel):
    """A secret, of which nothing is shown but that it is there."""

    secret_id: UUID
    """Which; it tells no more of it than when it was made."""
    created_at: datetime
    created_by: str
    ends_at: datetime | None
    """From when on nothing signed with it is taken; empty for the newest."""


class WebhookView(Reply):
    """Where an account's service sends webhooks, and which secrets it may sign them with."""

    account_id: UUID
    """The account by whose messages alone something can come back this way."""
    path: Annotated[str, Field(examples=["/hooks/acme/019a2f3e-8c1d-7b54-9d7e-3f5f0c2b6a11"])]
    """Where to, relative to the gateway's address."""
    secrets: list[WebhookSecretInfo]
    """Those that count now, the newest first; where there is none, nothing is taken."""


class WebhookSecretMade(WebhookView):
    """A secret just made."""

    secret: Annotated[str, Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])]
    """What the service is to sign with (Standard Webhooks); shown this once, and sealed."""


class MakeWebhookSecret(Request[WebhookSecretMade]):
    """Make a secret that an account's service signs webhooks with; those before it count for a while longer."""

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "make_webhook_secret")
    account_id: UUID
    overlap_hours: Annotated[int, Field(ge=0, le=LONGEST_OVERLAP_HOURS)] = 24
    """How long the secrets before go on counting, so that the service can be told the new one meanwhile."""
    ordered_by: Actor | None = None


class GetWebhook(Request[WebhookView]):
    """Where an account's service sends webhooks, and which secrets count."""

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "get_webhook")
    account_id: UUID


class WebhookPage(Reply):
    """A page of the webhooks that something may come by."""

    webhooks: list[WebhookView]
    """Of each account that has a secret which counts."""
    next_cursor: str | None = None


class ListWebhooks(Request[WebhookPage]):
    """The webhooks of the tenant's accounts, in the order of the accounts' ids, a page at a time."""

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "list_webhooks")
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class RemoveWebhook(Request[WebhookView]):
    """Revoke an account's secrets, or one: nothing signed with it is taken from the reply on."""

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "remove_webhook")
    account_id: UUID
    secret_id: UUID | None = None
    """The only one that is meant; all of them, if empty, so that nothing comes back by webhooks any more."""
    ordered_by: Actor | None = None
