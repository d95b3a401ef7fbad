"""Routing: the rules by which leads come to workspaces, in versions that are drafted, tried, published and brought back."""

import asyncio
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from contracts.intake.routing import (
    MOST_DRY_RUN_LEADS,
    DeleteRoutingDraft,
    DryRun,
    DryRunRouting,
    GetRouting,
    ListRoutingVersions,
    NewRoutingConfiguration,
    PublishRouting,
    RollBackRouting,
    RoutingVersionStatus,
    RoutingVersionView,
    SaveRoutingDraft,
)
from contracts.message import ProblemCode, ProblemError
from gateway.gate import Admitted, Principal
from gateway.pages.actors import actors
from gateway.pages.dashboard import time_zone
from gateway.pages.filled_in import RIGHT, Chosen, Filled, Wrong, WrongError, read, text, wrong_with
from gateway.pages.sign_in import see_other
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/routing")

ROWS_SHOWN: Final = 100
_VERSIONS_SHOWN: Final = 20
_DRY_RUN_SECONDS: Final = 60.0
_USUAL_DRY_RUN: Final = 10_000
_SAMPLE: Final = 20
Version = Annotated[int, Field(ge=1, le=2**31 - 1)]


class Versions(BaseModel):
    """Which page of the versions."""

    model_config = ConfigDict(frozen=True)

    cursor: Chosen[Annotated[str, Field(max_length=200)]] = None


class Parts(BaseModel):
    """Which page of the rules and of the workspaces of a version."""

    model_config = ConfigDict(frozen=True)

    rules: Annotated[int, Field(ge=1, le=100)] = 1
    workspaces: Annotated[int, Field(ge=1, le=100)] = 1


class Trial(BaseModel):
    """On how many of the last leads a version is tried."""

    model_config = ConfigDict(extra="forbid")

    last: Annotated[int, Field(ge=1, le=MOST_DRY_RUN_LEADS)] = _USUAL_DRY_RUN


class Publication(BaseModel):
    """What was published when somebody decided to publish another."""

    model_config = ConfigDict(extra="forbid")

    expected: Chosen[int] = None


@router.get("")
async def routing(principal: Admitted, which: Annotated[Versions, Query()], request: Request) -> Response:
    """Every version, and which one leads are routed by."""
    versions, zone = await asyncio.gather(
        principal.ask(ListRoutingVersions(limit=_VERSIONS_SHOWN, cursor=which.cursor)),
        time_zone(request, principal.tenant),
    )
    return page(
        "routing.html",
        principal=principal,
        which=which,
        versions=versions,
        named=await actors(
            principal, [who for each in versions.versions for who in (each.created_by, each.published_by)]
        ),
        zone=zone,
        now=datetime.now(UTC),
    )


@router.post("/versions")
async def begin(principal: Admitted) -> Response:
    """Begin a draft: of what is published now, or of nothing where nothing is."""
    now = await published(principal)
    content = now.configuration.model_dump(mode="json", exclude_defaults=True) if now else {}
    return see_other(_home(principal, (await save(principal, content)).version))


@router.get("/versions/{version}")
async def version(
    principal: Admitted, version: Version, parts: Annotated[Parts, Query()], request: Request
) -> Response:
    """The rules and workspaces of a version, and what can be done with it."""
    return await _version(principal, version, request, parts=parts)


@router.post("/versions/{version}/dry-run")
async def dry_run(principal: Admitted, version: Version, form: Filled, request: Request) -> Response:
    """Show what would move if this version were published; nothing is changed."""
    try:
        trial = read(Trial, form)
        order = DryRunRouting(version=version, last=trial.last, sample=_SAMPLE)
        tried = await principal.ask(order, seconds=_DRY_RUN_SECONDS)
    except (WrongError, ProblemError) as error:
        return await _version(principal, version, request, wrong=wrong_with(error), last=text(form, "last"))
    return await _version(principal, version, request, tried=tried, last=str(trial.last))


