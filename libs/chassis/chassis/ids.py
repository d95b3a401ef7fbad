"""The ids of messages: what their senders chose, or what only this service can make of them.

The id of a message is told in events and outlives the person it is about. One made of the content alone would let anybody
who knows the rest of a body make sure of a telephone number by it, so it takes a secret
(docs/adr/0024-ids-under-a-key.md).
"""

from uuid import UUID

from chassis.keys import TenantKeys
from chassis.received import Wire
from chassis.unit_of_work import UnitOfWork
from contracts.message import given_id, keyed_id


class MessageIds:
    """Tells the ids of a service's messages."""

    def __init__(self, keys: TenantKeys) -> None:
        self._keys = keys

    async def of(self, uow: UnitOfWork, wire: Wire) -> UUID:
        """The id that the message brings, else one of its subject and body: the same in every replica, for ever.

        Raises:
            KeysUnavailableError: it brings none that can be read, and the key service is away, or has another key.
        """
        try:
            given = given_id(wire.headers)
        except ValueError:
            given = None
        return given or keyed_id(await self._keys.secret(uow), wire.subject, wire.body)
