"""One's own account: the password, and the way out."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import FormData

from contracts.gateway.users import GetUser
from contracts.message import PLATFORM, ProblemCode, ProblemError
from contracts.values import NO_NUL
from gateway.gate import Admitted, Principal, cause_of, session_cookie
from gateway.identity.domain_password import LONGEST, SHORTEST
from gateway.identity.signing_in import SigningIn
from gateway.pages.filled_in import RIGHT, Filled, Wrong, WrongError, read, wrong_with
from gateway.pages.sign_in import must_wait, signed_in, signed_out
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}")

Password = Annotated[str, Field(max_length=LONGEST, pattern=NO_NUL)]


class NewPassword(BaseModel):
    """A password to set."""

    model_config = ConfigDict(extra="forbid")

    current: Password = ""
    """The one there is."""
    password: Password
    """The one to be."""


@router.get("/account")
async def account(principal: Admitted) -> Response:
    return await show(principal)


@router.post("/account/password")
async def set_password(request: Request, principal: Admitted, form: Filled) -> Response:
    return await change_password(request, principal, form)


@router.post("/sign-out")
async def sign_out(request: Request, principal: Admitted) -> Response:
    """End the session, here and on the server; a superadmin's ends for all tenants."""
    tenant = principal.tenant if session_cookie(request, principal.tenant) in request.cookies else PLATFORM
    return await end_session(request, principal, tenant)


async def show(principal: Principal, wrong: Wrong = RIGHT) -> Response:
    """The page; a superadmin has an account elsewhere."""
    user = await principal.ask(GetUser(user_id=principal.user_id)) if principal.user_id else None
    return page(
        "account.html", wrong.status, principal=principal, user=user, shortest=SHORTEST, wrong=wrong,
        below="/superadmin" if principal.tenant == PLATFORM else f"/t/{principal.tenant}",
    )  # fmt: skip


async def change_password(request: Request, principal: Principal, form: FormData) -> Response:
    """Set one's own password; the session goes on under another secret, and all others end."""
    if principal.user_id is None:
        raise ProblemError(ProblemCode.FORBIDDEN, "who is signed in is no user of this tenant")
    # Whoever has only the session must not find the password by it.
    await must_wait(request, principal.tenant, principal.actor, signed_in=True)
    signing_in: SigningIn = request.app.state.signing_in
    secret = request.cookies[session_cookie(request, principal.tenant)]
    try:
        given = read(NewPassword, form)
        renewed = await signing_in.set_password(principal.cause, secret, given.current, given.password)
    except (WrongError, ProblemError) as error:
        return await show(principal, wrong_with(error))
    return signed_in(request, principal.tenant, renewed)


async def end_session(request: Request, principal: Principal, tenant: str) -> Response:
    """End the session that the browser has with a tenant, or with the installation."""
    signing_in: SigningIn = request.app.state.signing_in
    secret = request.cookies.get(session_cookie(request, tenant), "")
    await signing_in.end(cause_of(request, tenant), principal.actor, secret)
    return signed_out(request, tenant)
