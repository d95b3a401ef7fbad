"""What comes back of messages, handed over by whoever has an API key; what an account's service signs comes as webhooks (`gateway/webhooks`)."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from contracts.outreach.replies import (
    DeliveryTaken,
    MailTaken,
    ReplyView,
    ReportComplaint,
    ReportDelivery,
    TakeMail,
    TakeReply,
)
from gateway.api.orders import order, sent
from gateway.gate import Admitted

router = APIRouter(tags=["outreach"])


@router.post("/messages/{message_id}/replies")
async def take_reply(
    principal: Admitted, message_id: UUID, given: Annotated[BaseModel, sent(TakeReply, "message_id", "account_id")]
) -> ReplyView:
    """Hand over a reply to a message, as a service for LinkedIn or SMS has it; once, by its `source_key`."""
    return await principal.ask(order(TakeReply, given, message_id=message_id))


@router.post("/messages/{message_id}/delivery")
async def report_delivery(
    principal: Admitted, message_id: UUID, given: Annotated[BaseModel, sent(ReportDelivery, "message_id", "account_id")]
) -> DeliveryTaken:
    """Report whether a message has reached its recipient's system; once, by its `source_key`."""
    return await principal.ask(order(ReportDelivery, given, message_id=message_id))


@router.post("/messages/{message_id}/complaint")
async def report_complaint(
    principal: Admitted,
    message_id: UUID,
    given: Annotated[BaseModel, sent(ReportComplaint, "message_id", "account_id")],
) -> DeliveryTaken:
    """Report a recipient's complaint about a message: they are never contacted again."""
    return await principal.ask(order(ReportComplaint, given, message_id=message_id))


@router.post("/mails")
async def take_mail(principal: Admitted, given: Annotated[BaseModel, sent(TakeMail, "account_id")]) -> MailTaken:
    """Hand over a mail that came in, whatever it is: a reply, a delivery report, a complaint; once, by its Message-ID."""
    return await principal.ask(order(TakeMail, given))
