"""Replay: the numbers made anew from the events, and compared with those that are shown."""

from typing import Annotated, Final

from fastapi import APIRouter, Query

from contracts.aggregator.replay import Replay, ReplayReport, Validate, Validation
from gateway.gate import Admitted

router = APIRouter(tags=["numbers"])

_SECONDS: Final = 600.0
"""Both read every event of the tenant."""


@router.get("/validation")
async def validate(principal: Admitted, query: Annotated[Validate, Query()]) -> Validation:
    """Fold the tenant's events, apart from every query, and compare each number with what is shown. Nothing is changed."""
    return await principal.ask(query, seconds=_SECONDS)


@router.post("/replay")
async def replay(principal: Admitted) -> ReplayReport:
    """Rebuild every number from the tenant's events, compare it with what was shown, and show it from then on."""
    return await principal.ask(Replay(), seconds=_SECONDS)
