"""A web server that answers as a test tells it to, with whatever bytes: what providers do is not always HTTP as it should be."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request as it came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    content: bytes = b""


@dataclass
class Answer:
    """What is answered: a JSON value, or bytes as they are; none breaks the connection off.

    The connection is closed after it unless `headers` has ``Connection: keep-alive``.
    """

    value: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    breaks: bool = False


Answering = Callable[[Asked], Awaitable[Answer]]


class Web:
    """The server; `asked` is all that came in, over how many `connections`, and `answering` what answers it."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.connections = 0
        self.answering: Answering = self._nothing
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]

    async def _nothing(self, _: Asked) -> Answer:
        return Answer(status=404)

    @classmethod
    @asynccontextmanager
    async def serving(cls, tls: ssl.SSLContext | None = None) -> AsyncIterator["Web"]:
        web = cls()
        server = await asyncio.start_server(web._hear, "127.0.0.1", 0, ssl=tls)
        web.port = server.sockets[0].getsockname()[1]
        try:
            yield web
        finally:
            server.close()

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # whoever asked did not wait for the answer, or asks nothing more
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether there may be another."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        parts = urlsplit(target)
        value = json.loads(body) if body else None
        asked = Asked(method, parts.path, dict(parse_qsl(parts.query)), headers, value, body)
        self.asked.append(asked)
        answer = await self.answering(asked)
        if answer.breaks:
            return False
        content = answer.raw if answer.raw is not None else json.dumps(answer.value).encode()
        lines = {"Content-Length": str(len(content)), "Connection": "close", **answer.headers}
        top = f"HTTP/1.1 {answer.status} X\r\n" + "".join(f"{name}: {lines[name]}\r\n" for name in lines)
        writer.write(top.encode() + b"\r\n" + content)
        await writer.drain()
        return lines["Connection"] == "keep-alive"
