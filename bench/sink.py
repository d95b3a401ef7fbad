"""A mail server that takes everything and keeps nothing, to send to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_ANSWERS = {b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}


@asynccontextmanager
async def listening() -> AsyncIterator[int]:
    """One that listens on this machine; gives its port."""
    conversations: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        conversations.add(task)
        try:
            writer.write(b"220 sink\r\n")
            while line := await reader.readline():
                verb = line[:4].upper()
                writer.write(_ANSWERS.get(verb, b"250 fine\r\n"))
                if verb == b"DATA":
                    await reader.readuntil(b"\r\n.\r\n")
                    writer.write(b"250 taken\r\n")
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            conversations.discard(task)
            writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for conversation in tuple(conversations):
            conversation.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)
