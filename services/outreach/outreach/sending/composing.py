"""What is written to whom: what is personal is revealed by intake once a message is claimed, and kept nowhere."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import RowMapping

from contracts.intake.privacy import PersonalField, RevealPii, Revelation
from contracts.outreach.accounts import Transport
from contracts.taxonomy import CHANNEL_OF, Channel, Purpose, SendKind

Reveal = Callable[[str, RevealPii], Awaitable[Revelation]]

_ADDRESS = {
    Channel.EMAIL: PersonalField.EMAIL,
    Channel.LINKEDIN: PersonalField.LINKEDIN_URL,
    Channel.SMS: PersonalField.PHONE,
}


@dataclass(frozen=True, slots=True)
class Letter:
    """What one message says, and where it goes."""

    address: str = field(repr=False)
    body: str = field(repr=False)
    subject: str | None = field(default=None, repr=False)
    follows: tuple[str, ...] = ()
    unsubscribe_url: str | None = field(default=None, repr=False)


class Composer:
    """Writes messages.

    Parameters:
        reveal: asks intake.
    """

    def __init__(self, reveal: Reveal) -> None:
        self._reveal = reveal

    async def compose(self, tenant: str, rows: Sequence[RowMapping]) -> Mapping[UUID, Letter]:
        """What these messages of one tenant say, by their ids; one of which nothing could be revealed is left out.

        Raises:
            ProblemError: intake does not answer, or refuses.
        """
        personal = [row for row in rows if _needs_what_is_personal(row)]
        letters = {row["message_id"]: Letter("", "") for row in rows if not _needs_what_is_personal(row)}
        if not personal:
            return letters
        fields = {PersonalField.NAME, *(_ADDRESS[CHANNEL_OF[SendKind(row["kind"])]] for row in personal)}
        ask = RevealPii(
            lead_ids=list(dict.fromkeys(row["lead_id"] for row in personal)), purpose=Purpose.SEND_MESSAGE,
            fields=sorted(fields),
        )  # fmt: skip
        shown = {view.lead_id: view for view in (await self._reveal(tenant, ask)).leads}
        for row in personal:
            view = shown.get(row["lead_id"])
            address = getattr(view, _ADDRESS[CHANNEL_OF[SendKind(row["kind"])]], None) if view else None
            if address:
                letters[row["message_id"]] = Letter(address, "")
        return letters


def _needs_what_is_personal(row: RowMapping) -> bool:
    """The sandbox contacts nobody, and is shown nothing that nothing is written with."""
    return row["transport"] != Transport.SANDBOX or row["variant"] is not None
