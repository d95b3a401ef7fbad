"""An account's mailbox is read while outreach runs: what lies in it is taken once, whoever reads it, and whatever fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

import pytest

from chassis.outside import variable
from contracts.outreach.accounts import ListAccounts
from contracts.outreach.mailboxes import ListMailboxes, MailboxView, NewImapServer, RemoveMailbox, SetMailbox
from contracts.outreach.replies import ListReplies
from outreach.app import build
from tests.outreach.replies.imap_server import DOVECOT, PASSWORD, ImapServer, imap_server
from tests.outreach.replies.test_taking import BOUNCE, REPLY, sent
from tests.outreach.scene import Outbox, events
from tests.platform import Platform
from tests.waiting import until

pytestmark = pytest.mark.skipif(
    DOVECOT is None, reason="there is no dovecot; apt-get install --no-install-recommends dovecot-imapd"
)


@pytest.fixture(scope="module")
async def server(memory_path: Path) -> AsyncIterator[ImapServer]:
    """The mailbox of the account that `scene.account` adds."""
    with TemporaryDirectory(dir=memory_path, prefix="imap-") as folder:
        async with imap_server(Path(folder)) as running:
            yield ImapServer(running.folder, running.port, running.tls_port, user="sales@example.com")


@pytest.fixture
async def outbox(
    platform: Platform, tenant: str, server: ImapServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Outbox]:
    monkeypatch.setenv("LEADLOOP_PROVIDER_HOSTS", f"127.0.0.1:{server.tls_port}")
    monkeypatch.setenv("SSL_CERT_FILE", str(server.folder / "certificate.pem"))
    monkeypatch.setenv(variable(tenant, "INBOX"), PASSWORD)
    outbox = Outbox(tenant)
    async with platform.running("intake"), build(platform.settings("outreach"), outbox).running():
        await platform.introduce(tenant, "intake", "outreach")
        yield outbox


async def read_from_now_on(platform: Platform, tenant: str, server: ImapServer, **changes: object) -> UUID:
    """Set the account's mailbox, and wait until it was read once, or could not be."""
    (account,) = (await platform.caller.ask(tenant, ListAccounts())).accounts
    imap = NewImapServer.model_validate({"host": "127.0.0.1", "port": server.tls_port, "password": "INBOX", **changes})
    await platform.caller.ask(tenant, SetMailbox(account_id=account.account_id, imap=imap))

    async def tried() -> bool:
        view = await mailbox(platform, tenant)
        return bool(view.read_at or view.failing_since)

    await until(tried, what="the mailbox is read")
    return account.account_id


async def mailbox(platform: Platform, tenant: str) -> MailboxView:
    (view,) = (await platform.caller.ask(tenant, ListMailboxes())).mailboxes
    return view


async def a_minute_passes(platform: Platform, tenant: str) -> None:
    async with platform.sql() as sql:
        await sql.execute("update outreach.mailbox set next_at = now() where tenant_id = $1", tenant)


@asynccontextmanager
async def broken_vault(platform: Platform, tenant: str) -> AsyncIterator[None]:
    """Intake fails to keep a text, by a fault of its own, while the block lasts."""
    async with platform.sql() as sql:
        await sql.execute(f"alter table intake.text add constraint broken check (tenant_id <> '{tenant}')")
        try:
            yield
        finally:
            await sql.execute("alter table intake.text drop constraint broken")


def reply(message: UUID) -> bytes:
    return REPLY.format(own=uuid4().hex, message=message).replace("\n", "\r\n").encode()


async def test_what_comes_into_a_mailbox_is_taken_once(
    platform: Platform, tenant: str, outbox: Outbox, server: ImapServer
) -> None:
    (message,) = await sent(platform, tenant)
    before, answer = reply(message), reply(message)
    await asyncio.to_thread(server.append, before)
    await read_from_now_on(platform, tenant, server)
    await asyncio.to_thread(server.append, b"Subject: Lunch?\r\n\r\nAt noon?\r\n", answer)
    await a_minute_passes(platform, tenant)

    async def taken() -> bool:
        return bool((await platform.caller.ask(tenant, ListReplies())).replies)

    await until(taken, what="the reply is taken")
    await a_minute_passes(platform, tenant)
    view = await mailbox(platform, tenant)
    assert (view.failing_since, view.error, view.passed_over) == (None, None, 0)
    assert len(await events(platform, tenant, "reply_received")) == 1


async def test_what_names_no_message_is_attributed_by_the_account_whose_mailbox_it_came_into(
    platform: Platform, tenant: str, outbox: Outbox, server: ImapServer
) -> None:
    (message,) = await sent(platform, tenant, {"email": "ada@example.com"})
    await read_from_now_on(platform, tenant, server)
    await asyncio.to_thread(
        server.append, b"From: ada@example.com\r\nSubject: Your mail\r\n\r\nPlease leave me alone.\r\n"
    )
    await a_minute_passes(platform, tenant)

    async def taken() -> list[UUID]:
        return [reply.message_id for reply in (await platform.caller.ask(tenant, ListReplies())).replies]

    assert await until(taken, what="the reply is taken") == [message]


async def test_a_mail_that_can_never_be_taken_holds_up_none_behind_it(
    platform: Platform, tenant: str, outbox: Outbox, server: ImapServer
) -> None:
    (message,) = await sent(platform, tenant)
    await read_from_now_on(platform, tenant, server)
    async with broken_vault(platform, tenant):
        report = BOUNCE.format(own=uuid4().hex, message=message, action="failed", status="5.1.1")
        await asyncio.to_thread(server.append, reply(message), report.replace("\n", "\r\n").encode())
        await a_minute_passes(platform, tenant)

        async def reported() -> bool:
            return bool(await events(platform, tenant, "delivery_reported"))

        await until(reported, what="the report behind the reply is taken")
    view = await mailbox(platform, tenant)
    assert (view.failing_since, view.passed_over) == (None, 1)
    assert await events(platform, tenant, "reply_received") == []


async def test_a_mailbox_that_cannot_be_read_says_why(
    platform: Platform, tenant: str, outbox: Outbox, server: ImapServer
) -> None:
    await sent(platform, tenant)
    account_id = await read_from_now_on(platform, tenant, server, password="NOT_SET")

    view = await mailbox(platform, tenant)
    assert view.failing_since
    assert view.error
    assert variable(tenant, "NOT_SET") in view.error
    await read_from_now_on(platform, tenant, server, host="localhost")
    view = await mailbox(platform, tenant)
    assert view.error
    assert "LEADLOOP_PROVIDER_HOSTS" in view.error

    await platform.caller.ask(tenant, RemoveMailbox(account_id=account_id))
    assert (await platform.caller.ask(tenant, ListMailboxes())).mailboxes == []
