"""The gateway: tenants, who may do what in them, the HTTP API, and the pages people work in. It holds no business rule."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, partial
from importlib.metadata import version

from fastapi import FastAPI
from starlette.routing import Route

from chassis.jobs import Job
from chassis.keys import TenantKeys, key_service
from chassis.limits.counters import counters_in
from chassis.outside import Outside
from chassis.service import Service
from chassis.settings import PublicAddress, Settings
from chassis.unit_of_work import Database
from contracts import gateway as messages
from contracts.gateway import audit, keys, sign_in, users, webhooks
from gateway import api, handlers, openapi, pages, problems
from gateway.bodies import BodyGuard, taken_by
from gateway.edge import Edge
from gateway.gate import Gate, must_be_guarded
from gateway.idempotency import Idempotency
from gateway.identity import personal
from gateway.identity.attempts import Attempts
from gateway.identity.handlers import Handlers, list_changes
from gateway.identity.oidc import Oidc
from gateway.identity.refusals import WINDOW_SECONDS, Refusals
from gateway.identity.signing_in import SigningIn
from gateway.limits import Rates, RateSettings, must_be_limited
from gateway.pages import dashboard
from gateway.webhooks import handlers as webhook_handlers
from gateway.webhooks import routes
from gateway.webhooks.verifying import Verifying


def build(settings: Settings) -> Service:
    """What the gateway does on the bus."""
    database = Database("gateway", settings.database_url)
    tenant_keys = TenantKeys(key_service(settings.kms_uri))
    identity, hooks = Handlers(tenant_keys), webhook_handlers.Handlers(tenant_keys)
    return Service(
        "gateway",
        settings,
        database=database,
        answers={
            messages.CreateTenant: handlers.create_tenant,
            messages.ChangeTenant: handlers.change_tenant,
            messages.ListTenants: handlers.list_tenants,
            users.ListUsers: identity.list_users,
            users.GetUser: identity.get_user,
            users.CreateUser: identity.create_user,
            users.ChangeUser: identity.change_user,
            users.RemoveUser: identity.remove_user,
            users.EndSessions: identity.end_sessions,
            keys.CreateApiKey: identity.create_api_key,
            keys.RevokeApiKey: identity.revoke_api_key,
            keys.ListApiKeys: identity.list_api_keys,
            sign_in.CreateSignInLink: identity.create_sign_in_link,
            sign_in.ListSignInProviders: identity.list_sign_in_providers,
            sign_in.SetSignInProvider: identity.set_sign_in_provider,
            sign_in.RemoveSignInProvider: identity.remove_sign_in_provider,
            audit.ListChanges: list_changes,
            webhooks.MakeWebhookSecret: hooks.make_secret,
            webhooks.GetWebhook: hooks.get_webhook,
            webhooks.ListWebhooks: hooks.list_webhooks,
            webhooks.RemoveWebhook: hooks.remove_webhook,
        },
        jobs=[Job("sign_ins", "41 3 * * *", partial(handlers.sweep, database))],
        keys=tenant_keys,
        sealed=(*personal.RESEALED, webhook_handlers.RESEALED),
    )


def application(service: Service, rates: RateSettings | None = None, address: PublicAddress | None = None) -> FastAPI:
    """What the gateway does over HTTP; the service runs for as long as the application does.

    Parameters:
        rates: how often somebody may ask what; as the environment says, if none are given.
        address: where browsers find it; as the environment says, if none is given.

    Raises:
        UnguardedRouteError: a route does not say what it needs of whoever comes.
        UnlimitedRouteError: a route does not say of which kind it is.
    """
    valkey, clock = service.settings.valkey_url, time.monotonic
    refused = counters_in(valkey, clock, "refused", WINDOW_SECONDS)
    tried = counters_in(valkey, clock, "sign-ins")
    asked = counters_in(valkey, clock, "requests")
    refusals = Refusals(refused, service.database)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            async with service.running():
                yield
        finally:
            await refused.close()
            await tried.close()
            await asked.close()

    app = FastAPI(
        title="LeadLoop",
        version=version("gateway"),
        description="Leads go in, outcomes follow, win rates come out. Every address belongs to one tenant.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.service = service
    app.state.https = (address or PublicAddress()).is_https
    app.state.refusals = refusals
    app.state.rates = Rates(asked, rates or RateSettings())
    app.state.attempts = Attempts(tried)
    app.state.watching = dashboard.watching(service)
    tenant_keys = TenantKeys(key_service(service.settings.kms_uri))
    app.state.idempotency = Idempotency(service.database, tenant_keys)
    app.state.signing_in = SigningIn(service.database, tenant_keys, refusals)
    app.state.verifying = Verifying(service.database, tenant_keys, refusals)
    app.state.oidc = Oidc(service.database, tenant_keys, Outside())
    app.openapi = cache(partial(openapi.describe, app))  # type: ignore[method-assign]
    app.routes.extend(Route(path, answer) for path, answer in service.health_routes())
    api.include_in(app)
    app.include_router(routes.router, responses=problems.DOCUMENTED)
    pages.include_in(app)
    app.mount("/static", pages.STATIC)
    must_be_guarded(app.routes)
    must_be_limited(app.routes)
    app.state.taken = taken_by(app.routes)
    problems.install(app)
    # The last one added is the outermost.
    app.add_middleware(BodyGuard, taken=app.state.taken)
    app.add_middleware(Gate, service=service, refusals=refusals)
    app.add_middleware(Edge)
    return app
