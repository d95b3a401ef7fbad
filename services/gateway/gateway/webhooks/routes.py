"""Where services send webhooks: each is checked, and becomes a request to outreach about a message of the account's."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from chassis.service import Service
from contracts.message import PLATFORM, is_tenant
from contracts.message import Request as Ask
from contracts.outreach.replies import (
    MOST_MAIL_BYTES,
    ReportComplaint,
    ReportDelivery,
    TakeMail,
    TakeReply,
)
from contracts.taxonomy import Fault
from contracts.values import NO_NUL, Moment, Slug
from gateway.gate import cause_of
from gateway.limits import Kind, count
from gateway.problems import RefusedError
from gateway.webhooks.handlers import account
from gateway.webhooks.verifying import Verifying

PATH = "/hooks/{tenant}/{account_id}"
router = APIRouter()
_NOBODY = UUID(int=0)


class _Data(BaseModel):
    """What a webhook is about. Fields that we do not know are the sender's own."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class _OfMessage(_Data):
    message_id: UUID


class Reply(_OfMessage):
    text: Annotated[str, Field(min_length=1, max_length=20_000, pattern=NO_NUL)]
    received_at: Moment | None = None


class Failure(_OfMessage):
    reason: Slug | None = None
    fault: Fault | None = None


class Mail(_Data):
    raw: Annotated[Base64Bytes, Field(min_length=1, max_length=MOST_MAIL_BYTES)]


class _Webhook(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    timestamp: datetime | None = None


class ReplyReceived(_Webhook):
    """Somebody answered a message."""

    type: Literal["reply.received"]
    data: Reply

    def order(self, source_key: str, account_id: UUID) -> Ask[Any]:
        return TakeReply(**dict(self.data), source_key=source_key, account_id=account_id)


class MessageDelivered(_Webhook):
    """A message has reached its recipient's system."""

    type: Literal["message.delivered"]
    data: _OfMessage

    def order(self, source_key: str, account_id: UUID) -> Ask[Any]:
        return ReportDelivery(**dict(self.data), delivered=True, source_key=source_key, account_id=account_id)


class MessageFailed(_Webhook):
    """A message came back."""

    type: Literal["message.failed"]
    data: Failure

    def order(self, source_key: str, account_id: UUID) -> Ask[Any]:
        return ReportDelivery(**dict(self.data), delivered=False, source_key=source_key, account_id=account_id)


class MessageComplained(_Webhook):
    """A recipient complained of a message."""

    type: Literal["message.complained"]
    data: _OfMessage

    def order(self, source_key: str, account_id: UUID) -> Ask[Any]:
        return ReportComplaint(**dict(self.data), source_key=source_key, account_id=account_id)


class MailReceived(_Webhook):
    """A mail came in, whatever it is; it is known again by its Message-ID."""

    type: Literal["mail.received"]
    data: Mail

    def order(self, source_key: str, account_id: UUID) -> Ask[Any]:
        return TakeMail(raw=self.data.raw, account_id=account_id)


Webhook = Annotated[
    ReplyReceived | MessageDelivered | MessageFailed | MessageComplained | MailReceived, Field(discriminator="type")
]
TYPES = ("reply.received", "message.delivered", "message.failed", "message.complained", "mail.received")
_WEBHOOK: TypeAdapter[Webhook] = TypeAdapter(Webhook)


@router.post(PATH, status_code=HTTPStatus.NO_CONTENT)
async def take_webhook(request: Request, tenant: str, account_id: str) -> Response:
    """Take what comes back of a message; what is sent again under its `webhook-id` was taken already, and is answered alike."""
    cause = cause_of(request, tenant if is_tenant(tenant) else PLATFORM)
    verifying: Verifying = request.app.state.verifying
    about = _uuid(account_id)
    body = await request.body()
    webhook_id = await verifying.webhook_id(cause, about, request.headers, body)
    await count(
        request, tenant, account(about), Kind.INCOMING
    )  # not before: nobody else uses up what its service may send
    service: Service = request.app.state.service
    await service.caller.ask(tenant, _read(body).order(f"{about}:{webhook_id}", about), cause=cause)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _read(body: bytes) -> Webhook:
    try:
        return _WEBHOOK.validate_json(body)
    except ValidationError as error:
        flaws = error.errors(include_url=False, include_input=False)
    first = flaws[0]["type"]
    if first == "json_invalid":
        raise RefusedError(HTTPStatus.BAD_REQUEST, "the body is no JSON in UTF-8, or goes too deep")
    if first.startswith("union_tag"):
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"type: one of {', '.join(TYPES)}", field="type")
    field = ".".join(
        map(str, flaws[0]["loc"][1:])
    )  # it begins with the type; every name is ours, for others are ignored
    raise RefusedError(HTTPStatus.BAD_REQUEST, f"{field}: {flaws[0]['msg'].removeprefix('Value error, ')}", field=field)


def _uuid(text: str) -> UUID:
    """What is none is nobody's."""
    try:
        return UUID(text)
    except ValueError:
        return _NOBODY
