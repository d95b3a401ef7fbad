"""Who works in the tenant: add users, change their role, hand them links."""

from collections.abc import Mapping
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from contracts.gateway.sign_in import CreateSignInLink
from contracts.gateway.users import ChangeUser, CreateUser, Email, ListUsers, Name, RemoveUser
from contracts.message import ProblemError
from contracts.taxonomy import Role
from gateway.api.users import must_have, must_have_all_of
from gateway.gate import Admitted, Principal
from gateway.pages.filled_in import RIGHT, Filled, Wrong, WrongError, read, typed, wrong_with
from gateway.pages.once import once
from gateway.pages.sign_in import see_other
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/settings/users")

ROLES = [(role.value, role.value.capitalize()) for role in Role if role is not Role.SUPERADMIN]
_BEGUN: Final = {"role": Role.AGENT.value}
"""What the form that adds a user begins with."""


class NewUser(BaseModel):
    """The form that adds a user."""

    model_config = ConfigDict(extra="forbid")

    role: Role
    email: Email | None = None
    name: Name | None = None


class UserForm(BaseModel):
    """The form that changes one."""

    model_config = ConfigDict(extra="forbid")

    role: Role | None = None
    suspended: bool | None = None


@router.get("")
async def users(principal: Admitted, cursor: Annotated[str | None, Query(max_length=200)] = None) -> Response:
    return await _show(principal, cursor)


@router.post("")
async def add_user(principal: Admitted, form: Filled, request: Request) -> Response:
    try:
        given = read(NewUser, form)
        must_have(principal, given.role)
        async with once(request, principal) as key:
            order = CreateUser(**given.model_dump(), user_id=key.made_id, ordered_by=principal.actor)
            await principal.ask(order)
    except (WrongError, ProblemError) as error:
        return await _show(
            principal, adding=wrong_with(error, called={"email": "email", "role": "role"}), filled=typed(form)
        )
    return see_other(_home(principal))


@router.post("/{user_id}")
async def change_user(principal: Admitted, user_id: UUID, form: Annotated[UserForm, Form()]) -> Response:
    try:
        await must_have_all_of(principal, user_id)
        must_have(principal, form.role)
        await principal.ask(ChangeUser(user_id=user_id, **form.model_dump(), ordered_by=principal.actor))
    except ProblemError as error:
        return await _show(principal, wrong=wrong_with(error))
    return see_other(_home(principal))


@router.post("/{user_id}/remove")
async def remove_user(principal: Admitted, user_id: UUID) -> Response:
    try:
        await must_have_all_of(principal, user_id)
        await principal.ask(RemoveUser(user_id=user_id, ordered_by=principal.actor))
    except ProblemError as error:
        return await _show(principal, wrong=wrong_with(error))
    return see_other(_home(principal))


@router.post("/{user_id}/sign-in-link")
async def make_link(principal: Admitted, user_id: UUID) -> Response:
    """Show a link once; it is for the user, whoever hands it to them."""
    try:
        await must_have_all_of(principal, user_id)
        link = await principal.ask(CreateSignInLink(user_id=user_id, ordered_by=principal.actor))
    except ProblemError as error:
        return await _show(principal, wrong=wrong_with(error))
    return await _show(principal, link=link.path)


async def _show(
    principal: Principal,
    cursor: str | None = None,
    *,
    wrong: Wrong = RIGHT,
    adding: Wrong = RIGHT,
    filled: Mapping[str, str] = _BEGUN,
    link: str = "",
) -> Response:
    """The page.

    Parameters:
        wrong: what was wrong with an order about somebody there is.
        adding: what was wrong with whom the form adds, and `filled` in there.
    """
    found = await principal.ask(ListUsers(cursor=cursor))
    status = wrong.status if adding is RIGHT else adding.status
    return page(
        "users.html", status, principal=principal, found=found, roles=ROLES, wrong=wrong, adding=adding, filled=filled, link=link,
    )  # fmt: skip


def _home(principal: Principal) -> str:
    return f"/t/{principal.tenant}/settings/users"
