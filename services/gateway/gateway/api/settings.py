"""How the tenant wants to be served: its region and clock, its rates, and how long what is kept."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel

from chassis.tenants import NO_SUCH_TENANT
from contracts.gateway import ChangeTenant, TenantView
from contracts.message import ProblemCode, ProblemError
from gateway import store
from gateway.api.orders import order, sent
from gateway.gate import Admitted, Principal

router = APIRouter(tags=["settings"])


@router.get("/settings")
async def get_settings(principal: Admitted, request: Request) -> TenantView:
    """The tenant's settings, and their version."""
    return await settings_now(principal, request)


@router.put("/settings")
async def change_settings(
    principal: Admitted, given: Annotated[BaseModel, sent(ChangeTenant, "ordered_by")]
) -> TenantView:
    """Replace the settings of a version; what is left out goes back to its default. 409 where they were changed since."""
    return await principal.ask(order(ChangeTenant, given, ordered_by=principal.actor))


async def settings_now(principal: Principal, request: Request) -> TenantView:
    """The tenant as it is registered.

    Raises:
        ProblemError: `not_found`, of a superadmin who names one that there is not.
    """
    async with request.app.state.service.database.begin(principal.tenant) as uow:
        registered = await store.registered_tenant(uow, principal.tenant)
    if registered is None:
        raise ProblemError(ProblemCode.NOT_FOUND, NO_SUCH_TENANT, "tenant")
    return registered
