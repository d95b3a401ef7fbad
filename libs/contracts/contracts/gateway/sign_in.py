"""Messages of the gateway: links to sign in with, and the systems that a tenant trusts to say who somebody is."""

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.message import Kind, Reply, Request, Topic
from contracts.taxonomy import Role
from contracts.values import NO_NUL, Actor, Slug

Issuer = Annotated[
    str, Field(max_length=500, pattern=r"^https?://[^\s?#\x00]+$", examples=["https://accounts.example.com"])
]
ClientId = Annotated[str, Field(min_length=1, max_length=500, pattern=NO_NUL, examples=["leadloop"])]
ClientSecret = Annotated[str, Field(min_length=1, max_length=500, pattern=NO_NUL, examples=["a secret"])]


class SignInLink(Reply):
    """A link that signs in once."""

    path: str
    """Relative to the gateway's address."""
    expires_at: datetime
    """When it stops working, used or not."""


class CreateSignInLink(Request[SignInLink]):
    """Make a link that signs its bearer in to the tenant's pages."""

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "create_sign_in_link")
    user_id: UUID | None = None
    """Whom it signs in; if empty, the tenant's first admin, who is added where it has none."""
    ordered_by: Actor | None = None


class SignInProvider(BaseModel):
    """A system that says who somebody is, by OpenID Connect."""

    name: Slug
    """What the tenant calls it."""
    issuer: Issuer
    """Its address, without the path of its configuration; it must be reachable for everybody, and encrypt."""
    client_id: ClientId
    """What it calls this installation."""
    new_users: Role | None = None
    """The role of somebody who signs in first this way, and whose e-mail address it has confirmed; if empty, users are added first."""


class NewSignInProvider(SignInProvider):
    """A provider as it is ordered."""

    model_config = ConfigDict(extra="forbid")


class SignInProviderList(Reply):
    """The tenant's sign-in providers, by name."""

    providers: list[SignInProvider]
    """The systems."""


class ListSignInProviders(Request[SignInProviderList]):
    """Where the tenant's users can sign in besides."""

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "list_sign_in_providers")


class SetSignInProvider(Request[SignInProviderList]):
    """Have users sign in by way of this system, too; one of the same name is replaced."""

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "set_sign_in_provider")
    provider: NewSignInProvider
    """The system."""
    client_secret: ClientSecret | None = None
    """What this installation shows there; sealed, and never told. Empty for a client that has none."""
    ordered_by: Actor | None = None


class RemoveSignInProvider(Request[SignInProviderList]):
    """Have nobody sign in this way any more; sessions that began so go on."""

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "remove_sign_in_provider")
    name: Slug
    """What the tenant calls it."""
    ordered_by: Actor | None = None