@router.post("/versions/{version}/publish")
async def publish(
    principal: Admitted, version: Version, decided: Annotated[Publication, Form()], request: Request
) -> Response:
    """Route by a draft from now on, unless another version was published since whoever decides looked."""
    try:
        await principal.ask(PublishRouting(version=version, expected=decided.expected, actor=principal.actor))
    except ProblemError as error:
        return await _version(principal, version, request, wrong=wrong_with(error))
    return see_other(f"/t/{principal.tenant}/routing")


@router.post("/versions/{version}/roll-back")
async def roll_back(principal: Admitted, version: Version, request: Request) -> Response:
    """Publish what was published before once more, as a new version."""
    try:
        await principal.ask(RollBackRouting(version=version, actor=principal.actor))
    except ProblemError as error:
        return await _version(principal, version, request, wrong=wrong_with(error))
    return see_other(f"/t/{principal.tenant}/routing")


@router.post("/versions/{version}/delete")
async def delete(principal: Admitted, version: Version, request: Request) -> Response:
    """Delete a draft."""
    try:
        await principal.ask(DeleteRoutingDraft(version=version))
    except ProblemError as error:
        return await _version(principal, version, request, wrong=wrong_with(error))
    return see_other(f"/t/{principal.tenant}/routing")


async def published(principal: Principal) -> RoutingVersionView | None:
    """The version that leads are routed by; none where none is."""
    try:
        return await principal.ask(GetRouting())
    except ProblemError as error:
        if error.problem.code is ProblemCode.NOT_FOUND:
            return None
        raise


async def save(
    principal: Principal, content: dict[str, object], instead: RoutingVersionView | None = None
) -> RoutingVersionView:
    """Keep a configuration as a draft, and let it take the place of the draft that it was made of.

    Raises:
        ValidationError: the configuration does not hold together.
        ProblemError: intake refuses it.
    """
    configuration = NewRoutingConfiguration.model_validate(content)
    saved = await principal.ask(SaveRoutingDraft(configuration=configuration, actor=principal.actor))
    if instead and instead.status is RoutingVersionStatus.DRAFT:
        try:
            await principal.ask(DeleteRoutingDraft(version=instead.version))
        except ProblemError as error:
            if error.problem.code is not ProblemCode.NOT_FOUND:
                raise
            # Somebody else changed it at the same moment: now there are two drafts, and neither change is lost.
    return saved


async def _version(
    principal: Principal,
    number: int,
    request: Request,
    *,
    parts: Parts = Parts(),  # noqa: B008 - it is frozen
    wrong: Wrong = RIGHT,
    tried: DryRun | None = None,
    last: str = str(_USUAL_DRY_RUN),
) -> Response:
    found, now, zone = await asyncio.gather(
        principal.ask(GetRouting(version=number)), published(principal), time_zone(request, principal.tenant)
    )
    rules = sorted(found.configuration.rules, key=lambda rule: rule.priority)
    workspaces = sorted(found.configuration.workspaces.items())
    return page(
        "routing_version.html",
        wrong.status if wrong is not RIGHT else HTTPStatus.OK,
        principal=principal,
        found=found,
        published=now.version if now else None,
        rules=rules[(parts.rules - 1) * ROWS_SHOWN : parts.rules * ROWS_SHOWN],
        rule_pages=-(-len(rules) // ROWS_SHOWN),
        workspaces=workspaces[(parts.workspaces - 1) * ROWS_SHOWN : parts.workspaces * ROWS_SHOWN],
        workspace_pages=-(-len(workspaces) // ROWS_SHOWN),
        counts=(len(rules), len(workspaces)),
        parts=parts,
        tried=tried,
        last=last,
        most=MOST_DRY_RUN_LEADS,
        wrong=wrong,
        named=await actors(principal, [found.created_by, found.published_by]),
        zone=zone,
        now=datetime.now(UTC),
    )


def _home(principal: Principal, number: int) -> str:
    return f"/t/{principal.tenant}/routing/versions/{number}"
