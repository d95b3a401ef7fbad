"""The keys of the tenant's API: make them, see what they allow, revoke them."""

from datetime import UTC, date, datetime, time
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from contracts.gateway.access import Scope
from contracts.gateway.keys import ApiKeyView, CreateApiKey, ListApiKeys, RevokeApiKey
from contracts.message import ProblemCode, ProblemError
from contracts.values import NO_NUL
from gateway.gate import Admitted, Principal
from gateway.identity.domain_access import OF_PROGRAMS, beyond
from gateway.pages.sign_in import see_other
from gateway.problems import STATUS
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/settings/keys")


class NewKey(BaseModel):
    """The form that makes a key."""

    model_config = ConfigDict(extra="forbid")

    label: Annotated[str, Field(min_length=1, max_length=100, pattern=NO_NUL)]
    scopes: Annotated[list[Scope], Field(max_length=len(Scope))] = []
    expires_on: Annotated[date | None, BeforeValidator(lambda text: text or None)] = None
    """The first day, in UTC, on which it opens nothing."""


@router.get("")
async def keys(principal: Admitted, cursor: Annotated[str | None, Query(max_length=200)] = None) -> Response:
    return await _show(principal, cursor)


@router.post("")
async def make_key(principal: Admitted, form: Annotated[NewKey, Form()]) -> Response:
    """Show the key this once: the answer to the form has it, and nothing else ever will."""
    scopes = frozenset(form.scopes) or OF_PROGRAMS
    expires_at = datetime.combine(form.expires_on, time(), UTC) if form.expires_on else None
    try:
        if more := beyond(scopes, principal.allowed):
            raise ProblemError(ProblemCode.FORBIDDEN, f"nobody gives what they do not have: {', '.join(more)}")
        order = CreateApiKey(label=form.label, scopes=scopes, expires_at=expires_at, ordered_by=principal.actor)
        made = await principal.ask(order)
    except ProblemError as error:
        return await _show(principal, wrong=error)
    return await _show(principal, made=made)


@router.post("/{key_id}/revoke")
async def revoke_key(principal: Admitted, key_id: UUID) -> Response:
    await principal.ask(RevokeApiKey(key_id=key_id, ordered_by=principal.actor))
    return see_other(f"/t/{principal.tenant}/settings/keys")


async def _show(
    principal: Principal,
    cursor: str | None = None,
    *,
    wrong: ProblemError | None = None,
    made: ApiKeyView | None = None,
) -> Response:
    found = await principal.ask(ListApiKeys(cursor=cursor))
    return page(
        "keys.html", STATUS[wrong.problem.code] if wrong else HTTPStatus.OK, principal=principal, found=found,
        scopes=sorted(principal.allowed - {Scope.SELF}), usual=OF_PROGRAMS, now=datetime.now(UTC), made=made,
        wrong=wrong.problem.message if wrong else "",
    )  # fmt: skip
