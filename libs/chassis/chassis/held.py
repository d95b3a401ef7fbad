"""What a replica holds of a durable: delivered to it, and not yet acknowledged."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from heapq import heappop, heappush
from typing import NamedTuple

from nats.aio.msg import Msg

from chassis.received import Read, Wire, read
from contracts.message import read_signed

_TOKENS = 9
"""Of an acknowledgement's subject, where it names no domain."""


class Stamp(NamedTuple):
    """What the broker says of a message in the subject of its acknowledgement (ADR-15 of NATS).

    Attributes:
        sequence: its place in the stream.
        delivered: how often it was delivered, this time included.
        received: when the broker took it in (UTC).
    """

    sequence: int
    delivered: int
    received: datetime

    @classmethod
    def read(cls, reply: str) -> "Stamp":
        """What the client library's `metadata` says as well, in more than twice the time, of each message."""
        tokens = reply.split(".")
        if len(tokens) > _TOKENS:  # a domain and an account precede the stream
            del tokens[2:4]
        _, _, _, _, delivered, sequence, _, nanoseconds, *_ = tokens
        return cls(int(sequence), int(delivered), datetime.fromtimestamp(int(nanoseconds) / 1e9, UTC))


class Delivery(NamedTuple):
    """A message in hand."""

    stamp: Stamp
    message: Msg
    read: Read

    @property
    def sequence(self) -> int:
        """Its place in the stream."""
        return self.stamp.sequence

    @property
    def wire(self) -> Wire:
        return self.read.wire


class Held:
    """Messages, taken out in batches: in the stream's order, or `by_tenant`, in turns.

    Taken in turns, as far as they are held, one tenant's thousand messages hold up nobody who sends one; each tenant's own stay in
    the stream's order.
    """

    def __init__(self, *, by_tenant: bool) -> None:
        self._by_tenant = by_tenant
        self._deliveries: dict[int, Delivery] = {}
        self._waiting: dict[str, list[int]] = {}
        self.size = 0

    def __len__(self) -> int:
        return len(self._deliveries)

    def __iter__(self) -> Iterator[Delivery]:
        return iter(list(self._deliveries.values()))

    def __contains__(self, delivery: Delivery) -> bool:
        return delivery.sequence in self._deliveries

    def add(self, messages: Iterable[Msg]) -> None:
        """Hold messages. Of one that was delivered twice the later delivery counts."""
        for message in messages:
            stamp = Stamp.read(message.reply)
            subject, upstream = read_signed(message.subject)
            wire = Wire(subject, message.headers or {}, message.data, stamp.received, upstream)
            known = stamp.sequence in self._deliveries
            self._deliveries[stamp.sequence] = delivery = Delivery(stamp, message, read(wire))
            if not known:
                self._await(delivery)
                self.size += len(message.data)

    def next(self, limit: int) -> list[Delivery]:
        """The next batch, in the stream's order; it stays held until it is `done`."""
        sequences: list[int] = []
        while self._waiting and len(sequences) < limit:
            tenant, waiting = next(iter(self._waiting.items()))
            del self._waiting[tenant]  # and to the end of the line
            sequences.append(heappop(waiting))
            if waiting:
                self._waiting[tenant] = waiting
        return [self._deliveries[sequence] for sequence in sorted(sequences)]

    def precedes(self, batch: Sequence[Delivery]) -> bool:
        """Whether something that waits belongs before one of a batch that was taken out."""
        last = {self._line(delivery): delivery.sequence for delivery in batch}
        return any(line in last and waiting[0] < last[line] for line, waiting in self._waiting.items())

    def put_back(self, batch: Sequence[Delivery]) -> None:
        """Have a batch that was taken out wait again."""
        for delivery in batch:
            self._await(delivery)

    def done(self, batch: Sequence[Delivery]) -> None:
        """Hold a batch no longer."""
        for delivery in batch:
            del self._deliveries[delivery.sequence]
            self.size -= len(delivery.wire.body)

    def _await(self, delivery: Delivery) -> None:
        heappush(self._waiting.setdefault(self._line(delivery), []), delivery.sequence)

    def _line(self, delivery: Delivery) -> str:
        """In which line it waits."""
        return delivery.wire.tenant if self._by_tenant else ""
