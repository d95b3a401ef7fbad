"""A provider that contacts nobody: it keeps a record of what it was handed, and refuses a fixed share of it."""

from collections.abc import Sequence
from uuid import UUID

from chassis.unit_of_work import Database
from contracts.taxonomy import Fault
from outreach.coalescing import Coalescing
from outreach.providers import store_sandbox
from outreach.providers.protocol import Outgoing, Receipt, RefusedError

_ONE_REFUSED_IN = 50
"""As often as a list that is kept well bounces: an account's health does not suffer from it."""
_TAKEN_AT_ONCE = 500


def refusal(message_id: UUID) -> str | None:
    """Why the sandbox refuses a message: one in fifty, always the same ones."""
    return None if message_id.int % _ONE_REFUSED_IN else "mailbox_unknown"


class Sandbox:
    """Takes messages into the table ``sandbox_delivery``, in transactions of its own as a carrier outside would."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._take = Coalescing(self._take_all, _TAKEN_AT_ONCE)

    async def send(self, message: Outgoing) -> Receipt:
        if reason := refusal(message.message_id):
            raise RefusedError(reason, Fault.RECIPIENT)
        return await self._take(message)

    async def close(self) -> None:
        """It has no connections of its own."""

    async def _take_all(self, messages: Sequence[Outgoing]) -> list[Receipt]:
        async with self._database.begin(*{message.tenant for message in messages}) as uow:
            await store_sandbox.deliver(uow, messages)
        return [Receipt()] * len(messages)
