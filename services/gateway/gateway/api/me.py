"""Whoever asks."""

from fastapi import APIRouter
from pydantic import BaseModel

from contracts.gateway.access import Scope
from contracts.taxonomy import Role
from contracts.values import Actor
from gateway.gate import Admitted

router = APIRouter(tags=["users"])


class Me(BaseModel):
    """Who somebody is here, and what they may do."""

    actor: Actor
    role: Role | None
    """A user's; an API key has none."""
    allowed: list[Scope]
    """What they may do."""


@router.get("/me")
async def me(principal: Admitted) -> Me:
    """Who you are here, and what you may do."""
    return Me(actor=principal.actor, role=principal.role, allowed=sorted(principal.allowed))
