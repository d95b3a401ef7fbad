"""A provider that contacts nobody: it keeps a record of what it was handed, and refuses a fixed share of it."""

from uuid import UUID

from chassis.unit_of_work import Database
from outreach import store
from outreach.provider import Outgoing, RefusedError

_ONE_REFUSED_IN = 20


def refusal(message_id: UUID) -> str | None:
    """Why the sandbox refuses a message: one in twenty, always the same ones."""
    return None if message_id.int % _ONE_REFUSED_IN else "recipient_refused"


class Sandbox:
    """Takes messages into the table ``sandbox_delivery``, in a transaction of its own as a carrier outside would."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def send(self, message: Outgoing) -> None:
        if reason := refusal(message.message_id):
            raise RefusedError(reason)
        async with self._database.begin(message.tenant) as uow:
            await store.deliver_to_sandbox(uow, message)
