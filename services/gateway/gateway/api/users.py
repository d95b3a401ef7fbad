"""Users: the people who work in the tenant, and where they sign in."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict

from contracts.gateway.sign_in import (
    ClientId,
    ClientSecret,
    CreateSignInLink,
    Issuer,
    ListSignInProviders,
    NewSignInProvider,
    RemoveSignInProvider,
    SetSignInProvider,
    SignInLink,
    SignInProviderList,
)
from contracts.gateway.users import (
    ChangeUser,
    CreateUser,
    Email,
    EndSessions,
    GetUser,
    ListUsers,
    Name,
    RemoveUser,
    SessionsEnded,
    UserPage,
    UserView,
)
from contracts.message import ProblemCode, ProblemError
from contracts.taxonomy import Role
from contracts.values import Slug
from gateway.api.idempotency import ONCE, OptionalKey
from gateway.gate import Admitted, Principal
from gateway.identity.domain_access import OF_ROLE, beyond

router = APIRouter(tags=["users"])

SystemName = Annotated[Slug, Path(description="What the tenant calls the system.")]


class NewUser(BaseModel):
    """A user to add."""

    model_config = ConfigDict(extra="forbid")

    role: Role
    email: Email | None = None
    """What they sign in by."""
    name: Name | None = None
    """What they are called."""


class UserChange(BaseModel):
    """What is to be different about a user; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    role: Role | None = None
    suspended: bool | None = None
    """Whether they may not sign in for now."""
    email: Email | None = None
    """What they sign in by."""
    name: Name | None = None
    """What they are called."""


class ProviderSettings(BaseModel):
    """A system that says who somebody is, by OpenID Connect."""

    model_config = ConfigDict(extra="forbid")

    issuer: Issuer
    """Its address, without the path of its configuration."""
    client_id: ClientId
    """What it calls this installation."""
    client_secret: ClientSecret | None = None
    """What this installation shows there; sealed, and never told."""
    new_users: Role | None = None
    """The role of somebody who signs in first this way; if empty, users are added first."""


@router.get("/users")
async def list_users(principal: Admitted, query: Annotated[ListUsers, Query()]) -> UserPage:
    """The tenant's users in the order in which they were added, a page at a time."""
    return await principal.ask(query)


@router.post("/users", status_code=HTTPStatus.CREATED)
async def create_user(principal: Admitted, user: NewUser, key: OptionalKey, response: Response) -> UserView:
    """Add a user, with a role that allows no more than you may."""
    must_have(principal, user.role)
    order = CreateUser(**user.model_dump(), user_id=key.made_id if key else None, ordered_by=principal.actor)
    made = await principal.ask(order)
    response.headers["Location"] = f"/api/t/{principal.tenant}/users/{made.user_id}"
    return made


@router.get("/users/{user_id}")
async def get_user(principal: Admitted, user_id: UUID) -> UserView:
    """One user."""
    return await principal.ask(GetUser(user_id=user_id))


@router.patch("/users/{user_id}")
async def change_user(principal: Admitted, user_id: UUID, change: UserChange) -> UserView:
    """Change a user who may no more than you; with another role, or suspended, they are signed out everywhere."""
    await must_have_all_of(principal, user_id)
    must_have(principal, change.role)
    return await principal.ask(ChangeUser(user_id=user_id, **change.model_dump(), ordered_by=principal.actor))


@router.delete("/users/{user_id}")
async def remove_user(principal: Admitted, user_id: UUID) -> UserView:
    """Remove a user who may no more than you, for good; their id stays where they acted."""
    await must_have_all_of(principal, user_id)
    return await principal.ask(RemoveUser(user_id=user_id, ordered_by=principal.actor))


@router.post("/users/{user_id}/sign-in-link", status_code=HTTPStatus.CREATED, dependencies=[ONCE])
async def create_sign_in_link(principal: Admitted, user_id: UUID) -> SignInLink:
    """Make a link that signs the user in once; hand it to nobody else."""
    await must_have_all_of(principal, user_id)
    return await principal.ask(CreateSignInLink(user_id=user_id, ordered_by=principal.actor))


@router.post("/users/{user_id}/sign-out")
async def end_sessions(principal: Admitted, user_id: UUID) -> SessionsEnded:
    """Sign a user out everywhere who may no more than you."""
    await must_have_all_of(principal, user_id)
    return await principal.ask(EndSessions(user_id=user_id, ordered_by=principal.actor))


@router.get("/sign-in-providers")
async def list_sign_in_providers(principal: Admitted) -> SignInProviderList:
    """Where the tenant's users can sign in besides."""
    return await principal.ask(ListSignInProviders())


@router.put("/sign-in-providers/{name}")
async def set_sign_in_provider(principal: Admitted, name: SystemName, settings: ProviderSettings) -> SignInProviderList:
    """Have users sign in by way of this system, too."""
    must_have(principal, settings.new_users)
    provider = NewSignInProvider(name=name, **settings.model_dump(exclude={"client_secret"}))
    order = SetSignInProvider(provider=provider, client_secret=settings.client_secret, ordered_by=principal.actor)
    return await principal.ask(order)


@router.delete("/sign-in-providers/{name}")
async def remove_sign_in_provider(principal: Admitted, name: SystemName) -> SignInProviderList:
    """Have nobody sign in this way any more."""
    return await principal.ask(RemoveSignInProvider(name=name, ordered_by=principal.actor))


async def must_have_all_of(principal: Principal, user_id: UUID) -> None:
    """Refuse to change a user who may more than whoever changes them.

    Raises:
        ProblemError: `forbidden`, or `not_found` where the tenant has no such user.
    """
    must_have(principal, (await principal.ask(GetUser(user_id=user_id))).role)


def must_have(principal: Principal, role: Role | None) -> None:
    """Refuse to give or to change a role that allows more than whoever does may.

    Raises:
        ProblemError: `forbidden`.
    """
    if role and (more := beyond(OF_ROLE[role], principal.allowed)):
        raise ProblemError(
            ProblemCode.FORBIDDEN, f"nobody gives or takes what they do not have: {', '.join(more)}", "role"
        )
