"""Accounts' mailboxes are read, and what lies in them is taken, each mail once.

How far a mailbox was read is kept in the transaction that takes the mail. One that cannot be taken for now waits with all behind
it; one that can never be is passed over, and named in the log, so that it keeps nobody else's reply.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping

from chassis import tenants
from chassis.failures import describe, is_transient
from chassis.logs import get_logger
from chassis.outside import NoSecretError, NotAllowedError, Outside, secret, variable
from chassis.unit_of_work import Database, UnitOfWork
from contracts.message import ProblemCode, ProblemError
from contracts.outreach.mailboxes import ImapServer
from outreach.replies import store_mailboxes as store
from outreach.replies.imap import Cursor, Fetched, Inbox, Mailbox, MailboxError, Security, open_inbox

log = get_logger("mailboxes")

EVERY: Final = timedelta(minutes=1)
"""How often a mailbox is read."""
_AFTER_FAILURE: Final = timedelta(minutes=5)
_AT_ONCE: Final = 8
_LEASE: Final = timedelta(minutes=10)
"""How long a mailbox is one replica's; it is read in far less, or the next one goes on where it was."""
_POLL_SECONDS: Final = 2.0

TakeMail = Callable[[UnitOfWork, str, bytes, UUID], Awaitable[object]]
"""Takes a mail of a tenant's that came to an account."""


class Mailboxes:
    """Reads mailboxes until it is cancelled.

    Parameters:
        take: takes a mail, in the unit of work that it is given.
    """

    def __init__(self, database: Database, take: TakeMail, outside: Outside) -> None:
        self._database = database
        self._take = take
        self._outside = outside

    async def run(self) -> None:
        while True:
            if not await self.read_due():
                await asyncio.sleep(_POLL_SECONDS)

    async def read_due(self) -> int:
        """Read the mailboxes that are due; returns how many they were."""
        async with self._database.begin() as uow:
            names = await tenants.all_tenants(uow)
            await uow.act_for(names)
            due = await store.take_due(uow, names, uow.now + _LEASE, _AT_ONCE)
        await asyncio.gather(*(self._read(row) for row in due))
        return len(due)

    async def _read(self, row: RowMapping) -> None:
        tenant, account = row["tenant_id"], row["account_id"]
        error, pause = None, EVERY
        try:
            async with open_inbox(await self._mailbox(row)) as inbox:
                await self._read_to_the_end(inbox, row)
        except MailboxError as refused:
            error, pause = str(refused), _AFTER_FAILURE
        except ProblemError as away:
            error = f"a reply waits, for whose it is cannot be told, or its words not kept: {away.problem.message}"
        except Exception as failure:
            if not is_transient(failure):
                log.exception("a mailbox was not read", tenant=tenant, account_id=str(account))
            error, pause = f"it was not read: {describe(failure)}", _AFTER_FAILURE
        async with self._database.begin(tenant) as uow:
            if error is None:
                await store.read(uow, tenant, account, uow.now + pause)
            else:
                await store.failed(uow, tenant, account, error, uow.now + pause)

    async def _mailbox(self, row: RowMapping) -> Mailbox:
        """Where to connect to.

        Raises:
            MailboxError: nothing is to be connected to.
        """
        server = ImapServer.model_validate_json(row["imap"])
        where = f"the IMAP server {server.host}:{server.port}"
        try:
            await self._outside.address(server.host, server.port)
        except NotAllowedError:
            raise MailboxError(f"{where} is not public: the operator allows it by LEADLOOP_PROVIDER_HOSTS") from None
        except (OSError, UnicodeError):
            raise MailboxError(f"{where} is not known to the name servers") from None
        try:
            password = secret(row["tenant_id"], server.password)
        except NoSecretError:
            name = variable(row["tenant_id"], server.password)
            raise MailboxError(f"{where} wants a password: the operator sets it as {name}") from None
        return Mailbox(
            server.host, row["address"], password, server.port, server.folder, Security(server.security.value)
        )

    async def _read_to_the_end(self, inbox: Inbox, row: RowMapping) -> None:
        tenant, account = row["tenant_id"], row["account_id"]
        cursor = None if row["uid"] is None else Cursor(row["uid_validity"], row["uid"])
        if cursor is None:
            # What lay there before anything was sent answers nothing.
            begin = await inbox.end()
            async with self._database.begin(tenant) as uow:
                if not await store.moved(uow, tenant, account, None, begin):
                    return
            cursor = begin
        while mails := await inbox.fetch(cursor):
            for mail in mails:
                if not await self._handle(tenant, row, cursor, mail):
                    return
                cursor = mail.cursor

    async def _handle(self, tenant: str, row: RowMapping, cursor: Cursor, mail: Fetched) -> bool:
        """Take a mail and move on; false if somebody else reads the mailbox by now."""
        account = row["account_id"]
        try:
            async with self._database.begin(tenant) as uow:
                if not await store.moved(uow, tenant, account, cursor, mail.cursor):
                    return False
                await self._take(uow, tenant, mail.raw, account)
            return True
        except Exception as error:
            away = isinstance(error, ProblemError) and error.problem.code is ProblemCode.UNAVAILABLE
            if away or is_transient(error):
                raise
            log.exception("a mail was passed over", tenant=tenant, account_id=str(account), uid=mail.uid)
        async with self._database.begin(tenant) as uow:
            return await store.moved(uow, tenant, account, cursor, mail.cursor, passed_over=True)
