"""Where services send webhooks: each is checked, and becomes a request to outreach about a message of the account's."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, get_args
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, RootModel, ValidationError

from chassis.service import Service
from contracts.documents.examples import example_of
from contracts.documents.schema import schema_of
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
router = APIRouter(tags=["webhooks"])
_NOBODY = UUID(int=0)


class _Open(BaseModel):
    """Fields that we do not know are the sender's own."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class OfMessage(_Open):
    """Which message it is about."""

    message_id: UUID
    """The message; one that left by the account."""


class ReplyData(OfMessage):
    """What somebody answered."""

    text: Annotated[str, Field(min_length=1, max_length=20_000, pattern=NO_NUL, examples=["Yes, call me."])]
    """What the person wrote, without what they quoted."""
    received_at: Moment | None = None
    """When it came; now, if empty."""


class FailureData(OfMessage):
    """Why a message came back."""

    reason: Annotated[Slug, Field(examples=["number_unknown"])] | None = None
    """Why, as a word."""
    fault: Fault | None = None
    """Whose fault that is; nobody's address is given up where it is not told."""


class MailData(_Open):
    """What came in."""

    raw: Annotated[Base64Bytes, Field(min_length=1, max_length=MOST_MAIL_BYTES, examples=["RnJvbTogYQoKYg=="])]
    """The mail as a server has it, in base64; its beginning is enough."""


class _Told(_Open):
    timestamp: datetime | None = None
    """When it happened, as the sender says; nothing rests on it."""


class ReplyReceived(_Told):
    """Somebody answered a message."""

    type: Literal["reply.received"]
    """What is told."""
    data: ReplyData
    """Of what."""

    def order(self, source_key: str, account_id: UUID) -> Ask[Any]:
        return TakeReply(**dict(self.data), source_key=source_key, account_id=account_id)


class MessageDelivered(_Told):
    """A message has reached its recipient's system."""

    type: Literal["message.delivered"]
    """What is told."""
    data: OfMessage
    """Of what."""

    def order(self, source_key: str, account_id: UUID) -> Ask[Any]:
        return ReportDelivery(**dict(self.data), delivered=True, source_key=source_key, account_id=account_id)


class MessageFailed(_Told):
    """A message came back."""

    type: Literal["message.failed"]
    """What is told."""
    data: FailureData
    """Of what."""

    def order(self, source_key: str, account_id: UUID) -> Ask[Any]:
        return ReportDelivery(**dict(self.data), delivered=False, source_key=source_key, account_id=account_id)


class MessageComplained(_Told):
    """A recipient complained of a message."""

    type: Literal["message.complained"]
    """What is told."""
    data: OfMessage
    """Of what."""

    def order(self, source_key: str, account_id: UUID) -> Ask[Any]:
        return ReportComplaint(**dict(self.data), source_key=source_key, account_id=account_id)


class MailReceived(_Told):
    """A mail came in, whatever it is; it is known again by its Message-ID."""

    type: Literal["mail.received"]
    """What is told."""
    data: MailData
    """Of what."""

    def order(self, source_key: str, account_id: UUID) -> Ask[Any]:
        return TakeMail(raw=self.data.raw, account_id=account_id)


_Kind = ReplyReceived | MessageDelivered | MessageFailed | MessageComplained | MailReceived
KINDS: Final[dict[str, type[BaseModel]]] = {
    get_args(kind.model_fields["type"].annotation)[0]: kind for kind in get_args(_Kind)
}
"""What is told, by its `type`."""


class Webhook(RootModel[Annotated[_Kind, Field(discriminator="type")]]):
    """What comes back of a message; which of these it is says its `type`."""

    model_config = ConfigDict(
        hide_input_in_errors=True,
        json_schema_extra={
            "examples": [example_of(schema_of(kind)) | {"type": type_} for type_, kind in KINDS.items()]
        },
    )


def _header(name: str, means: str, example: str) -> dict[str, Any]:
    schema = {"type": "string", "examples": [example]}
    return {"name": name, "in": "header", "required": True, "description": means, "schema": schema}


_DESCRIBED: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": schema_of(Webhook)}}},
    "parameters": [
        _header("webhook-id", "The same each time the webhook is sent; it is taken once.", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        _header("webhook-timestamp", "When it was sent, in seconds since 1970; at most five minutes from now.", "1614265330"),
        _header(
            "webhook-signature",
            "`v1,` and the HMAC-SHA256 of id, time and body with one of the account's secrets, in base64; several are set apart by spaces.",
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
    ],
}  # fmt: skip
"""What it takes, as OpenAPI describes it; the body is read once its signature is right, and not before."""


@router.post(PATH, status_code=HTTPStatus.NO_CONTENT, openapi_extra=_DESCRIBED)
async def take_webhook(request: Request, tenant: str, account_id: str) -> Response:
    """Take what comes back of a message; what is sent again under its `webhook-id` was taken already, and is answered alike.

    It needs no API key: it is signed with one of the account's secrets, as Standard Webhooks have it (https://www.standardwebhooks.com).
    """
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


def _read(body: bytes) -> _Kind:
    try:
        return Webhook.model_validate_json(body).root
    except ValidationError as error:
        flaws = error.errors(include_url=False, include_input=False)
    first = flaws[0]["type"]
    if first == "json_invalid":
        raise RefusedError(HTTPStatus.BAD_REQUEST, "the body is no JSON in UTF-8, or goes too deep")
    if first.startswith("union_tag"):
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"type: one of {', '.join(KINDS)}", field="type")
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
