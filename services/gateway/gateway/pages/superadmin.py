"""Where superadmins begin: every tenant of the installation."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from contracts.message import PLATFORM
from gateway import store
from gateway.gate import Superadmin
from gateway.pages.account import NewPassword, change_password, end_session, show
from gateway.rendering import page

router = APIRouter(prefix="/superadmin")


@router.get("")
async def tenants(request: Request, principal: Superadmin) -> Response:
    """Every tenant, each a way into its pages."""
    async with request.app.state.service.database.begin() as uow:
        found = await store.registered_tenants(uow)
    return page("superadmin.html", principal=principal, tenants=found)


@router.get("/account")
async def own_account(principal: Superadmin) -> Response:
    return await show(principal)


@router.post("/account/password")
async def set_own_password(request: Request, principal: Superadmin, given: Annotated[NewPassword, Form()]) -> Response:
    return await change_password(request, principal, given)


@router.post("/sign-out")
async def leave(request: Request, principal: Superadmin) -> Response:
    """End the session, here and on the server."""
    return await end_session(request, principal, PLATFORM)
