"""How what a pull asked for is read off the wire: as the client library reads it, in a fraction of the time.

Over each message the library tries two patterns, calls four coroutines and fills a queue, out of which a task of its own hands it on: that
takes as long as to read what the message says. It has no way to be given another parser, so that of every connection is replaced;
`tests/chassis/test_deliveries.py` holds the two against each other, and says so when the library's changes. Whatever is no delivery to a
pull is left to the library's.
"""

from collections.abc import Callable
from typing import Any, Final

import nats.aio.client
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import ProtocolError
from nats.protocol import parser

from chassis.headers import read_headers

Taker = Callable[[Msg], None]
THEIRS: Final[Any] = getattr(nats.aio.client, "Parser", None)
_END: Final = b"\r\n"
_VERSION: Final = b"NATS/1.0\r\n"
_WITH_HEADERS: Final = b"HMSG"
_WITHOUT_HEADERS: Final = b"MSG"
_WORDS: Final = 6
"""Of a delivery: HMSG, its subject, the subscription, where to acknowledge it, the size of its headers, that of all."""


class Parser(parser.Parser):
    """The library's parser, but for deliveries to whoever takes them."""

    def __init__(self, client: Client) -> None:
        self._takers: dict[bytes, Taker] = {}
        super().__init__(client)

    def reset(self) -> None:
        """Forget what came of a connection that is lost."""
        super().reset()
        self._left = b""

    async def parse(self, data: bytes = b"") -> None:
        """Read what came; an operation that is not there to its end waits for the rest.

        Raises:
            ProtocolError: it is none of NATS's.
        """
        self._left += data
        while other := self._deliver():
            await super().parse(other)

    def take(self, subscription: int, taker: Taker) -> None:
        """Have deliveries to a subscription go to `taker`, at once."""
        self._takers[str(subscription).encode()] = taker

    def _deliver(self) -> bytes:
        """Hand over the deliveries up to the first operation that is none; returns that, or nothing where they are all."""
        data, at = self._left, 0
        try:
            while (line := data.find(_END, at)) >= 0:
                words, payload = data[at:line].split(), line + len(_END)
                with_payload = words[:1] in ([_WITH_HEADERS], [_WITHOUT_HEADERS])
                end = payload + int(words[-1]) + len(_END) if with_payload else payload
                if end > len(data):
                    break
                begin, at = at, end
                taker = self._takers.get(words[2]) if len(words) == _WORDS else None
                if taker is None or not data.startswith(_VERSION, payload):
                    return data[begin:end]
                body = payload + int(words[4])
                headers = read_headers(data[payload + len(_VERSION) : body])
                subject, reply = words[1].decode(), words[3].decode()
                taker(Msg(self.nc, subject, reply, data[body : end - len(_END)], headers or None))
        except ValueError:
            raise ProtocolError("nats: a malformed message") from None
        finally:
            self._left = data[at:]
        return b""


def install() -> None:
    """Have every connection that this process makes read deliveries so."""
    nats.aio.client.Parser = Parser  # type: ignore[attr-defined, assignment]


def deliver(client: Client, subscription: Subscription, taker: Taker) -> None:
    """Have deliveries to a subscription go to `taker` at once, where the connection reads them so; where not, its callback has them."""
    if isinstance(client._ps, Parser):
        client._ps.take(subscription._id, taker)
