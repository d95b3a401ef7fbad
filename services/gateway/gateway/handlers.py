"""What the gateway answers on the bus: tenants, keys and sign-in links, as an operator asks for them."""

from datetime import datetime

from uuid_utils.compat import uuid7

from chassis.jobs import Counts
from chassis.received import Received
from chassis.tenants import NO_SUCH_TENANT
from chassis.unit_of_work import Database, UnitOfWork
from contracts import gateway as messages
from contracts.message import PLATFORM, ProblemCode, ProblemError
from gateway import credentials, store
from gateway.credentials import SignInToken


async def create_tenant(uow: UnitOfWork, request: Received[messages.CreateTenant]) -> messages.TenantView:
    if request.tenant == PLATFORM:
        raise ProblemError(ProblemCode.INVALID, "ask on the subject of the tenant to create", "tenant")
    wanted = messages.TenantSettings.model_validate(request.body.settings.model_dump())
    if await store.register_tenant(uow, request.tenant, wanted):
        event = messages.TenantChanged(version=1, settings=wanted, created_at=uow.now)
        uow.publish(request.tenant, event, cause=request.envelope)
    registered = await _registered(uow, request.tenant)
    for name in messages.TenantSettings.model_fields:
        if getattr(registered.settings, name) != getattr(wanted, name):
            raise ProblemError(
                ProblemCode.CONFLICT,
                f"the tenant exists already, with another {name}; repeat what it was created with, or take another name",
                f"settings.{name}",
            )
    return registered


async def change_tenant(uow: UnitOfWork, request: Received[messages.ChangeTenant]) -> messages.TenantView:
    wanted = messages.TenantSettings.model_validate(request.body.settings.model_dump())
    before = await _registered(uow, request.tenant)
    if before.settings == wanted:
        return before
    changed = await store.change_tenant(uow, request.tenant, request.body.version, wanted)
    if changed is None:
        raise ProblemError(
            ProblemCode.CONFLICT,
            f"the settings were changed since version {request.body.version}: look at what they are now, and change that",
            "version",
        )
    event = messages.TenantChanged(version=changed.version, settings=wanted, created_at=changed.created_at)
    uow.publish(request.tenant, event, cause=request.envelope)
    return changed


async def list_tenants(uow: UnitOfWork, request: Received[messages.ListTenants]) -> messages.TenantList:
    return messages.TenantList(tenants=await store.registered_tenants(uow, request.body.only))


async def create_api_key(uow: UnitOfWork, request: Received[messages.CreateApiKey]) -> messages.ApiKeyView:
    await _registered(uow, request.tenant)
    key_id = uuid7()
    secret = credentials.new_key(key_id)
    await store.add_key(uow, request.tenant, key_id, request.body.label, credentials.digest(secret))
    return messages.ApiKeyView(key_id=key_id, label=request.body.label, secret=secret)


async def revoke_api_key(uow: UnitOfWork, request: Received[messages.RevokeApiKey]) -> messages.RevokeResult:
    revoked = await store.revoke_key(uow, request.tenant, request.body.key_id)
    if revoked is None:
        raise ProblemError(
            ProblemCode.NOT_FOUND,
            "the tenant has no such key; a key holds its id, between `ll_` and the next `_`",
            "key_id",
        )
    return messages.RevokeResult(revoked=revoked)


async def create_sign_in_link(uow: UnitOfWork, request: Received[messages.CreateSignInLink]) -> messages.SignInLink:
    await _registered(uow, request.tenant)
    token = SignInToken(request.tenant, credentials.new_secret())
    expires_at = uow.now + credentials.SIGN_IN_LIFETIME
    await store.add_sign_in_link(uow, request.tenant, credentials.digest(token.secret), expires_at)
    return messages.SignInLink(path=f"/sign-in/{token}", expires_at=expires_at)


async def sweep(database: Database, _: datetime) -> Counts:
    """The daily job: forget sign-in links and sessions that have ended."""
    async with database.begin() as uow:
        names = [view.tenant for view in await store.registered_tenants(uow)]
    async with database.begin(*names) as uow:
        links, sessions = await store.sweep(uow, names)
    return {"sign_in_links": links, "sessions": sessions}


async def _registered(uow: UnitOfWork, tenant: str) -> messages.TenantView:
    found = await store.registered_tenant(uow, tenant)
    if found is None:
        raise ProblemError(ProblemCode.NOT_FOUND, NO_SUCH_TENANT, "tenant")
    return found
