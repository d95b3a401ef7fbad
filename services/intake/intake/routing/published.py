"""The published rules of each tenant, made ready once per process and version."""

from collections import OrderedDict
from datetime import datetime

from chassis.unit_of_work import UnitOfWork
from contracts.intake.routing import RoutingConfiguration
from intake.routing import store_versions
from intake.routing.domain_rules import Rules

_MOST = 500
"""How many tenants' rules are kept ready; beyond, who was not asked for longest is read again."""
_ready: OrderedDict[tuple[str, int, datetime], Rules] = OrderedDict()


async def published(uow: UnitOfWork, tenant: str) -> Rules | None:
    """The tenant's published rules and workspaces; none where none were ever published."""
    key = await store_versions.published(uow, tenant)
    return await ready(uow, tenant, *key) if key else None


async def ready(uow: UnitOfWork, tenant: str, version: int, published_at: datetime) -> Rules:
    """A version that was published then; a database put back from a backup may use a number for another content."""
    key = tenant, version, published_at
    if (rules := _ready.get(key)) is None:
        row = await store_versions.version(uow, tenant, version)
        if row is None:
            raise LookupError("a published version is never discarded")
        rules = _ready[key] = Rules(RoutingConfiguration.model_validate(row["configuration"]), version)
        if len(_ready) > _MOST:
            _ready.popitem(last=False)
    _ready.move_to_end(key)
    return rules
