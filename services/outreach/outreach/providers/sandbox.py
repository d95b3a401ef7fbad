"""A provider that contacts nobody: it keeps a record of what it took, and behaves as badly as an account's settings ask for.

Which messages meet with what trouble follows from their ids, so that it is the same however often it is asked.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from uuid import UUID

from chassis.unit_of_work import Database
from contracts.outreach.accounts import SandboxBehaviour
from contracts.taxonomy import Fault
from outreach.coalescing import Coalescing
from outreach.providers import store_sandbox
from outreach.providers.protocol import (
    CaptchaError,
    LaterError,
    Outgoing,
    Provider,
    Receipt,
    RefusedError,
    UnansweredError,
)

_USUAL = SandboxBehaviour()
_TAKEN_AT_ONCE = 500
_THROTTLED_SECONDS = 60.0


def refusal(message_id: UUID, share: float = _USUAL.refuses) -> str | None:
    """Why the sandbox refuses a message, if it does: a share of them, always the same ones."""
    return "mailbox_unknown" if _meets(message_id, "refuses", share) else None


class Sandbox:
    """Takes messages into the table ``sandbox_delivery``, in transactions of its own as a carrier outside would."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._take = Coalescing(self._take_all, _TAKEN_AT_ONCE)
        self._sent_away: set[UUID] = set()

    def behaving(self, settings: str | None) -> Provider:
        """The sandbox as an account has it.

        Parameters:
            settings: a `SandboxBehaviour` as JSON; the usual one, if there is none.
        """
        return _Behaving(self, _behaviour(settings)) if settings else self

    async def send(self, message: Outgoing) -> Receipt:
        return await self.send_as(_USUAL, message)

    async def send_as(self, behaviour: SandboxBehaviour, message: Outgoing) -> Receipt:
        """Take the message, or make the trouble that it meets with.

        Of throttling, and of wanting a person, it meets with one at most, and only when this process hands it over for the first time:
        the next time it passes. Only those that wait for it are remembered.

        Raises:
            NotSentError: it was not taken.
            UnansweredError: it was, which whoever asks is not told.
        """
        if behaviour.takes_seconds:
            await asyncio.sleep(behaviour.takes_seconds)
        message_id = message.message_id
        if reason := refusal(message_id, behaviour.refuses):
            raise RefusedError(reason, Fault.RECIPIENT)
        if message_id in self._sent_away:
            self._sent_away.discard(message_id)
        elif _meets(message_id, "wants_a_person", behaviour.wants_a_person):
            self._sent_away.add(message_id)
            raise CaptchaError
        elif _meets(message_id, "throttles", behaviour.throttles):
            self._sent_away.add(message_id)
            raise LaterError("rate_limited", _THROTTLED_SECONDS, throttled=True)
        receipt = await self._take(message)
        if _meets(message_id, "loses", behaviour.loses):
            raise UnansweredError("the sandbox does not answer, as it was asked to")
        return receipt

    async def close(self) -> None:
        """It has no connections of its own."""

    async def _take_all(self, messages: Sequence[Outgoing]) -> list[Receipt]:
        async with self._database.begin(*{message.tenant for message in messages}) as uow:
            await store_sandbox.deliver(uow, messages)
        return [Receipt()] * len(messages)


@dataclass(frozen=True, slots=True)
class _Behaving:
    """The sandbox of one account."""

    sandbox: Sandbox
    behaviour: SandboxBehaviour

    async def send(self, message: Outgoing) -> Receipt:
        return await self.sandbox.send_as(self.behaviour, message)

    async def close(self) -> None:
        """As the sandbox."""


@lru_cache(maxsize=1000)
def _behaviour(settings: str) -> SandboxBehaviour:
    return SandboxBehaviour.model_validate_json(settings)


def _meets(message_id: UUID, trouble: str, share: float) -> bool:
    """Whether a message is of the share that meets with a trouble; each trouble has messages of its own.

    >>> _meets(UUID(int=1), "loses", 1), _meets(UUID(int=1), "loses", 0)
    (True, False)
    """
    if not share:
        return False
    drawn = blake2b(message_id.bytes + trouble.encode(), digest_size=8).digest()
    return int.from_bytes(drawn) < share * 2**64
