"""Messages of the gateway: the people who work in a tenant, and the superadmins of the installation.

Superadmins are users of the platform: their messages are asked on the platform's subject.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field

from contracts.message import Event, Kind, Reply, Request, Topic
from contracts.taxonomy import Role
from contracts.values import NO_NUL, Actor

Email = Annotated[
    str,
    Field(max_length=254, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$", examples=["grace@example.com"]),
    AfterValidator(str.lower),
]
"""Where a user is reached, and what they sign in by; compared without regard to capitals."""
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL, examples=["Grace Example"])]


class UserState(StrEnum):
    """Whether a user may sign in."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    """Not for now."""
    REMOVED = "removed"
    """Never again: what they are called and where they are reached is deleted, their id stays where they acted."""


class UserChanged(Event):
    """A user was added, changed or removed."""

    topic: ClassVar = Topic("gateway", Kind.EVENT, "user_changed")
    user_id: UUID
    """The user."""
    version: int
    role: Role
    state: UserState
    changed_by: Actor
    """Who changed it: a user, a key, or ``operator``."""
    occurred_at: datetime
    keys_left: list[UUID] = []
    """Of a user who was suspended or removed: the API keys that they made and that go on opening something, the newest 100."""


class SignInMethod(StrEnum):
    """How somebody showed who they are."""

    LINK = "link"
    PASSWORD = "password"
    OIDC = "oidc"
    """By OpenID Connect: another system, which the tenant trusts, said so."""


class UserSignedIn(Event):
    """A user began a session."""

    topic: ClassVar = Topic("gateway", Kind.EVENT, "user_signed_in")
    user_id: UUID
    """The user."""
    method: SignInMethod
    """How they showed who they are."""
    occurred_at: datetime


class UserFields(BaseModel):
    """A user, as other users see them."""

    user_id: UUID
    """The user."""
    version: int
    role: Role
    state: UserState
    email: str | None
    """What they sign in by; empty for one who only has links, and for one who was removed."""
    name: str | None
    """What they are called."""
    has_password: bool
    """Whether they can sign in by a password."""
    created_at: datetime


class UserView(UserFields, Reply):
    """A user as they are now."""


class UserPage(Reply):
    """A page of users."""

    users: list[UserFields]
    """The users of this page."""
    next_cursor: str | None = None


class ListUsers(Request[UserPage]):
    """The tenant's users in the order in which they were added, a page at a time; those that were removed are left out."""

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "list_users")
    only: Annotated[list[UUID], Field(max_length=200)] = []
    """Which; all, if empty."""
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class GetUser(Request[UserView]):
    """One user."""

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "get_user")
    user_id: UUID
    """The user."""


class CreateUser(Request[UserView]):
    """Add a user, who then needs a sign-in link, or a sign-in provider that knows their e-mail address.

    `conflict` where another user has that address.
    """

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "create_user")
    role: Role
    email: Email | None = None
    """What they sign in by."""
    name: Name | None = None
    """What they are called."""
    ordered_by: Actor | None = None
    user_id: UUID | None = None
    """Their id, a UUIDv7 that was never used, so that they are added once; one of ours, if empty."""


class ChangeUser(Request[UserView]):
    """Change what is given of a user; with another role, and when suspended, their sessions end.

    `forbidden` where somebody would change their own role or state.
    """

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "change_user")
    user_id: UUID
    """The user."""
    role: Role | None = None
    suspended: bool | None = None
    """Whether they may not sign in for now."""
    email: Email | None = None
    """What they sign in by."""
    name: Name | None = None
    """What they are called."""
    ordered_by: Actor | None = None


class RemoveUser(Request[UserView]):
    """Remove a user for good, with their sessions and what is personal about them; doing it again changes nothing."""

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "remove_user")
    user_id: UUID
    """The user."""
    ordered_by: Actor | None = None


class SessionsEnded(Reply):
    """The user is signed in nowhere."""

    ended: int
    """How many sessions that were."""


class EndSessions(Request[SessionsEnded]):
    """Sign a user out everywhere."""

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "end_sessions")
    user_id: UUID
    """The user."""
    ordered_by: Actor | None = None
