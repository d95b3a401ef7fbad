"""The header `Idempotency-Key`: what is sent again under the same key is the same, and not done twice
(draft-ietf-httpapi-idempotency-key-header).

Nothing is kept here. The key becomes the id that the service is given, and the service knows what it has under that id; so it holds
across replicas and restarts, and for as long as the thing itself is known.
"""

from dataclasses import dataclass
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Header

from contracts.message import ProblemCode, ProblemError, id_from_content
from gateway.gate import Admitted

HEADER: Final = "Idempotency-Key"
_MOST: Final = 200
_Sent = Annotated[
    str | None,
    Header(
        alias=HEADER,
        max_length=_MOST,
        description="Chosen by the caller, another for each thing that is made; sent again, it is the same thing.",
        examples=["8e03978e-40d5-43dd-bc93-6894a57f9324"],
    ),
]


@dataclass(frozen=True, slots=True)
class Key:
    """A key that somebody sent: keys of two tenants or two callers are never the same."""

    tenant: str
    actor: str
    sent: str

    def id(self, what: str) -> UUID:
        """The id of what is made under this key."""
        return id_from_content(HEADER, self.tenant, self.actor, what, self.sent)


async def _optional(principal: Admitted, sent: _Sent = None) -> Key | None:
    # A quoted string, as the draft has it (RFC 8941, 3.3.3), is the same key as without its quotes.
    plain = (sent or "").strip().strip('"')
    return Key(principal.tenant, principal.actor, plain) if plain else None


async def _required(key: Annotated[Key | None, Depends(_optional)]) -> Key:
    if key is None:
        raise ProblemError(ProblemCode.INVALID, f"send the header `{HEADER}`, so that this is not done twice", HEADER)
    return key


OptionalKey = Annotated[Key | None, Depends(_optional)]
"""What a route declares that can do without."""
RequiredKey = Annotated[Key, Depends(_required)]
"""What a route declares that must not be done twice."""
