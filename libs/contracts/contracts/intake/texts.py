"""Messages of intake: texts that services received of a lead's person, kept sealed and shown like what is personal about leads."""

from typing import Annotated, ClassVar, Final
from uuid import UUID

from pydantic import BaseModel, Field

from contracts.intake.privacy import MOST_REVEALED, OnBehalfOf, RevealState
from contracts.message import Kind, Reply, Request, Topic
from contracts.taxonomy import Purpose
from contracts.values import NO_NUL

MOST_TEXT_CHARACTERS: Final = 20_000
"""How long a text may be."""


class TextKept(Reply):
    """What became of a text that was to be kept."""

    text_id: UUID
    """What the text is asked for by."""
    kept: bool
    """Whether it is kept; not where the person was erased."""


class KeepText(Request[TextKept]):
    """Free text that a service received of a lead's person is sealed, and kept with the lead until the person is erased.

    Asked again, nothing changes: the text that came first under an id stays. `not_found` where the tenant has no such lead; of
    an erased lead nothing is kept, and the reply says so.
    """

    topic: ClassVar = Topic("intake", Kind.REQUEST, "keep_text")
    text_id: UUID
    """Chosen by whoever asks, and never used for another text."""
    lead_id: UUID
    text: Annotated[
        str,
        Field(
            min_length=1, max_length=MOST_TEXT_CHARACTERS, pattern=NO_NUL, repr=False,
            examples=["Thanks, call me on Monday."],
        ),
    ]  # fmt: skip
    """What was received."""


class RevealedText(BaseModel):
    """One text that was asked for."""

    text_id: UUID
    """Which."""
    state: RevealState
    lead_id: UUID | None = None
    """Of whose person it was received; empty unless it is revealed."""
    text: Annotated[str | None, Field(repr=False, examples=["Thanks, call me on Monday."])] = None
    """What was received; empty unless it is revealed."""


class RevealedTexts(Reply):
    """What was revealed, and recorded as revealed."""

    texts: list[RevealedText]
    """One for each text asked for, in that order; a text asked for twice is there once."""


class RevealTexts(Request[RevealedTexts]):
    """See texts that were received of persons. Each revealed text leaves a row in the audit, or nothing is revealed.

    One that went with its person is `not_found`, as is one that never was: nothing is left to tell them apart by. `forbidden` and
    `unavailable` where `reveal_pii` would be, and counted together with it.
    """

    topic: ClassVar = Topic("intake", Kind.REQUEST, "reveal_texts")
    text_ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST_REVEALED)]
    """Which."""
    purpose: Purpose
    on_behalf_of: OnBehalfOf | None = None
    """Who wants to see it; empty where a service acts by itself."""
