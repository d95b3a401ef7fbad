"""Sources: the tenant's own names for sources and places, and the providers that enrichment asks."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from contracts.intake.aliases import AliasesChange, AliasPage, DeleteAliases, ListAliases, SetAliases
from contracts.intake.providers import (
    DeleteProvider,
    ListProviders,
    PatternView,
    ProviderDeletionResult,
    ProviderList,
    ProviderView,
    SetPatternConfidence,
    SetProvider,
)
from contracts.values import Slug
from gateway.api.orders import order, sent
from gateway.gate import Admitted

router = APIRouter(tags=["sources"])

Provider = Annotated[Slug, Path(description="What the tenant calls the provider.")]


@router.get("/aliases")
async def list_aliases(principal: Admitted, query: Annotated[ListAliases, Query()]) -> AliasPage:
    """The tenant's aliases of sources and places, a page at a time."""
    return await principal.ask(query)


@router.post("/aliases")
async def set_aliases(
    principal: Admitted, given: Annotated[BaseModel, sent(SetAliases, "changed_by")]
) -> AliasesChange:
    """Set aliases, new ones or those that exist; the others stay. They hold for what is submitted from then on."""
    return await principal.ask(order(SetAliases, given, changed_by=principal.actor))


@router.post("/aliases/delete")
async def delete_aliases(
    principal: Admitted, given: Annotated[BaseModel, sent(DeleteAliases, "changed_by")]
) -> AliasesChange:
    """Delete aliases; one that does not exist is no error."""
    return await principal.ask(order(DeleteAliases, given, changed_by=principal.actor))


@router.get("/providers")
async def list_providers(principal: Admitted) -> ProviderList:
    """The providers that enrichment can ask."""
    return await principal.ask(ListProviders())


@router.put("/providers/{provider}")
async def set_provider(
    principal: Admitted, provider: Provider, given: Annotated[BaseModel, sent(SetProvider, "provider")]
) -> ProviderView:
    """Set a provider, in the place of what was called so; runs under way go on with it."""
    return await principal.ask(order(SetProvider, given, provider=provider))


@router.delete("/providers/{provider}")
async def delete_provider(principal: Admitted, provider: Provider) -> ProviderDeletionResult:
    """Delete a provider. A run that comes to it fails, and can be resumed once it is set again."""
    return await principal.ask(DeleteProvider(provider=provider))


@router.post("/patterns")
async def set_pattern_confidence(principal: Admitted, confidence: SetPatternConfidence) -> PatternView:
    """Say how far a pattern of e-mail addresses is trusted in a domain."""
    return await principal.ask(confidence)
