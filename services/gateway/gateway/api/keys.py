"""The keys of the API."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from contracts.gateway.access import Scope
from contracts.gateway.keys import ApiKeyPage, ApiKeyView, CreateApiKey, ListApiKeys, RevokeApiKey, RevokeResult
from contracts.message import ProblemCode, ProblemError
from contracts.values import NO_NUL
from gateway.api.idempotency import ONCE
from gateway.gate import Admitted, Principal
from gateway.identity import store_sessions
from gateway.identity.domain_access import OF_PROGRAMS, beyond, of_key

router = APIRouter(tags=["keys"])


class NewKey(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    label: Annotated[str, Field(min_length=1, max_length=100, pattern=NO_NUL, examples=["crm"])] = "default"
    scopes: Annotated[list[Scope], Field(min_length=1)] | None = None
    """What it allows, and none of it more than you may; if empty, all that programs need."""
    expires_at: AwareDatetime | None = None
    """From when on it opens nothing; it lasts until it is revoked, if empty."""


@router.get("/keys")
async def list_keys(principal: Admitted, query: Annotated[ListApiKeys, Query()]) -> ApiKeyPage:
    """The tenant's keys without their secrets, newest first, a page at a time."""
    return await principal.ask(query)


@router.post("/keys", status_code=HTTPStatus.CREATED, dependencies=[ONCE])
async def create_key(principal: Admitted, key: NewKey) -> ApiKeyView:
    """Make a key. Its secret is in the answer, and nowhere else: keep it now."""
    scopes = frozenset(key.scopes) if key.scopes else OF_PROGRAMS
    if more := beyond(scopes, principal.allowed):
        raise ProblemError(ProblemCode.FORBIDDEN, f"nobody gives what they do not have: {', '.join(more)}", "scopes")
    order = CreateApiKey(label=key.label, scopes=scopes, expires_at=key.expires_at, ordered_by=principal.actor)
    return await principal.ask(order)


@router.delete("/keys/{key_id}")
async def revoke_key(principal: Admitted, key_id: UUID, request: Request) -> RevokeResult:
    """Revoke a key that allows no more than you may; it opens nothing any more."""
    await must_have_all_of(request, principal, key_id)
    return await principal.ask(RevokeApiKey(key_id=key_id, ordered_by=principal.actor))


async def must_have_all_of(request: Request, principal: Principal, key_id: UUID) -> None:
    """Refuse to revoke a key that allows more than whoever revokes it may; of one that there is not, who revokes keys says so.

    Raises:
        ProblemError: `forbidden`.
    """
    async with request.app.state.service.database.begin(principal.tenant) as uow:
        key = await store_sessions.key(uow, principal.tenant, key_id)
    if key and (more := beyond(of_key(key["scopes"]), principal.allowed)):
        raise ProblemError(ProblemCode.FORBIDDEN, f"nobody gives or takes what they do not have: {', '.join(more)}")
