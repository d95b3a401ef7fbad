"""For auditors: who was shown whose values, and what was done although something similar had been."""

from typing import Annotated

from fastapi import APIRouter, Query

from contracts.intake.memory import ActionPage, ListActions
from contracts.intake.privacy import ListReveals, RevealPage
from gateway.gate import Admitted

router = APIRouter(tags=["oversight"])


@router.get("/reveals")
async def list_reveals(principal: Admitted, query: Annotated[ListReveals, Query()]) -> RevealPage:
    """Who was shown whose personal values and why, newest first, a page at a time."""
    return await principal.ask(query)


@router.get("/actions")
async def list_actions(principal: Admitted, query: Annotated[ListActions, Query()]) -> ActionPage:
    """The actions that match everything given, newest first, a page at a time."""
    return await principal.ask(query)
