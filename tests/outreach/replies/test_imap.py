"""Mails come from a real IMAP server, each once."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from outreach.replies import imap
from outreach.replies.imap import Cursor, Mailbox, MailboxRefusedError, MailboxUnreachableError, open_inbox
from outreach.replies.mime import MAX_BYTES
from tests.outreach.replies.imap_server import DOVECOT, ImapServer, imap_server

pytestmark = pytest.mark.skipif(
    DOVECOT is None, reason="there is no dovecot; apt-get install --no-install-recommends dovecot-imapd"
)


@pytest.fixture(scope="module")
async def dovecot(memory_path: Path) -> AsyncIterator[ImapServer]:
    with TemporaryDirectory(dir=memory_path, prefix="imap-") as folder:
        async with imap_server(Path(folder)) as running:
            yield running


@pytest.fixture
def server(dovecot: ImapServer, tenant: str) -> ImapServer:
    """The server, with a mailbox of the test's own."""
    return replace(dovecot, user=f"ann-{tenant[-8:]}@example.com")


def mail(number: int) -> bytes:
    return f"From: bob@example.net\r\nSubject: Mail {number}\r\nMessage-ID: <{number}@example.net>\r\n\r\nText {number}\r\n".encode()


def numbers(fetched: list[imap.Fetched]) -> list[bytes]:
    return [each.raw.split(b"Subject: Mail ")[1].split(b"\r\n")[0] for each in fetched]


async def test_every_mail_comes_once_and_in_its_order_in_batches(server: ImapServer) -> None:
    await asyncio.to_thread(server.append, *map(mail, range(7)))
    seen: list[bytes] = []
    cursor: Cursor | None = None
    sizes = []
    async with open_inbox(server.mailbox()) as inbox:
        while batch := await inbox.fetch(cursor, limit=3):
            seen += numbers(batch)
            sizes.append(len(batch))
            cursor = batch[-1].cursor
    assert seen == [b"%d" % n for n in range(7)]
    assert sizes == [3, 3, 1]


async def test_whoever_starts_again_goes_on_after_the_last_mail_that_was_handled(server: ImapServer) -> None:
    await asyncio.to_thread(server.append, *map(mail, range(4)))
    async with open_inbox(server.mailbox()) as inbox:
        handled = (await inbox.fetch(None))[1]
    async with open_inbox(server.mailbox()) as inbox:
        assert numbers(await inbox.fetch(handled.cursor)) == [b"2", b"3"]


async def test_an_open_inbox_sees_what_comes_later(server: ImapServer) -> None:
    async with open_inbox(server.mailbox()) as inbox:
        assert await inbox.fetch(None) == []
        await asyncio.to_thread(server.append, mail(1))
        (first,) = await inbox.fetch(None)
        assert await inbox.fetch(first.cursor) == []
        await asyncio.to_thread(server.append, mail(2))
        assert numbers(await inbox.fetch(first.cursor)) == [b"2"]


async def test_who_asks_for_what_comes_from_now_on_gets_nothing_older(server: ImapServer) -> None:
    await asyncio.to_thread(server.append, mail(1))
    async with open_inbox(server.mailbox()) as inbox:
        end = await inbox.end()
        await asyncio.to_thread(server.append, mail(2))
        assert numbers(await inbox.fetch(end)) == [b"2"]


async def test_mails_are_marked_as_read_only_when_asked(server: ImapServer) -> None:
    await asyncio.to_thread(server.append, mail(1), mail(2))

    def unread() -> int:
        with server.client() as client:
            client.select("INBOX", readonly=True)
            return len(client.search(None, "UNSEEN")[1][0].split())

    async with open_inbox(server.mailbox(), writable=True) as inbox:
        fetched = await inbox.fetch(None)
        assert await asyncio.to_thread(unread) == 2
        await inbox.mark_read(fetched[:1])
    assert await asyncio.to_thread(unread) == 1


async def test_a_mail_deleted_before_the_next_batch_stops_nothing(server: ImapServer) -> None:
    await asyncio.to_thread(server.append, *map(mail, range(4)))

    def delete_second() -> None:
        with server.client() as client:
            client.select("INBOX")
            client.store("2", "+FLAGS", r"\Deleted")
            client.expunge()

    async with open_inbox(server.mailbox()) as inbox:
        (first,) = await inbox.fetch(None, limit=1)
        await asyncio.to_thread(delete_second)
        assert numbers(await inbox.fetch(first.cursor)) == [b"2", b"3"]


