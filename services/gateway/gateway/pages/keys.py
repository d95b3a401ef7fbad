"""The keys of the tenant's API: make them, see what they allow, revoke them."""

from datetime import UTC, date, datetime, time
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import FormData

from contracts.gateway.access import Scope
from contracts.gateway.keys import ApiKeyView, CreateApiKey, ListApiKeys, RevokeApiKey
from contracts.message import ProblemCode, ProblemError
from contracts.values import NO_NUL
from gateway.api.keys import must_have_all_of
from gateway.gate import Admitted, Principal
from gateway.identity.domain_access import OF_PROGRAMS, beyond
from gateway.pages.actors import actors
from gateway.pages.filled_in import RIGHT, Filled, Wrong, WrongError, read, several, typed, wrong_with
from gateway.pages.once import once
from gateway.pages.sign_in import see_other
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/settings/keys")


class NewKey(BaseModel):
    """The form that makes a key."""

    model_config = ConfigDict(extra="forbid")

    label: Annotated[str, Field(min_length=1, max_length=100, pattern=NO_NUL)]
    scopes: Annotated[list[Scope], Field(max_length=len(Scope))] = []
    expires_on: date | None = None
    """The first day, in UTC, on which it opens nothing."""


@router.get("")
async def keys(principal: Admitted, cursor: Annotated[str | None, Query(max_length=200)] = None) -> Response:
    return await _show(principal, cursor)


@router.post("")
async def make_key(principal: Admitted, form: Filled, request: Request) -> Response:
    """Show the key this once: the answer to the form has it, and nothing else ever will."""
    try:
        given = read(NewKey, form)
        scopes = frozenset(given.scopes) or OF_PROGRAMS
        expires_at = datetime.combine(given.expires_on, time(), UTC) if given.expires_on else None
        if more := beyond(scopes, principal.allowed):
            raise ProblemError(
                ProblemCode.FORBIDDEN, f"nobody gives what they do not have: {', '.join(more)}", "scopes"
            )
        order = CreateApiKey(label=given.label, scopes=scopes, expires_at=expires_at, ordered_by=principal.actor)
        async with once(request, principal) as key:
            if key.done:
                raise ProblemError(
                    ProblemCode.CONFLICT,
                    "this key was made already, and its secret is not shown again: revoke it, and make another",
                )
            made = await principal.ask(order)
    except (WrongError, ProblemError) as error:
        return await _show(
            principal, wrong=wrong_with(error, called={"expires_at": "expires_on", "scopes": "scopes"}), form=form
        )
    return await _show(principal, made=made)


@router.post("/{key_id}/revoke")
async def revoke_key(principal: Admitted, key_id: UUID, request: Request) -> Response:
    try:
        await must_have_all_of(request, principal, key_id)
        await principal.ask(RevokeApiKey(key_id=key_id, ordered_by=principal.actor))
    except ProblemError as error:
        return await _show(principal, revoking=wrong_with(error))
    return see_other(f"/t/{principal.tenant}/settings/keys")


async def _show(
    principal: Principal,
    cursor: str | None = None,
    *,
    wrong: Wrong = RIGHT,
    revoking: Wrong = RIGHT,
    form: FormData | None = None,
    made: ApiKeyView | None = None,
) -> Response:
    found = await principal.ask(ListApiKeys(cursor=cursor))
    called = await actors(principal, [key.created_by for key in found.keys])
    return page(
        "keys.html", wrong.status if revoking is RIGHT else revoking.status, principal=principal, found=found, called=called, scopes=sorted(principal.allowed - {Scope.SELF}),
        chosen=OF_PROGRAMS if form is None else several(form, "scopes"), filled={} if form is None else typed(form),
        now=datetime.now(UTC), made=made, wrong=wrong, revoking=revoking,
    )  # fmt: skip
