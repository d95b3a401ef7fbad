"""What the gateway answers on the bus about tenants."""

from datetime import datetime

from chassis.jobs import Counts
from chassis.received import Received
from chassis.tenants import NO_SUCH_TENANT
from chassis.unit_of_work import Database, UnitOfWork
from contracts import gateway as messages
from contracts.message import PLATFORM, ProblemCode, ProblemError
from gateway import store, store_idempotency
from gateway.identity import audit, store_sessions
from gateway.identity.domain_session import IDLE
from gateway.webhooks import store as webhook_secrets


async def create_tenant(uow: UnitOfWork, request: Received[messages.CreateTenant]) -> messages.TenantView:
    if request.tenant == PLATFORM:
        raise ProblemError(ProblemCode.INVALID, "ask on the subject of the tenant to create", "tenant")
    wanted = messages.TenantSettings.model_validate(request.body.settings.model_dump())
    if await store.register_tenant(uow, request.tenant, wanted):
        event = messages.TenantChanged(version=1, settings=wanted, created_at=uow.now)
        uow.publish(request.tenant, event, cause=request.envelope)
        await audit.record(uow, request.envelope, request.wire.sender or "gateway", "tenant_created", "tenant")
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
    before_, after = (view.settings.model_dump(mode="json") for view in (before, changed))
    detail = {name: [before_[name], after[name]] for name in after if before_[name] != after[name]}
    await audit.record(uow, request.envelope, audit.actor_of(request), "tenant_changed", "tenant", detail)
    return changed


async def list_tenants(uow: UnitOfWork, request: Received[messages.ListTenants]) -> messages.TenantList:
    return messages.TenantList(tenants=await store.registered_tenants(uow, request.body.only))


async def sweep(database: Database, _: datetime) -> Counts:
    """The daily job: forget sign-in links and sessions that have ended, and requests' keys that nobody sends again."""
    async with database.begin() as uow:
        names = [view.tenant for view in await store.registered_tenants(uow)]
    names.append(PLATFORM)
    async with database.begin(*names) as uow:
        links, sessions = await store_sessions.sweep(uow, names, IDLE)
        keys = await store_idempotency.sweep(uow, names)
        secrets = await webhook_secrets.sweep(uow, names)
    return {"sign_in_links": links, "sessions": sessions, "idempotency_keys": keys, "webhook_secrets": secrets}


async def _registered(uow: UnitOfWork, tenant: str) -> messages.TenantView:
    found = await store.registered_tenant(uow, tenant)
    if found is None:
        raise ProblemError(ProblemCode.NOT_FOUND, NO_SUCH_TENANT, "tenant")
    return found