async def test_a_folder_whose_uids_begin_anew_is_read_from_its_beginning(server: ImapServer) -> None:
    def make(first: int, last: int) -> None:
        with server.client() as client:
            client.create("Replies")
        server.append(*map(mail, range(first, last)), folder="Replies")

    def remove() -> None:
        with server.client() as client:
            client.delete("Replies")

    await asyncio.to_thread(make, 0, 3)
    async with open_inbox(server.mailbox(folder="Replies")) as inbox:
        cursor = (await inbox.fetch(None))[-1].cursor
    await asyncio.to_thread(remove)
    await asyncio.to_thread(make, 10, 12)
    async with open_inbox(server.mailbox(folder="Replies")) as inbox:
        again = await inbox.fetch(cursor)
    assert numbers(again) == [b"10", b"11"]
    assert again[0].cursor.uid_validity != cursor.uid_validity


async def test_a_large_mailbox_is_searched_piece_by_piece(server: ImapServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap, "_SEARCHED", 2)
    await asyncio.to_thread(server.append, *map(mail, range(7)))
    async with open_inbox(server.mailbox()) as inbox:
        fetched = await inbox.fetch(None, limit=5)
        assert numbers(fetched) == [b"0", b"1", b"2", b"3", b"4"]
        assert numbers(await inbox.fetch(fetched[-1].cursor, limit=5)) == [b"5", b"6"]


async def test_of_an_enormous_mail_no_more_is_taken_than_is_looked_at(server: ImapServer) -> None:
    await asyncio.to_thread(server.append, mail(1) + b"x" * 70 * 30_000 + b"\r\n", mail(2))
    async with open_inbox(server.mailbox()) as inbox:
        large, small = await inbox.fetch(None)
    assert len(large.raw) == MAX_BYTES + 1
    assert large.raw.startswith(b"From: bob")
    assert small.raw == mail(2)


async def test_starttls_works_as_well(server: ImapServer) -> None:
    await asyncio.to_thread(server.append, mail(1))
    async with open_inbox(server.plain()) as inbox:
        assert numbers(await inbox.fetch(None)) == [b"1"]


@pytest.mark.parametrize(
    "changes", [{"password": "wrong"}, {"folder": 'No "such" folder'}, {"tls": ssl.create_default_context()}]
)
async def test_what_somebody_has_to_set_right_is_told_without_naming_the_user(
    server: ImapServer, changes: dict[str, object]
) -> None:
    with pytest.raises(MailboxRefusedError) as refused:
        async with open_inbox(server.mailbox(**changes)):
            pass
    assert "127.0.0.1" in str(refused.value)
    assert "ann" not in str(refused.value)
    assert "ann" not in repr(server.mailbox())
    assert "sesame" not in repr(server.mailbox())


async def test_a_server_that_is_away_or_says_nothing_is_tried_again_later() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        host, port = silent.getsockname()
        with pytest.raises(MailboxUnreachableError):
            async with open_inbox(Mailbox(host, "ann", "secret", port, seconds=0.3)):
                pass
        silent.listen()
        with pytest.raises(MailboxUnreachableError):
            async with open_inbox(Mailbox(host, "ann", "secret", port, seconds=0.3)):
                pass


async def test_a_connection_that_breaks_is_told_as_such_and_leaves_no_thread(server: ImapServer) -> None:
    await asyncio.to_thread(server.append, mail(1))
    before = {thread.ident for thread in threading.enumerate() if not thread.name.startswith("asyncio")}
    with pytest.raises(MailboxUnreachableError):
        async with open_inbox(server.mailbox()) as inbox:
            inbox._client.socket().shutdown(socket.SHUT_RDWR)
            await inbox.fetch(None)
    after = {thread.ident for thread in threading.enumerate() if not thread.name.startswith("asyncio")}
    assert after <= before


async def test_who_stops_waiting_is_let_go_at_once() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        host, port = silent.getsockname()

        async def wait() -> None:
            async with open_inbox(Mailbox(host, "ann", "secret", port, seconds=2)):
                pass

        waiting = asyncio.create_task(wait())
        accepted, _ = await asyncio.to_thread(silent.accept)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(waiting, 1)
        accepted.close()
