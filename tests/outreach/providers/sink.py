"""SMTP servers to send to: a scripted one that dies where it is told to, and aiosmtpd for what takes a whole server."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast
from uuid import UUID, uuid4

from contracts.taxonomy import SendKind
from outreach.providers.protocol import Outgoing, Sender
from outreach.providers.smtp import Security, Smtp, SmtpSettings


def outgoing(**changes: object) -> Outgoing:
    message_id = uuid4()
    values: dict[str, object] = {
        "tenant": "acme",
        "message_id": message_id,
        "campaign_id": UUID(int=1),
        "lead_id": UUID(int=2),
        "kind": SendKind.EMAIL,
        "sender": Sender(UUID(int=3), "sales@example.com", "Sales"),
        "address": "ann@example.org",
        "subject": "Hello",
        "body": "Dear Ann,\nhow are you?\n",
        "reference": f"<{message_id}@example.com>",
    }
    return Outgoing(**{**values, **changes})  # type: ignore[arg-type]


@asynccontextmanager
async def smtp_to(port: int, **settings: object) -> AsyncIterator[Smtp]:
    smtp = Smtp(
        SmtpSettings.model_validate(
            {"host": "127.0.0.1", "port": port, "security": Security.NONE, "hello_name": "test.example.com", **settings}
        )
    )
    try:
        yield smtp
    finally:
        await smtp.close()


@dataclass
class Taken:
    """A message that a sink took, as it was sent to it."""

    sender: str
    recipient: str
    content: bytes

    @property
    def parsed(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=policy.default)


Answer = str | Callable[[], str | None]
"""A reply without its line end; a function's None means to hang up."""


@dataclass
class Sink:
    """A server that answers as it is told.

    Attributes:
        answers: to ``CONNECT``, the commands' names and ``.``, in place of the usual.
        dies_within: hang up when so many bytes of a content have been read.
        reads: content is read only while this is set.
        hangs_up_after: a command, or ``.``; it is answered first.
        taken: the messages whose final full stop was read, whatever was answered.
        heard: every command, in order.
        read: the octets of content that were read.
    """

    answers: dict[str, Answer] = field(default_factory=dict)
    dies_within: int | None = None
    reads: asyncio.Event = field(default_factory=asyncio.Event)
    hangs_up_after: str | None = None
    port: int = 0
    connections: int = 0
    open: int = 0
    most_open: int = 0
    taken: list[Taken] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    read: int = 0

    def __post_init__(self) -> None:
        self.reads.set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Sink"]:
        served: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = cast("asyncio.Task[None]", asyncio.current_task())
            served[task] = writer
            self.connections += 1
            self.open += 1
            self.most_open = max(self.most_open, self.open)
            try:
                await self._converse(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                del served[task]
                self.open -= 1
                writer.transport.abort()

        listener = socket.create_server(("127.0.0.1", 0))
        # So that a content of a few megabytes is more than the buffers hold.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        server = await asyncio.start_server(serve, sock=listener)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.reads.set()
            for writer in served.values():
                writer.transport.abort()
            await asyncio.gather(*served)
            await server.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._say(writer, "CONNECT", "220 sink.example.com"):
            return
        sender = recipient = ""
        begun = False
        while line := (await reader.readline()).decode().rstrip("\r\n"):
            self.heard.append(line)
            verb = line.split(" ")[0].split(":")[0].upper()
            usual = {"QUIT": "221 bye", "DATA": "354 go on"}.get(verb, "250 fine")
            if verb == "MAIL" and begun:
                usual = "503 5.5.1 the one before was neither ended nor reset"
            if not self._say(writer, verb, usual):
                return
            begun = verb in ("MAIL", "RCPT") or (begun and verb != "RSET")
            if verb == "MAIL":
                sender = line.partition("<")[2].partition(">")[0]
            elif verb == "RCPT":
                recipient = line.partition("<")[2].partition(">")[0]
            elif verb == "DATA" and "DATA" not in self.answers:
                if self.dies_within is not None:
                    await reader.readexactly(self.dies_within)
                    return
                await self.reads.wait()
                content = bytearray()
                while not content.endswith(b"\r\n.\r\n"):
                    if not (part := await reader.read(65_536)):
                        return
                    content += part
                    self.read += len(part)
                self.taken.append(Taken(sender, recipient, bytes(content[:-3]).replace(b"\r\n..", b"\r\n.")))
                begun = False
                if not self._say(writer, ".", "250 2.0.0 Ok: queued as 4XyZ12AbC"):
                    return
            if verb == "QUIT" or self.hangs_up_after == verb:
                await writer.drain()
                return
            if verb == "DATA" and self.hangs_up_after == ".":
                # In good order, so that what was said arrives.
                writer.close()
                await writer.wait_closed()
                return

    def _say(self, writer: asyncio.StreamWriter, step: str, usual: str) -> bool:
        answer = self.answers.get(step, usual)
        said = answer if isinstance(answer, str) else answer()
        if said is None:
            return False
        writer.write(said.encode() + b"\r\n")
        return True
