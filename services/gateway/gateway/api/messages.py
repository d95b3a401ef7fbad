"""Messages: what is queued, why it has not left, and what became of it."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from contracts.outreach.activity import MOST_NAMED, ActivityFilter, ActivityPage, ListActivity
from contracts.outreach.people import (
    ContactPage,
    ContactView,
    GetContact,
    HistoryPage,
    ListContacts,
    OutreachHistory,
)
from contracts.outreach.sending import (
    ExplainMessage,
    Explanation,
    LeadMessages,
    LeadMessagesView,
    MessageHistory,
    MessageHistoryView,
    MessageView,
    PostponeFollowup,
    SendState,
    SettleMessage,
    SkipMessage,
)
from gateway.api.orders import Paging, order, sent
from gateway.gate import Admitted

router = APIRouter(tags=["outreach"])


class QueueQuery(ActivityFilter):
    """Which of the queued messages are asked for."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=MOST_NAMED)] = 50
    """How many at most."""
    cursor: Annotated[str, Field(max_length=200)] | None = None
    """The last page's `next_cursor`; the first page, if empty."""


@router.get("/queue")
async def list_queue(principal: Admitted, query: Annotated[QueueQuery, Query()]) -> ActivityPage:
    """The messages that wait to leave, the next one first, a page at a time."""
    soonest: Literal["soonest_first"] = "soonest_first"
    return await principal.ask(ListActivity(**query.model_dump(), states=[SendState.QUEUED], order=soonest))


@router.get("/messages/{message_id}/explanation")
async def explain_message(principal: Admitted, message_id: UUID) -> Explanation:
    """Why a message has not left: every gate's verdict, the binding one, and the earliest time it could go."""
    return await principal.ask(ExplainMessage(message_id=message_id))


@router.get("/messages/{message_id}/history")
async def message_history(principal: Admitted, message_id: UUID) -> MessageHistoryView:
    """All that happened to a message."""
    return await principal.ask(MessageHistory(message_id=message_id))


@router.post("/messages/{message_id}/skip")
async def skip_message(
    principal: Admitted, message_id: UUID, given: Annotated[BaseModel, sent(SkipMessage, "message_id", "actor")]
) -> MessageView:
    """Have a message that has not begun to leave not be sent; its sequence goes on with the next step."""
    return await principal.ask(order(SkipMessage, given, message_id=message_id, actor=principal.actor))


@router.post("/messages/{message_id}/postpone")
async def postpone_followup(
    principal: Admitted, message_id: UUID, given: Annotated[BaseModel, sent(PostponeFollowup, "message_id", "actor")]
) -> MessageView:
    """Have a follow-up that has not begun to leave wait until another moment, at most 60 days from now."""
    return await principal.ask(order(PostponeFollowup, given, message_id=message_id, actor=principal.actor))


@router.post("/messages/{message_id}/settle")
async def settle_message(
    principal: Admitted, message_id: UUID, given: Annotated[BaseModel, sent(SettleMessage, "message_id", "actor")]
) -> MessageView:
    """Say what became of a message of which nobody knows whether it was sent, or have it sent again all the same."""
    return await principal.ask(order(SettleMessage, given, message_id=message_id, actor=principal.actor))


@router.get("/leads/{lead_id}/messages")
async def list_lead_messages(principal: Admitted, lead_id: UUID, query: Annotated[Paging, Query()]) -> LeadMessagesView:
    """The messages to a lead, sent or not, a page at a time."""
    return await principal.ask(LeadMessages(lead_id=lead_id, **query.model_dump()))


@router.get("/leads/{lead_id}/outreach")
async def outreach_history(principal: Admitted, lead_id: UUID, query: Annotated[Paging, Query()]) -> HistoryPage:
    """What was sent to a lead, and to those that it stands for, whatever by, newest first, a page at a time."""
    return await principal.ask(OutreachHistory(lead_id=lead_id, **query.model_dump()))


@router.get("/leads/{lead_id}/contact")
async def get_contact(principal: Admitted, lead_id: UUID) -> ContactView:
    """How a lead's person stands with all campaigns together, and whether one could contact them now."""
    return await principal.ask(GetContact(lead_id=lead_id))


@router.get("/contacts")
async def list_contacts(principal: Admitted, query: Annotated[ListContacts, Query()]) -> ContactPage:
    """How the persons of leads stand with all campaigns together, a page at a time."""
    return await principal.ask(query)
