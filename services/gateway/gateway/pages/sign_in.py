"""Signing in: with a link that works once, with a password, or by way of a tenant's sign-in provider."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import RedirectResponse

from contracts.gateway.users import Email
from contracts.message import PLATFORM, is_tenant
from contracts.values import NO_NUL
from gateway import rate_limit
from gateway.gate import cause_of, cookie_name, is_https, session_cookie, tenant_of_cookie
from gateway.identity import credentials
from gateway.identity.attempts import Attempts
from gateway.identity.credentials import SignInToken
from gateway.identity.domain_password import LONGEST
from gateway.identity.domain_session import ABSOLUTE
from gateway.identity.oidc import Oidc
from gateway.identity.signing_in import SigningIn
from gateway.pages.filled_in import RIGHT, Filled, Wrong, WrongError, read, text
from gateway.problems import RefusedError
from gateway.rendering import page

router = APIRouter()

_ROUND: Final = "leadloop_round"
"""The cookie of a round by way of a sign-in provider."""
_ROUNDS: Final = "/sign-in/by"
_ROUND_SECONDS: Final = 600
_WRONG: Final = Wrong("the e-mail address or the password is wrong", status=HTTPStatus.UNAUTHORIZED)


class Credentials(BaseModel):
    """What somebody signs in by."""

    model_config = ConfigDict(extra="forbid")

    tenant: Annotated[str, Field(max_length=63)] = ""
    """Whose pages; the installation's, if empty."""
    email: Email
    password: Annotated[str, Field(min_length=1, max_length=LONGEST, pattern=NO_NUL)]


@router.get("/")
async def welcome(request: Request) -> Response:
    names = [tenant_of_cookie(request, name) for name in sorted(request.cookies)]
    return page("welcome.html", tenants=[name for name in names if name])


@router.get("/sign-in")
async def ask_for_password(tenant: Annotated[str, Query(max_length=63)] = "") -> Response:
    return _form(tenant)


@router.post("/sign-in")
async def sign_in_with_password(request: Request, form: Filled) -> Response:
    """Start a session; a browser's earlier one with the tenant ends."""
    try:
        given = read(Credentials, form)
    except WrongError as error:
        return _form(text(form, "tenant"), text(form, "email"), error.wrong)
    tenant = given.tenant.strip() or PLATFORM
    await must_wait(request, tenant, given.email)
    secret = None
    if tenant == PLATFORM or is_tenant(tenant):
        signing_in = _signing_in(request)
        secret = await signing_in.by_password(
            cause_of(request, tenant), given.email, given.password, _before(request, tenant)
        )
    if secret is None:
        return _form(given.tenant, given.email, _WRONG)
    return signed_in(request, tenant, secret)


@router.get("/sign-in/by")
async def name_provider(
    tenant: Annotated[str, Query(max_length=63)] = "", provider: Annotated[str, Query(max_length=64)] = ""
) -> Response:
    """From the form to the provider's own address."""
    if not is_tenant(tenant) or not provider.replace("_", "").isalnum():
        raise RefusedError(HTTPStatus.BAD_REQUEST, "name the tenant, and the sign-in provider as the tenant calls it")
    return see_other(f"{_ROUNDS}/{tenant}/{provider}")


@router.get("/sign-in/by/{tenant}/{provider}")
async def sign_in_with_provider(request: Request, tenant: str, provider: str) -> Response:
    """Send the browser to the tenant's sign-in provider."""
    _must_be_tenant(tenant)
    await must_wait(request)
    secret = credentials.new_secret()
    oidc: Oidc = request.app.state.oidc
    response = see_other(await oidc.begin(tenant, provider, secret, _back(request, tenant, provider)))
    response.set_cookie(
        cookie_name(request, _ROUND),
        secret,
        max_age=_ROUND_SECONDS,
        httponly=True,
        samesite="lax",
        secure=is_https(request),
    )
    return response


