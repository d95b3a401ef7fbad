"""The gateway: tenants, their keys, the HTTP API, and the pages people work in. It holds no business rule."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, partial
from importlib.metadata import version

from fastapi import FastAPI
from starlette.routing import Route

from chassis.jobs import Job
from chassis.service import Service
from chassis.settings import Settings
from chassis.unit_of_work import Database
from contracts import gateway as messages
from gateway import api, handlers, openapi, pages, problems
from gateway.edge import BodyLimit, Edge
from gateway.gate import Gate


def build(settings: Settings) -> Service:
    """What the gateway does on the bus."""
    database = Database("gateway", settings.database_url)
    return Service(
        "gateway",
        settings,
        database=database,
        answers={
            messages.CreateTenant: handlers.create_tenant,
            messages.ChangeTenant: handlers.change_tenant,
            messages.ListTenants: handlers.list_tenants,
            messages.CreateApiKey: handlers.create_api_key,
            messages.RevokeApiKey: handlers.revoke_api_key,
            messages.CreateSignInLink: handlers.create_sign_in_link,
        },
        jobs=[Job("sign_ins", "41 3 * * *", partial(handlers.sweep, database))],
    )


def application(service: Service) -> FastAPI:
    """What the gateway does over HTTP; the service runs for as long as the application does."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

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
    app.openapi = cache(partial(openapi.describe, app))  # type: ignore[method-assign]
    app.routes.extend(Route(path, answer) for path, answer in service.health_routes())
    app.include_router(api.router)
    app.include_router(pages.router)
    app.mount("/static", pages.STATIC)
    problems.install(app)
    # The last one added is the outermost.
    app.add_middleware(BodyLimit)
    app.add_middleware(Gate, service=service)
    app.add_middleware(Edge)
    return app
