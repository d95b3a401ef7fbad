"""Where superadmins begin: every tenant of the installation."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from chassis import paging
from contracts.message import PLATFORM
from contracts.values import NO_NUL
from gateway import store
from gateway.gate import Superadmin
from gateway.pages.account import change_password, end_session, show
from gateway.pages.filled_in import Filled
from gateway.pages.forms import address
from gateway.rendering import page

router = APIRouter(prefix="/superadmin")


ROWS_SHOWN: Final = 100


class Shown(BaseModel):
    """What the address of the list says about what it shows."""

    model_config = ConfigDict(frozen=True)

    name: Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, max_length=63, pattern=NO_NUL)] = ""
    """What the tenants' names hold."""
    cursor: Annotated[str, Field(max_length=63, pattern=NO_NUL)] | None = None

    def address(self, **changes: object) -> str:
        return address("/superadmin", self, **changes)


@router.get("")
async def tenants(request: Request, principal: Superadmin, shown: Annotated[Shown, Query()]) -> Response:
    """The tenants by name, a page at a time, each a way into its pages."""
    async with request.app.state.service.database.begin() as uow:
        rows = await store.find_tenants(uow, shown.name, shown.cursor, ROWS_SHOWN + 1)
    found, cursor = paging.cut(rows, ROWS_SHOWN, lambda tenant: tenant.tenant)
    return page("superadmin.html", principal=principal, shown=shown, tenants=found, next_cursor=cursor)


@router.get("/account")
async def own_account(principal: Superadmin) -> Response:
    return await show(principal)


@router.post("/account/password")
async def set_own_password(request: Request, principal: Superadmin, form: Filled) -> Response:
    return await change_password(request, principal, form)


@router.post("/sign-out")
async def leave(request: Request, principal: Superadmin) -> Response:
    """End the session, here and on the server."""
    return await end_session(request, principal, PLATFORM)
