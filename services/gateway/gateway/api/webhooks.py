"""Webhooks of accounts: the secrets that services sign with what comes back of messages."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from contracts.gateway.webhooks import GetWebhook, MakeWebhookSecret, RemoveWebhook, WebhookSecretMade, WebhookView
from contracts.outreach.accounts import ExplainAccount
from gateway.api.idempotency import ONCE
from gateway.api.orders import order, sent
from gateway.gate import Admitted

router = APIRouter(prefix="/accounts/{account_id}/webhook", tags=["accounts"])


@router.get("")
async def get_webhook(principal: Admitted, account_id: UUID) -> WebhookView:
    """Where an account's service sends webhooks, and which secrets count."""
    return await principal.ask(GetWebhook(account_id=account_id))


@router.post("/secrets", status_code=HTTPStatus.CREATED, dependencies=[ONCE])
async def make_webhook_secret(
    principal: Admitted,
    account_id: UUID,
    given: Annotated[BaseModel, sent(MakeWebhookSecret, "account_id", "ordered_by")],
) -> WebhookSecretMade:
    """Make a secret, shown in this answer and nowhere else; those before count for `overlap_hours` more."""
    await principal.ask(ExplainAccount(account_id=account_id))  # there is such an account
    return await principal.ask(order(MakeWebhookSecret, given, account_id=account_id, ordered_by=principal.actor))


@router.delete("")
async def remove_webhook(principal: Admitted, account_id: UUID) -> WebhookView:
    """Have no secret of the account count any more, at once."""
    return await principal.ask(RemoveWebhook(account_id=account_id, ordered_by=principal.actor))
