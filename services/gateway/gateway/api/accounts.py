"""Accounts: what messages leave from, how healthy each is, and the mailboxes that replies come to."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from contracts.outreach.accounts import (
    AccountExplanation,
    AccountList,
    AccountView,
    ExplainAccount,
    ListAccounts,
    PauseAccount,
    RemoveAccount,
    ResumeAccount,
    SetAccount,
)
from contracts.outreach.mailboxes import ListMailboxes, MailboxList, MailboxView, RemoveMailbox, SetMailbox
from gateway.api.idempotency import OptionalKey
from gateway.api.orders import order, sent
from gateway.gate import Admitted

router = APIRouter(tags=["accounts"])


@router.get("/accounts")
async def list_accounts(principal: Admitted, query: Annotated[ListAccounts, Query()]) -> AccountList:
    """The accounts in the order they were added, a page at a time."""
    return await principal.ask(query)


@router.post("/accounts", status_code=HTTPStatus.CREATED)
async def add_account(
    principal: Admitted,
    given: Annotated[BaseModel, sent(SetAccount, "account_id", "added_as", "actor")],
    key: OptionalKey,
    response: Response,
) -> AccountView:
    """Add an account; what is left out has its usual value."""
    added = await principal.ask(order(SetAccount, given, added_as=key.made_id if key else None, actor=principal.actor))
    response.headers["Location"] = f"/api/t/{principal.tenant}/accounts/{added.account_id}"
    return added


@router.get("/accounts/{account_id}")
async def explain_account(principal: Admitted, account_id: UUID) -> AccountExplanation:
    """An account, and why its health is what it is, term by term."""
    return await principal.ask(ExplainAccount(account_id=account_id))


@router.patch("/accounts/{account_id}")
async def change_account(
    principal: Admitted,
    account_id: UUID,
    given: Annotated[BaseModel, sent(SetAccount, "account_id", "added_as", "actor")],
) -> AccountView:
    """Change an account; what is left out stays."""
    return await principal.ask(order(SetAccount, given, account_id=account_id, actor=principal.actor))


@router.delete("/accounts/{account_id}")
async def remove_account(principal: Admitted, account_id: UUID) -> AccountView:
    """Have an account send nothing any more; what waits for it leaves by another of its rotation set."""
    return await principal.ask(RemoveAccount(account_id=account_id, actor=principal.actor))


@router.post("/accounts/{account_id}/pause")
async def pause_account(principal: Admitted, account_id: UUID) -> AccountView:
    """Have an account send nothing until it is resumed."""
    return await principal.ask(PauseAccount(account_id=account_id, actor=principal.actor))


@router.post("/accounts/{account_id}/resume")
async def resume_account(principal: Admitted, account_id: UUID) -> AccountView:
    """Let an account send again that was paused or blocked."""
    return await principal.ask(ResumeAccount(account_id=account_id, actor=principal.actor))


@router.get("/mailboxes")
async def list_mailboxes(principal: Admitted, query: Annotated[ListMailboxes, Query()]) -> MailboxList:
    """The mailboxes and how reading them goes, a page at a time."""
    return await principal.ask(query)


@router.put("/accounts/{account_id}/mailbox")
async def set_mailbox(
    principal: Admitted, account_id: UUID, given: Annotated[BaseModel, sent(SetMailbox, "account_id", "actor")]
) -> MailboxView:
    """Have an account's mailbox be read from now on, once a minute; what lies in it already is not."""
    return await principal.ask(order(SetMailbox, given, account_id=account_id, actor=principal.actor))


@router.delete("/accounts/{account_id}/mailbox")
async def remove_mailbox(principal: Admitted, account_id: UUID) -> MailboxView:
    """Have an account's mailbox not be read any more."""
    return await principal.ask(RemoveMailbox(account_id=account_id, actor=principal.actor))
