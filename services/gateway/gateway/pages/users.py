"""Who works in the tenant: add users, change their role, hand them links."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict

from contracts.gateway.sign_in import CreateSignInLink
from contracts.gateway.users import ChangeUser, CreateUser, Email, ListUsers, Name, RemoveUser
from contracts.message import ProblemError
from contracts.taxonomy import Role
from gateway.api.users import must_have, must_have_all_of
from gateway.gate import Admitted, Principal
from gateway.pages.sign_in import see_other
from gateway.problems import STATUS
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/settings/users")

ROLES = [(role.value, role.value.capitalize()) for role in Role if role is not Role.SUPERADMIN]


class NewUser(BaseModel):
    """The form that adds a user."""

    model_config = ConfigDict(extra="forbid")

    role: Role
    email: Annotated[Email | None, BeforeValidator(lambda text: text or None)] = None
    name: Annotated[Name | None, BeforeValidator(lambda text: text or None)] = None


class UserForm(BaseModel):
    """The form that changes one."""

    model_config = ConfigDict(extra="forbid")

    role: Role | None = None
    suspended: bool | None = None


@router.get("")
async def users(principal: Admitted, cursor: Annotated[str | None, Query(max_length=200)] = None) -> Response:
    return await _show(principal, cursor)


@router.post("")
async def add_user(principal: Admitted, form: Annotated[NewUser, Form()]) -> Response:
    try:
        must_have(principal, form.role)
        await principal.ask(CreateUser(**form.model_dump(), ordered_by=principal.actor))
    except ProblemError as error:
        return await _show(principal, wrong=error)
    return see_other(_home(principal))


@router.post("/{user_id}")
async def change_user(principal: Admitted, user_id: UUID, form: Annotated[UserForm, Form()]) -> Response:
    try:
        await must_have_all_of(principal, user_id)
        must_have(principal, form.role)
        await principal.ask(ChangeUser(user_id=user_id, **form.model_dump(), ordered_by=principal.actor))
    except ProblemError as error:
        return await _show(principal, wrong=error)
    return see_other(_home(principal))


@router.post("/{user_id}/remove")
async def remove_user(principal: Admitted, user_id: UUID) -> Response:
    try:
        await must_have_all_of(principal, user_id)
        await principal.ask(RemoveUser(user_id=user_id, ordered_by=principal.actor))
    except ProblemError as error:
        return await _show(principal, wrong=error)
    return see_other(_home(principal))


@router.post("/{user_id}/sign-in-link")
async def make_link(principal: Admitted, user_id: UUID) -> Response:
    """Show a link once; it is for the user, whoever hands it to them."""
    try:
        await must_have_all_of(principal, user_id)
        link = await principal.ask(CreateSignInLink(user_id=user_id, ordered_by=principal.actor))
    except ProblemError as error:
        return await _show(principal, wrong=error)
    return await _show(principal, link=link.path)


async def _show(
    principal: Principal, cursor: str | None = None, *, wrong: ProblemError | None = None, link: str = ""
) -> Response:
    found = await principal.ask(ListUsers(cursor=cursor))
    return page(
        "users.html", STATUS[wrong.problem.code] if wrong else HTTPStatus.OK, principal=principal, found=found,
        roles=ROLES, wrong=wrong.problem.message if wrong else "", link=link,
    )  # fmt: skip


def _home(principal: Principal) -> str:
    return f"/t/{principal.tenant}/settings/users"
