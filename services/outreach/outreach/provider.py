"""What outreach asks of whoever carries its messages."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from contracts.taxonomy import Channel


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to a lead.

    Attributes:
        message_id: the message's own; a provider that can, tells a repeated one by it.
    """

    tenant: str
    campaign_id: UUID
    lead_id: UUID
    message_id: UUID
    channel: Channel


class RefusedError(Exception):
    """The provider did not take the message and never will.

    Attributes:
        reason: why, as a word for programs (`contracts.values.Slug`).
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Provider(Protocol):
    """Carries messages."""

    async def send(self, message: Outgoing) -> None:
        """Returns when the provider has taken the message.

        Raises:
            RefusedError: it was surely not sent.
            Exception: any other means that nobody knows whether it was sent.
        """
