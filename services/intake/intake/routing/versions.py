"""Versions of a tenant's routing configuration: kept as drafts, published, brought back."""

from collections.abc import Iterable

from sqlalchemy import RowMapping

from chassis import tenants
from chassis.unit_of_work import UnitOfWork
from contracts.intake.routing import (
    RoutingConfiguration,
    RoutingPublished,
    RoutingVersionStatus,
    RoutingVersionSummary,
    RoutingVersionView,
)
from contracts.message import ProblemCode, ProblemError
from intake import locks
from intake.routing import store_versions
from intake.routing.domain_rules import unknown_metadata


async def view(uow: UnitOfWork, tenant: str, number: int) -> RoutingVersionView:
    """A version.

    Raises:
        ProblemError: `not_found`.
    """
    row = await store_versions.version(uow, tenant, number)
    if row is None:
        raise ProblemError(
            ProblemCode.NOT_FOUND,
            f"there is no version {number}: list_routing_versions says which there are",
            "version",
        )
    return RoutingVersionView.model_validate(dict(row))


async def published_view(uow: UnitOfWork, tenant: str) -> RoutingVersionView:
    """The published version.

    Raises:
        ProblemError: `not_found`, none is.
    """
    now = await store_versions.published(uow, tenant)
    if now is None:
        raise ProblemError(
            ProblemCode.NOT_FOUND,
            "no version is published: save a draft with save_routing_draft and publish it",
            "version",
        )
    return await view(uow, tenant, now[0])


def summaries(rows: Iterable[RowMapping]) -> list[RoutingVersionSummary]:
    return [RoutingVersionSummary.model_validate(dict(row)) for row in rows]


async def save(uow: UnitOfWork, tenant: str, configuration: RoutingConfiguration, actor: str) -> RoutingVersionView:
    """Keep a configuration as a new draft.

    Raises:
        ProblemError: `invalid`, a rule asks for metadata that the tenant does not allow in clear.
    """
    await check(uow, tenant, configuration)
    await locks.routing_versions(uow, tenant)
    number = await store_versions.keep(uow, tenant, configuration.model_dump_json(exclude_defaults=True), actor)
    return await view(uow, tenant, number)


async def check(uow: UnitOfWork, tenant: str, configuration: RoutingConfiguration) -> None:
    """Refuse rules that could never see what they ask for.

    Raises:
        ProblemError: `invalid`, naming the first rule and its field.
    """
    allowed = (await tenants.settings_of(uow, tenant)).metadata_allowed
    for rule, field in unknown_metadata(configuration, allowed).items():
        raise ProblemError(
            ProblemCode.INVALID,
            f"rule {rule} asks for metadata.{field}, which the tenant seals: allow it in the tenant's metadata_allowed, "
            f"or ask for one of {', '.join(sorted(allowed)) or 'none'}",
            "configuration.rules.when.metadata",
        )


async def publish(uow: UnitOfWork, tenant: str, number: int, expected: int | None, actor: str) -> RoutingVersionView:
    """Have a draft take the published version's place.

    Raises:
        ProblemError: `not_found`; `conflict`, it is no draft, or another version is published than the caller expected;
            `invalid`, the tenant seals by now what a rule asks for.
    """
    await locks.routing_versions(uow, tenant)
    draft = await view(uow, tenant, number)
    if draft.status is not RoutingVersionStatus.DRAFT:
        raise ProblemError(
            ProblemCode.CONFLICT,
            f"version {number} is {draft.status}, no draft: roll back to it, or save a draft",
            "version",
        )
    now = await store_versions.published(uow, tenant)
    if (now[0] if now else None) != expected:
        raise ProblemError(
            ProblemCode.CONFLICT,
            f"{f'version {now[0]}' if now else 'no version'} is published: look at it, then say so in expected", "expected",
        )  # fmt: skip
    await check(uow, tenant, draft.configuration)
    return await _publish(uow, tenant, number, expected, None, actor)


async def roll_back(uow: UnitOfWork, tenant: str, number: int, actor: str) -> RoutingVersionView:
    """Publish the content of a version that was published before, as a new one.

    Raises:
        ProblemError: `not_found`; `conflict`, it was never published, or is published now; `invalid`, the tenant seals by now
            what a rule asks for.
    """
    await locks.routing_versions(uow, tenant)
    old = await view(uow, tenant, number)
    if old.status is not RoutingVersionStatus.SUPERSEDED:
        raise ProblemError(
            ProblemCode.CONFLICT,
            f"version {number} is {old.status}: only one that was published before can be brought back", "version",
        )  # fmt: skip
    await check(uow, tenant, old.configuration)
    now = await store_versions.published(uow, tenant)
    content = old.configuration.model_dump_json(exclude_defaults=True)
    new = await store_versions.keep(uow, tenant, content, actor, restores=number)
    return await _publish(uow, tenant, new, now[0] if now else None, number, actor)


async def _publish(
    uow: UnitOfWork, tenant: str, number: int, previous: int | None, restores: int | None, actor: str
) -> RoutingVersionView:
    await store_versions.publish(uow, tenant, number, actor)
    event = RoutingPublished(
        version=number, previous=previous, restores=restores, published_by=actor, occurred_at=uow.now
    )
    uow.publish(tenant, event)
    return await view(uow, tenant, number)
