"""What is personal: shown to people, for a purpose, with a row in the audit for each lead or text."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel

from contracts.intake.privacy import RevealPii, Revelation
from contracts.intake.texts import RevealedTexts, RevealTexts
from gateway.api.orders import order, sent
from gateway.gate import Admitted

router = APIRouter(tags=["personal data"])


@router.post("/leads/reveal")
async def reveal_leads(principal: Admitted, given: Annotated[BaseModel, sent(RevealPii, "on_behalf_of")]) -> Revelation:
    """See what up to 100 leads are called and where they are reached, all in one, each audited.

    403 where your role may not for this purpose, 429 where you would have seen more persons within an hour than the tenant allows.
    """
    return await principal.ask(order(RevealPii, given, on_behalf_of=principal.on_behalf_of()))


@router.post("/texts/reveal")
async def reveal_texts(
    principal: Admitted, given: Annotated[BaseModel, sent(RevealTexts, "on_behalf_of")]
) -> RevealedTexts:
    """See texts that were received of persons, each audited; as with leads, and counted together with them."""
    return await principal.ask(order(RevealTexts, given, on_behalf_of=principal.on_behalf_of()))
