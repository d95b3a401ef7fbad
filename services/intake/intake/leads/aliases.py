"""A tenant's aliases: the keys that its sources and places get instead of those their spelling makes.

An alias is kept as the key of what it is written like, so that one alias holds for every spelling of that key.
"""

from collections.abc import Iterable

from chassis import paging, tenants
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.gateway import TenantSettings
from contracts.intake import aliases as messages
from contracts.intake.aliases import AliasKind, AliasName, AliasView
from contracts.message import ProblemCode, ProblemError
from contracts.personal import looks_like_pii
from contracts.taxonomy import key
from contracts.values import Attribution
from intake.leads import store_aliases as store
from intake.leads.domain_geo import read_geo
from intake.leads.domain_source import read_source

Name = tuple[str, str]
"""Kind and key of an alias."""


async def set_aliases(uow: UnitOfWork, request: Received[messages.SetAliases]) -> messages.AliasesChange:
    settings = await tenants.settings_of(uow, request.tenant)
    keys: dict[Name, str] = {}
    for position, alias in enumerate(request.body.aliases):
        name = _name(alias, settings)
        if looks_like_pii(name[1]):
            raise ProblemError(
                ProblemCode.INVALID,
                "has a key like a telephone number, which numbers are not grouped by: leave it out",
                f"aliases.{position}.alias",
            )
        if keys.setdefault(name, alias.key) != alias.key:
            raise ProblemError(
                ProblemCode.INVALID, "has the key of another alias in this request: keep one of the two",
                f"aliases.{position}.alias",
            )  # fmt: skip
    rows = await store.keep(uow, request.tenant, keys)
    return _publish(uow, request, aliases=[AliasView.model_validate(dict(row)) for row in rows])


async def delete_aliases(uow: UnitOfWork, request: Received[messages.DeleteAliases]) -> messages.AliasesChange:
    settings = await tenants.settings_of(uow, request.tenant)
    aliases = request.body.aliases
    # As it was listed, too: where the tenant's region has changed since, its key would be read anew as another.
    names = {_name(alias, settings) for alias in aliases} | {(alias.kind.value, key(alias.alias)) for alias in aliases}
    rows = await store.delete(uow, request.tenant, names)
    return _publish(uow, request, deleted=[AliasView.model_validate(dict(row)) for row in rows])


async def list_aliases(uow: UnitOfWork, request: Received[messages.ListAliases]) -> messages.AliasPage:
    ask = request.body
    rows = await store.page(uow, request.tenant, ask.kind, paging.after(ask.cursor, _read_cursor), ask.limit + 1)
    aliases = [AliasView.model_validate(dict(row)) for row in rows[: ask.limit]]
    more = f"{aliases[-1].kind}:{aliases[-1].alias}" if len(rows) > ask.limit else None
    return messages.AliasPage(aliases=aliases, next_cursor=more)


async def renamed(uow: UnitOfWork, tenant: str, attributions: Iterable[Attribution]) -> dict[Name, str]:
    """The keys that take the place of these attributions' own, by their names; one query, whatever their number."""
    names = {name for attribution in attributions for name in _names(attribution)}
    return await store.find(uow, tenant, names) if names else {}


def rename(attribution: Attribution, keys: dict[Name, str]) -> Attribution:
    """The attribution with the keys that take the place of its own."""
    changes = {f"{kind}_key": keys[kind, old] for kind, old in _names(attribution) if (kind, old) in keys}
    return attribution.model_copy(update=changes) if changes else attribution


def _names(attribution: Attribution) -> list[Name]:
    names = [(AliasKind.SOURCE.value, attribution.source_key), (AliasKind.GEO.value, attribution.geo_key)]
    return [(kind, old) for kind, old in names if old]


def _name(alias: AliasName, settings: TenantSettings) -> Name:
    if alias.kind is AliasKind.SOURCE:
        return alias.kind.value, read_source(alias.alias)
    geo = read_geo(alias.alias, settings.region)
    return alias.kind.value, geo.key if geo else ""


def _read_cursor(cursor: str) -> Name:
    kind, _, alias = cursor.partition(":")
    if alias != key(alias):
        raise ValueError("not an alias")
    return AliasKind(kind).value, alias


def _publish(
    uow: UnitOfWork,
    request: Received[messages.SetAliases] | Received[messages.DeleteAliases],
    *,
    aliases: list[AliasView] | None = None,
    deleted: list[AliasView] | None = None,
) -> messages.AliasesChange:
    changes = len(aliases or []) + len(deleted or [])
    if changes:
        event = messages.AliasesChanged(
            aliases=aliases or [], deleted=deleted or [], changed_by=request.body.changed_by, occurred_at=uow.now
        )
        uow.publish(request.tenant, event, request.envelope)
    return messages.AliasesChange(changes=changes)
