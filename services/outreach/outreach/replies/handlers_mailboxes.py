"""Mailboxes are set, removed and shown."""

from uuid import UUID

from sqlalchemy import RowMapping

from chassis import paging
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.message import ProblemCode, ProblemError
from contracts.outreach import mailboxes as messages
from contracts.outreach.accounts import AccountState
from contracts.taxonomy import Channel
from outreach.accounts import store as accounts
from outreach.replies import store_mailboxes as store


async def set_mailbox(uow: UnitOfWork, request: Received[messages.SetMailbox]) -> messages.MailboxView:
    tenant, ask = request.tenant, request.body
    account = await accounts.one(uow, tenant, ask.account_id)
    if account is None or account["account_state"] == AccountState.REMOVED:
        raise ProblemError(
            ProblemCode.NOT_FOUND, "this tenant has no such account; list_accounts shows them", "account_id"
        )
    if account["channel"] != Channel.EMAIL:
        raise ProblemError(
            ProblemCode.CONFLICT, f"an account of channel {account['channel']} has no mailbox", "account_id"
        )
    await store.put(uow, tenant, ask.account_id, ask.imap.model_dump_json())
    return _view(await _mailbox(uow, tenant, ask.account_id))


async def remove_mailbox(uow: UnitOfWork, request: Received[messages.RemoveMailbox]) -> messages.MailboxView:
    row = await _mailbox(uow, request.tenant, request.body.account_id)
    await store.remove(uow, request.tenant, request.body.account_id)
    return _view(row)


async def list_mailboxes(uow: UnitOfWork, request: Received[messages.ListMailboxes]) -> messages.MailboxList:
    ask = request.body
    rows = await store.page(uow, request.tenant, paging.after(ask.cursor, UUID), ask.limit + 1)
    page = rows[: ask.limit]
    cursor = str(page[-1]["account_id"]) if len(rows) > ask.limit else None
    return messages.MailboxList(mailboxes=[_view(row) for row in page], next_cursor=cursor)


async def _mailbox(uow: UnitOfWork, tenant: str, account_id: UUID) -> RowMapping:
    row = await store.one(uow, tenant, account_id)
    if row is None:
        raise ProblemError(ProblemCode.NOT_FOUND, "the account has no mailbox that is read", "account_id")
    return row


def _view(row: RowMapping) -> messages.MailboxView:
    shown = ("account_id", "read_at", "failing_since", "error", "passed_over")
    imap = messages.ImapServer.model_validate_json(row["imap"])
    return messages.MailboxView(imap=imap, **{name: row[name] for name in shown})
