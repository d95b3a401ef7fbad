"""A service's own copy of the tenants and their settings.

A message can come before the news of its tenant: commands and events come by separate ways, and a service that was restored
from a backup has forgotten what it was told. So a service asks the gateway for each tenant that it does not know, before
any handler sees the message; a handler meets known tenants only.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from chassis.failures import TenantsUnavailableError
from chassis.logs import get_logger
from chassis.received import Handler, Received
from chassis.unit_of_work import UnitOfWork
from contracts.gateway import MOST_TENANTS, ListTenants, TenantChanged, TenantList, TenantSettings, TenantView
from contracts.message import PLATFORM, ProblemCode, ProblemError
from contracts.operations import GetTenant

log = get_logger("tenants")

NO_SUCH_TENANT = "no such tenant; create it with `leadloop tenant create`"

_KEEP = """
    insert into tenant (tenant_id, version, settings, created_at)
    select * from unnest(cast(:tenants as text[]), cast(:versions as int[]), cast(:settings as jsonb[]),
                         cast(:created as timestamptz[]))
    on conflict (tenant_id) do update set version = excluded.version, settings = excluded.settings
        where tenant.version < excluded.version
"""


class Tenants:
    """Sees to it that a unit of work knows the tenants it acts for.

    Parameters:
        ask: asks the gateway; none at the gateway, which is the one that knows.
    """

    def __init__(self, ask: Callable[[ListTenants], Awaitable[TenantList]] | None) -> None:
        self._ask = ask

    async def admit(self, uow: UnitOfWork, messages: Iterable[Received[Any]]) -> set[str]:
        """Act for the messages' tenants; one that is unknown is asked for and kept, as `TenantChanged` would be.

        Returns:
            The tenants that do not exist.

        Raises:
            TenantsUnavailableError: some are unknown, and the gateway does not say whether they exist.
        """
        introduced = {PLATFORM}
        names = set()
        for message in messages:
            names.add(message.tenant)
            if message.envelope.type == TenantChanged.topic.type:
                introduced.add(message.tenant)
        unknown = sorted(await uow.act_for(names) - introduced)
        if not unknown or self._ask is None:
            return set()
        found: list[TenantView] = []
        for start in range(0, len(unknown), MOST_TENANTS):
            try:
                reply = await self._ask(ListTenants(only=unknown[start : start + MOST_TENANTS]))
            except ProblemError as error:
                raise TenantsUnavailableError(f"the gateway: {error.problem.message}") from error
            found += reply.tenants
        await _keep(uow, found)
        log.info("tenants that were unknown here were asked for", count=len(found))
        return set(unknown) - {view.tenant for view in found}


async def keep_copy(uow: UnitOfWork, messages: Sequence[Received[TenantChanged]]) -> None:
    """Handles `TenantChanged`: the highest version seen is kept, in whatever order they come."""
    await _keep(
        uow,
        [
            TenantView(
                tenant=message.tenant,
                version=message.body.version,
                settings=message.body.settings,
                created_at=message.body.created_at,
            )
            for message in messages
        ],
    )


def keeping_copy(handler: Handler) -> Handler:
    """A handler of a service's own for `TenantChanged`, run once the copy is kept."""

    async def keep_and_handle(uow: UnitOfWork, messages: Sequence[Received[TenantChanged]]) -> None:
        await keep_copy(uow, messages)
        await handler(uow, messages)

    return keep_and_handle


async def _keep(uow: UnitOfWork, views: Iterable[TenantView]) -> None:
    newest = {view.tenant: view for view in sorted(views, key=lambda view: view.version)}
    # By name, so that two units that keep the same tenants cannot wait for each other.
    kept = [newest[tenant] for tenant in sorted(newest)]
    if kept:
        await uow.execute(
            _KEEP,
            tenants=[view.tenant for view in kept],
            versions=[view.version for view in kept],
            settings=[view.settings.model_dump_json() for view in kept],
            created=[view.created_at for view in kept],
        )
        uow.settings.clear()


async def get_tenant(uow: UnitOfWork, request: Received[GetTenant]) -> TenantView:
    """Answers `GetTenant` from the copy."""
    rows = await uow.execute(
        "select version, settings, created_at from tenant where tenant_id = :tenant", tenant=request.tenant
    )
    row = rows.first()
    if row is None:
        raise ProblemError(ProblemCode.NOT_FOUND, NO_SUCH_TENANT, "tenant")
    return TenantView(
        tenant=request.tenant,
        version=row.version,
        settings=TenantSettings.model_validate(row.settings),
        created_at=row.created_at,
    )


async def settings_of(uow: UnitOfWork, tenant: str) -> TenantSettings:
    """The settings of a tenant that the unit of work acts for."""
    if (settings := uow.settings.get(tenant)) is None:
        rows = await uow.execute("select settings from tenant where tenant_id = :tenant", tenant=tenant)
        settings = uow.settings[tenant] = rows.scalar_one()
    return TenantSettings.model_validate(settings)


async def all_tenants(uow: UnitOfWork) -> list[str]:
    """Every tenant the service knows, for jobs that go through them one by one."""
    return [row.tenant_id for row in await uow.execute("select tenant_id from tenant order by tenant_id")]
