"""What agents do themselves: take a lead that waits, be done with one, say what a reply says."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from contracts.intake.distribution import AssignmentView, ClaimLead, CompleteWork
from contracts.intake.memory import ActionRecall, ActionView, CheckAction, RecordAction, UpdateAction
from contracts.message import ProblemCode, ProblemError
from contracts.outreach.replies import ClassifyReply, HandleReply, ListReplies, ReplyPage, ReplyView, StopAfterReply
from contracts.values import Actor
from gateway.api.idempotency import OptionalKey
from gateway.api.orders import order, sent
from gateway.gate import Admitted

router = APIRouter(tags=["work"])

_KEY = "key:"


@router.post("/leads/{lead_id}/claim")
async def claim_lead(
    principal: Admitted,
    lead_id: UUID,
    given: Annotated[BaseModel, sent(ClaimLead, "lead_id", "user_id")],
    user_id: Annotated[Actor | None, Query(description="The agent; only an API key names one, others are it.")] = None,
) -> AssignmentView:
    """Take a lead that waits; of several who try at once one gets it, and the others 409."""
    if user_id not in (None, principal.actor) and not principal.actor.startswith(_KEY):
        raise ProblemError(ProblemCode.FORBIDDEN, "nobody takes a lead for somebody else: assign it", "user_id")
    return await principal.ask(order(ClaimLead, given, lead_id=lead_id, user_id=user_id or principal.actor))


@router.post("/leads/{lead_id}/complete")
async def complete_work(principal: Admitted, lead_id: UUID) -> AssignmentView:
    """Be done with a lead: its work is closed."""
    return await principal.ask(CompleteWork(lead_id=lead_id, actor=principal.actor))


@router.get("/replies")
async def list_replies(principal: Admitted, query: Annotated[ListReplies, Query()]) -> ReplyPage:
    """Replies, the last taken first, a page at a time; with `needs_person` the inbox: those that somebody has to read."""
    return await principal.ask(query)


@router.post("/replies/{reply_id}/classify")
async def classify_reply(
    principal: Admitted, reply_id: UUID, given: Annotated[BaseModel, sent(ClassifyReply, "reply_id", "actor")]
) -> ReplyView:
    """Say what a reply says, as somebody who has read it; it is acted on."""
    return await principal.ask(order(ClassifyReply, given, reply_id=reply_id, actor=principal.actor))


@router.post("/replies/{reply_id}/handle")
async def handle_reply(principal: Admitted, reply_id: UUID) -> ReplyView:
    """Say that nothing is left to be done about a reply; what it says stays open."""
    return await principal.ask(HandleReply(reply_id=reply_id, actor=principal.actor))


@router.post("/replies/{reply_id}/stop")
async def stop_after_reply(principal: Admitted, reply_id: UUID) -> ReplyView:
    """Have the person of a reply be sent nothing more of whatever sequence they are in, whatever the reply says."""
    return await principal.ask(StopAfterReply(reply_id=reply_id, actor=principal.actor))


@router.post("/actions/check")
async def check_action(principal: Admitted, about: CheckAction) -> ActionRecall:
    """Ask before an action whether something similar was done before. Nothing is recorded."""
    return await principal.ask(about)


@router.post("/actions")
async def record_action(
    principal: Admitted, given: Annotated[BaseModel, sent(RecordAction, "action_id", "actor")], key: OptionalKey
) -> ActionView:
    """Record that an action was taken, or is under way. Again with the same `Idempotency-Key`, nothing changes."""
    action = key.id("action") if key else None
    return await principal.ask(order(RecordAction, given, action_id=action, actor=principal.actor))


@router.post("/actions/{action_id}/status")
async def update_action(
    principal: Admitted, action_id: UUID, given: Annotated[BaseModel, sent(UpdateAction, "action_id")]
) -> ActionView:
    """Say what came of an action, once it is known."""
    return await principal.ask(order(UpdateAction, given, action_id=action_id))
