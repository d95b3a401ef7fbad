"""Routing: the rules by which leads come to workspaces, drafted, tried, published and taken back."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from contracts.intake.routing import (
    DeleteRoutingDraft,
    DryRun,
    DryRunRouting,
    GetRouting,
    ListRoutingVersions,
    PublishRouting,
    RollBackRouting,
    RoutingDraftDeletionResult,
    RoutingVersionPage,
    RoutingVersionView,
    SaveRoutingDraft,
)
from gateway.api.idempotency import ONCE
from gateway.api.orders import order, sent
from gateway.gate import Admitted

router = APIRouter(tags=["routing"])

_DRY_RUN_SECONDS = 60.0


@router.get("/routing")
async def get_published_routing(principal: Admitted) -> RoutingVersionView:
    """The rules and workspaces that leads are routed by now."""
    return await principal.ask(GetRouting())


@router.get("/routing/versions")
async def list_routing_versions(
    principal: Admitted, query: Annotated[ListRoutingVersions, Query()]
) -> RoutingVersionPage:
    """Every version, newest first, a page at a time; deleted drafts are left out."""
    return await principal.ask(query)


@router.post("/routing/versions", status_code=HTTPStatus.CREATED, dependencies=[ONCE])
async def save_routing_draft(
    principal: Admitted, given: Annotated[BaseModel, sent(SaveRoutingDraft, "actor")], response: Response
) -> RoutingVersionView:
    """Keep a configuration as a draft, to be tried and published; a draft is never changed, save another."""
    saved = await principal.ask(order(SaveRoutingDraft, given, actor=principal.actor))
    response.headers["Location"] = f"/api/t/{principal.tenant}/routing/versions/{saved.version}"
    return saved


@router.get("/routing/versions/{version}")
async def get_routing(principal: Admitted, version: int) -> RoutingVersionView:
    """A version of the rules and workspaces."""
    return await principal.ask(GetRouting(version=version))


@router.delete("/routing/versions/{version}")
async def delete_routing_draft(principal: Admitted, version: int) -> RoutingDraftDeletionResult:
    """Delete a draft; what was published once stays."""
    return await principal.ask(DeleteRoutingDraft(version=version))


@router.post("/routing/dry-run")
async def dry_run_routing(principal: Admitted, trial: DryRunRouting) -> DryRun:
    """Try a version, or a configuration that was not saved, on the last leads that came; nothing is changed."""
    return await principal.ask(trial, seconds=_DRY_RUN_SECONDS)


@router.post("/routing/versions/{version}/publish")
async def publish_routing(
    principal: Admitted, version: int, given: Annotated[BaseModel, sent(PublishRouting, "version", "actor")]
) -> RoutingVersionView:
    """Route by a draft from now on; 409 where another version than the `expected` one is published by now."""
    return await principal.ask(order(PublishRouting, given, version=version, actor=principal.actor))


@router.post("/routing/versions/{version}/roll-back", dependencies=[ONCE])
async def roll_back_routing(principal: Admitted, version: int) -> RoutingVersionView:
    """Publish what was published before once more, as a new version."""
    return await principal.ask(RollBackRouting(version=version, actor=principal.actor))
