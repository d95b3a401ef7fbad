"""Webhooks of accounts: the secrets that services sign with what comes back of messages."""

from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from contracts.gateway.webhooks import (
    GetWebhook,
    ListWebhooks,
    MakeWebhookSecret,
    RemoveWebhook,
    WebhookPage,
    WebhookSecretMade,
    WebhookView,
)
from contracts.outreach.accounts import ExplainAccount
from gateway.api.idempotency import ONCE
from gateway.api.orders import order, sent
from gateway.gate import Admitted

_OF_ACCOUNT: Final = "/accounts/{account_id}/webhook"
router = APIRouter(tags=["accounts"])


@router.get("/webhooks")
async def list_webhooks(principal: Admitted, query: Annotated[ListWebhooks, Query()]) -> WebhookPage:
    """The webhooks of all accounts that have a secret which counts, a page at a time."""
    return await principal.ask(query)


@router.get(_OF_ACCOUNT)
async def get_webhook(principal: Admitted, account_id: UUID) -> WebhookView:
    """Where an account's service sends webhooks, and which secrets count."""
    return await principal.ask(GetWebhook(account_id=account_id))


@router.post(f"{_OF_ACCOUNT}/secrets", status_code=HTTPStatus.CREATED, dependencies=[ONCE])
async def make_webhook_secret(
    principal: Admitted,
    account_id: UUID,
    given: Annotated[BaseModel, sent(MakeWebhookSecret, "account_id", "ordered_by")],
) -> WebhookSecretMade:
    """Make a secret, shown in this answer and nowhere else; those before count for `overlap_hours` more."""
    await principal.ask(ExplainAccount(account_id=account_id))  # there is such an account
    return await principal.ask(order(MakeWebhookSecret, given, account_id=account_id, ordered_by=principal.actor))


@router.delete(_OF_ACCOUNT)
async def remove_webhook(principal: Admitted, account_id: UUID) -> WebhookView:
    """Have no secret of the account count any more, at once."""
    return await principal.ask(RemoveWebhook(account_id=account_id, ordered_by=principal.actor))


@router.delete(f"{_OF_ACCOUNT}/secrets/{{secret_id}}")
async def revoke_webhook_secret(
    principal: Admitted, account_id: UUID, secret_id: Annotated[UUID, Path(description="Which of its secrets.")]
) -> WebhookView:
    """Have one of an account's secrets not count any more, at once; the others count as long as they did."""
    return await principal.ask(RemoveWebhook(account_id=account_id, secret_id=secret_id, ordered_by=principal.actor))
