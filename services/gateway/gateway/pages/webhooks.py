"""The secrets of inbound webhooks: what services sign with to tell what comes back of an account's messages."""

import asyncio
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.gateway.access import Scope
from contracts.gateway.webhooks import (
    GetWebhook,
    ListWebhooks,
    MakeWebhookSecret,
    RemoveWebhook,
    WebhookPage,
    WebhookSecretMade,
)
from contracts.message import ProblemError
from contracts.outreach.accounts import ExplainAccount
from gateway.gate import Admitted, Principal
from gateway.pages.actors import actors
from gateway.pages.called import accounts_of, choices
from gateway.pages.dashboard import time_zone
from gateway.pages.filled_in import Chosen
from gateway.pages.forms import invalid
from gateway.pages.sign_in import see_other
from gateway.problems import STATUS
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/settings/webhooks")

OVERLAP_HOURS: Final[int] = MakeWebhookSecret.model_fields["overlap_hours"].default
"""How long the secrets before count unless somebody says otherwise."""


class Shown(BaseModel):
    """What the address of the page says about what it shows."""

    model_config = ConfigDict(frozen=True)

    account_id: Chosen[UUID] = None
    """The only account whose webhook is shown."""
    cursor: Chosen[Annotated[str, Field(max_length=200)]] = None


class NewSecret(BaseModel):
    """The form that makes a secret."""

    model_config = ConfigDict(extra="forbid")

    account_id: UUID
    overlap_hours: str = str(OVERLAP_HOURS)


@router.get("")
async def webhooks(principal: Admitted, shown: Annotated[Shown, Query()], request: Request) -> Response:
    return await _show(principal, shown, request)


@router.post("")
async def make_secret(principal: Admitted, form: Annotated[NewSecret, Form()], request: Request) -> Response:
    """Show the secret this once: the answer to the form has it, and nothing else ever will."""
    shown = Shown(account_id=form.account_id)
    try:
        asked = {"account_id": form.account_id, "overlap_hours": form.overlap_hours, "ordered_by": principal.actor}
        order = MakeWebhookSecret.model_validate(asked)
        await principal.ask(ExplainAccount(account_id=form.account_id))  # there is such an account
        made = await principal.ask(order)
    except ValidationError as error:
        return await _show(principal, shown, request, wrong=invalid(error), hours=form.overlap_hours)
    except ProblemError as error:
        return await _show(principal, shown, request, wrong=error, hours=form.overlap_hours)
    return await _show(principal, shown, request, made=made)


@router.post("/{account_id}/revoke")
async def revoke_secrets(principal: Admitted, account_id: UUID) -> Response:
    """Have nothing come back by an account's webhook any more."""
    await principal.ask(RemoveWebhook(account_id=account_id, ordered_by=principal.actor))
    return see_other(f"/t/{principal.tenant}/settings/webhooks")


@router.post("/{account_id}/secrets/{secret_id}/revoke")
async def revoke_secret(principal: Admitted, account_id: UUID, secret_id: UUID) -> Response:
    """Have one secret not count any more."""
    await principal.ask(RemoveWebhook(account_id=account_id, secret_id=secret_id, ordered_by=principal.actor))
    return see_other(f"/t/{principal.tenant}/settings/webhooks")


async def _show(
    principal: Principal,
    shown: Shown,
    request: Request,
    *,
    wrong: ProblemError | None = None,
    made: WebhookSecretMade | None = None,
    hours: str = str(OVERLAP_HOURS),
) -> Response:
    found, accounts, zone = await asyncio.gather(
        _found(principal, shown), accounts_of(principal), time_zone(request, principal.tenant)
    )
    return page(
        "webhooks.html", STATUS[wrong.problem.code] if wrong else HTTPStatus.OK, principal=principal, shown=shown,
        found=found, accounts=accounts, account_choices=choices(accounts), made=made, overlap_hours=OVERLAP_HOURS, hours=hours,
        called=await actors(principal, [secret.created_by for webhook in found.webhooks for secret in webhook.secrets]),
        may=Scope.OUTREACH_WRITE in principal.allowed, wrong=wrong.problem.message if wrong else "", zone=zone,
        now=datetime.now(UTC),
    )  # fmt: skip


async def _found(principal: Principal, shown: Shown) -> WebhookPage:
    """The webhooks that are shown: one account's, or a page of all."""
    if shown.account_id is None:
        return await principal.ask(ListWebhooks(cursor=shown.cursor))
    webhook = await principal.ask(GetWebhook(account_id=shown.account_id))
    return WebhookPage(webhooks=[webhook] if webhook.secrets else [])
