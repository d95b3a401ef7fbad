"""Deliveries are read as the client library reads them, however they come in pieces; what is none is the library's."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import ProtocolError

from chassis import deliveries, headers
from tests.platform import Platform

TAKEN = 7
"""The subscription of a pull."""


class Read(NamedTuple):
    subscription: int
    subject: str
    reply: str
    body: bytes
    headers: dict[str, str] | None


class Client_(Client):
    """A client that is not connected, and keeps what its parser makes of what comes."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[Any] = []

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        found = await self._process_headers(headers)
        self.read.append(Read(sid, subject.decode(), reply.decode(), data, found))

    async def _process_ping(self) -> None:
        self.read.append("ping")

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        self.read.append(info)


def message(
    sid: int, *, headers: bytes | None = None, body: bytes = b"", reply: bytes = b"$JS.ACK.s.d.1.2.3.4.5"
) -> bytes:
    words = b" ".join(word for word in (b"a.b.c", str(sid).encode(), reply) if word)
    if headers is None:
        return b"MSG %b %d\r\n%b\r\n" % (words, len(body), body)
    return b"HMSG %b %d %d\r\n%b%b\r\n" % (words, len(headers), len(headers) + len(body), headers, body)


HEADERS = b"NATS/1.0\r\nce-id: 1\r\nce-type: a\r\n\r\n"
STATUS = b"NATS/1.0 404 No Messages\r\n\r\n"
BODIES = st.binary(max_size=30) | st.sampled_from([b"\r\n", b"HMSG a 7 b 12 14\r\n", b"PING\r\n"])
OPERATIONS = st.lists(
    st.builds(
        message,
        st.sampled_from([TAKEN, 70, 1]),
        headers=st.sampled_from([HEADERS, STATUS, b"NATS/1.0\r\n\r\n", None]),
        body=BODIES,
        reply=st.sampled_from([b"$JS.ACK.s.d.1.2.3.4.5", b""]),
    )
    | st.sampled_from([b"PING\r\n", b"+OK\r\n", b"INFO " + json.dumps({"a": 1}).encode() + b"\r\n"]),
    max_size=8,
)


async def read_by(parser: type[Any], pieces: Sequence[bytes]) -> list[Any]:
    """What a parser makes of it, that of the taken subscription in its order, and the rest in its own."""
    client = Client_()
    reading = parser(client)

    def take(message: Msg) -> None:
        client.read.append(Read(TAKEN, message.subject, message.reply, message.data, message.headers))

    if parser is deliveries.Parser:
        reading.take(TAKEN, take)
    for piece in pieces:
        await reading.parse(piece)
    return client.read


@given(OPERATIONS, st.lists(st.integers(0, 600), max_size=6))
@example([message(TAKEN, headers=HEADERS, body=b"x"), message(TAKEN, headers=STATUS, reply=b"")], [5, 40, 41])
async def test_deliveries_are_read_as_the_library_reads_them(operations: list[bytes], cuts: list[int]) -> None:
    assert deliveries.THEIRS, "the client library has another parser: does it still need ours?"
    whole = b"".join(operations)
    places = [0, *sorted(cuts), len(whole)]
    pieces = [whole[begin:end] for begin, end in pairwise(places)]
    headers.install()
    assert await read_by(deliveries.Parser, pieces) == await read_by(deliveries.THEIRS, [whole])


@pytest.mark.parametrize("wrong", [b"HMSG a 7 b x y\r\n", b"HMSG a 7 b\r\n", b"MSG\r\n", b"SOMETHING\r\n", b"\r\n"])
async def test_what_is_no_operation_ends_the_connection(wrong: bytes) -> None:
    with pytest.raises(ProtocolError):
        await read_by(deliveries.Parser, [message(TAKEN, headers=HEADERS) + wrong])


async def test_what_came_of_a_lost_connection_is_forgotten() -> None:
    client = Client_()
    reading = deliveries.Parser(client)
    whole = message(1, headers=HEADERS, body=b"x")
    await reading.parse(whole[:-4])
    reading.reset()
    await reading.parse(whole)
    assert [each.body for each in client.read] == [b"x"]


async def test_a_running_service_reads_deliveries_so(platform: Platform) -> None:
    platform.build("aggregator")
    assert isinstance(Client()._ps, deliveries.Parser)
