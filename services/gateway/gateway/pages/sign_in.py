"""Signing in with a link that works once, and signing out."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse
from uuid_utils.compat import uuid7

from chassis.unit_of_work import Database
from contracts.message import is_tenant
from gateway import credentials, store
from gateway.credentials import SESSION_LIFETIME, SignInToken
from gateway.gate import Admitted, session_cookie, tenant_of_cookie
from gateway.problems import RefusedError
from gateway.rendering import page

router = APIRouter()


@router.get("/")
async def welcome(request: Request) -> Response:
    return page("welcome.html", tenants=[name for name in map(tenant_of_cookie, sorted(request.cookies)) if name])


@router.get("/sign-in/{token}")
async def offer_sign_in(request: Request, token: str) -> Response:
    """Show a button. Opening a link must not use it up: mail scanners and previews open links too."""
    link = _read(token)
    async with _database(request).begin(link.tenant) as uow:
        expires_at = await store.sign_in_link_expiry(uow, link.tenant, credentials.digest(link.secret))
    if expires_at is None:
        raise _gone()
    return page("sign_in.html", tenant=link.tenant, expires_at=expires_at)


@router.post("/sign-in/{token}")
async def sign_in(request: Request, token: str) -> Response:
    """Use the link up and start a session."""
    link = _read(token)
    secret = credentials.new_secret()
    async with _database(request).begin(link.tenant) as uow:
        if not await store.use_sign_in_link(uow, link.tenant, credentials.digest(link.secret)):
            raise _gone()
        digest = credentials.digest(secret)
        await store.add_session(uow, link.tenant, uuid7(), digest, uow.now + SESSION_LIFETIME)
    response = _see_other(f"/t/{link.tenant}")
    response.set_cookie(
        session_cookie(link.tenant),
        secret,
        max_age=int(SESSION_LIFETIME.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response


@router.post("/t/{tenant}/sign-out")
async def sign_out(request: Request, principal: Admitted) -> Response:
    """End the session, here and on the server."""
    name = session_cookie(principal.tenant)
    async with _database(request).begin(principal.tenant) as uow:
        await store.end_session(uow, principal.tenant, credentials.digest(request.cookies.get(name, "")))
    response = _see_other("/")
    response.delete_cookie(name, httponly=True, samesite="lax", secure=request.url.scheme == "https")
    return response


def _database(request: Request) -> Database:
    database: Database = request.app.state.service.database
    return database


def _read(token: str) -> SignInToken:
    link = SignInToken.read(token)
    if not is_tenant(link.tenant):
        raise _gone()
    return link


def _gone() -> RefusedError:
    """One answer for a link that was used, has expired, or never was, so that nothing can be learnt from it."""
    return RefusedError(HTTPStatus.GONE, "this link was used already or is too old; ask for a new one")


def _see_other(path: str) -> RedirectResponse:
    return RedirectResponse(path, HTTPStatus.SEE_OTHER)