@router.get("/sign-in/by/{tenant}/{provider}/back")
async def come_back(request: Request, tenant: str, provider: str) -> Response:
    """Start a session for whom the provider says it is."""
    _must_be_tenant(tenant)
    await must_wait(request)
    oidc: Oidc = request.app.state.oidc
    known, new_users = await oidc.complete(
        tenant,
        provider,
        request.cookies.get(cookie_name(request, _ROUND), ""),
        _back(request, tenant, provider),
        request.query_params,
    )
    secret = await _signing_in(request).by_provider(
        cause_of(request, tenant), known, new_users, _before(request, tenant)
    )
    if secret is None:
        raise RefusedError(HTTPStatus.FORBIDDEN, "you are no user here; ask an admin of the tenant to add you")
    response = signed_in(request, tenant, secret)
    response.delete_cookie(cookie_name(request, _ROUND), httponly=True, samesite="lax", secure=is_https(request))
    return response


@router.get("/sign-in/{token}")
async def offer_sign_in(request: Request, token: str) -> Response:
    """Show a button. Opening a link must not use it up: mail scanners and previews open links too."""
    link = _read(token)
    expires_at = await _signing_in(request).link_works_until(link)
    if expires_at is None:
        raise _gone()
    return page("sign_in.html", tenant=_shown(link.tenant), expires_at=expires_at)


@router.post("/sign-in/{token}")
async def sign_in(request: Request, token: str) -> Response:
    """Use the link up and start a session."""
    link = _read(token)
    cause = cause_of(request, link.tenant)
    secret = await _signing_in(request).by_link(cause, link, _before(request, link.tenant))
    if secret is None:
        raise _gone()
    return signed_in(request, link.tenant, secret)


def signed_in(request: Request, tenant: str, secret: str, path: str = "") -> RedirectResponse:
    """Have the browser keep a session's secret, and go on to the tenant's pages."""
    response = see_other(path or home(tenant))
    response.set_cookie(
        session_cookie(request, tenant),
        secret,
        max_age=int(ABSOLUTE.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=is_https(request),
    )
    return response


def signed_out(request: Request, tenant: str) -> RedirectResponse:
    """Have the browser forget a session."""
    response = see_other("/")
    response.delete_cookie(session_cookie(request, tenant), httponly=True, samesite="lax", secure=is_https(request))
    return response


def home(tenant: str) -> str:
    """Where whoever signed in begins."""
    return "/superadmin" if tenant == PLATFORM else f"/t/{tenant}"


def see_other(path: str) -> RedirectResponse:
    return RedirectResponse(path, HTTPStatus.SEE_OTHER)


async def must_wait(request: Request, *account: str, signed_in: bool = False) -> None:
    """Refuse an attempt at a password beyond the limit.

    Raises:
        RefusedError: 429.
    """
    attempts: Attempts = request.app.state.attempts
    address = request.client.host if request.client else ""
    allowance = await attempts.refused(None if signed_in else address, *account)
    if allowance:
        headers = {"Retry-After": str(allowance.reset_seconds), **rate_limit.header_fields(allowance, "sign-in")}
        raise RefusedError(
            HTTPStatus.TOO_MANY_REQUESTS, f"too many attempts; try again in {allowance.reset_seconds} s",
            headers=headers, allowance=allowance,
        )  # fmt: skip


def _form(tenant: str, email: str = "", wrong: Wrong = RIGHT) -> Response:
    return page("password.html", wrong.status, tenant=tenant if is_tenant(tenant) else "", email=email, wrong=wrong)


def _signing_in(request: Request) -> SigningIn:
    found: SigningIn = request.app.state.signing_in
    return found


def _before(request: Request, tenant: str) -> str | None:
    """The secret of the session that the browser has with the tenant."""
    return request.cookies.get(session_cookie(request, tenant))


def _back(request: Request, tenant: str, provider: str) -> str:
    return str(request.url_for("come_back", tenant=tenant, provider=provider))


def _must_be_tenant(name: str) -> None:
    if not is_tenant(name):
        raise RefusedError(HTTPStatus.NOT_FOUND, "there is no such way to sign in; ask whoever told you of it")


def _read(token: str) -> SignInToken:
    link = SignInToken.read(token)
    if link.tenant != PLATFORM and not is_tenant(link.tenant):
        raise _gone()
    return link


def _shown(tenant: str) -> str:
    return "LeadLoop" if tenant == PLATFORM else tenant


def _gone() -> RefusedError:
    """One answer for a link that was used, has expired, or never was, so that nothing can be learnt from it."""
    return RefusedError(HTTPStatus.GONE, "this link was used already or is too old; ask for a new one")
