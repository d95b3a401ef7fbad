"""Messages of outreach: what another system sent, was about to send, or was told never to send, is taken over."""

from enum import StrEnum
from typing import Annotated, ClassVar, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.intake.people import MOST_IDENTIFIED, PersonRef
from contracts.intake.texts import MOST_TEXT_CHARACTERS
from contracts.message import Kind, Reply, Request, Topic
from contracts.outreach.campaigns import MOST_STEPS
from contracts.outreach.people import Note, SuppressionReason
from contracts.outreach.templates import MOST_SUBJECT_CHARACTERS
from contracts.taxonomy import Channel
from contracts.values import NO_NUL, Actor, Moment, SourceSystem

MOST_ROWS: Final = MOST_IDENTIFIED
"""How many rows can be taken over at once."""


class RowVerdict(StrEnum):
    """What became of a row that was to be taken over."""

    TAKEN = "taken"
    """It is kept from now on; of a trial: it would be."""
    KNOWN = "known"
    """It was taken before, and changes nothing."""
    REFUSED = "refused"


class RowResult(BaseModel):
    """What became of one row."""

    verdict: RowVerdict
    field: str | None = None
    """The field that is wrong; empty where the row as a whole is."""
    reason: str | None = None
    """Why it was refused, and what to do; never what was in it."""


class RowResults(Reply):
    """What became of rows."""

    results: list[RowResult]
    """One for each row, in their order."""


SourceKey = Annotated[str, Field(min_length=1, max_length=500, pattern=NO_NUL, repr=False, examples=["m-1042"])]
"""What the other system calls the message. Only a keyed hash of it is kept, by which it is known when it comes again."""


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    source_key: SourceKey
    """What the other system calls the message; a keyed hash of it is kept, by which it is known when it comes again."""
    person: PersonRef
    """To whom."""


class SentRow(_Row):
    """A message that another system sent."""

    channel: Channel
    sent_at: Moment
    """When; not in the future."""
    campaign_id: UUID | None = None
    """The campaign that it counts as a message of: the person is not enrolled in it any more, whom it has enrolled without having sent
    them anything it lets go, and what is pending of it does not wait for this message. It needs a lead."""


class BackfillSent(Request[RowResults]):
    """Take over what another system sent, so that nobody is contacted twice: the 60 days are counted from it, for the person.

    Persons of whom there is no lead are remembered by the tokens that intake makes of their contacts. A sequence that holds such
    a person, and has sent them nothing, lets go of them and waits. `unavailable` while intake does not answer.
    """

    model_config = ConfigDict(
        hide_input_in_errors=True,
        json_schema_extra={
            "examples": [
                {
                    "source_system": "mailer",
                    "rows": [
                        {"source_key": "m-1042", "person": {"email": "ada@example.com"}, "channel": "email",
                         "sent_at": "2026-11-02T09:30:00Z"}
                    ],
                }
            ]
        },
    )  # fmt: skip
    topic: ClassVar = Topic("outreach", Kind.REQUEST, "backfill_sent")
    source_system: SourceSystem
    """Which system sent them."""
    rows: Annotated[list[SentRow], Field(min_length=1, max_length=MOST_ROWS)]
    """What it sent."""
    dry_run: bool = False
    """Whether it is only to be said what would become of each."""


class PendingRow(_Row):
    """A message that another system was about to send."""

    campaign_id: UUID
    """Whose message it becomes; create it as a draft, and resume it when all rows are there."""
    step: Annotated[int, Field(ge=1, le=MOST_STEPS)] = 1
    """Which of the campaign's steps it is, from 1; the steps behind it follow."""
    due_at: Moment | None = None
    """Before when it is not sent; at once, if empty or past."""
    subject: Annotated[
        str | None, Field(min_length=1, max_length=MOST_SUBJECT_CHARACTERS, pattern=r"^[^\x00\r\n]*$", repr=False, examples=["A question"])
    ] = None  # fmt: skip
    """Of an e-mail that comes with its text."""
    body: Annotated[
        str | None,
        Field(
            min_length=1, max_length=MOST_TEXT_CHARACTERS - MOST_SUBJECT_CHARACTERS - 2, pattern=NO_NUL, repr=False,
            examples=["Hello Ada, ..."],
        ),
    ] = None  # fmt: skip
    """What it says, word for word; kept in intake's vault until it is sent, and after. The step's template says it, if empty."""

    @model_validator(mode="after")
    def _has_no_subject_alone(self) -> "PendingRow":
        if self.subject is not None and self.body is None:
            raise ValueError("a subject needs a body; leave both out where the step's template says them")
        return self


class BackfillPending(Request[RowResults]):
    """Take over what another system was about to send: each message is put into the send queue, and waits for every gate as any other.

    A person must be a lead of the tenant's, and is taken over with one message of a campaign: those behind it follow by themselves.
    `unavailable` while intake does not answer, or outreach has not yet heard of a lead that intake has.
    """

    model_config = ConfigDict(
        hide_input_in_errors=True,
        json_schema_extra={
            "examples": [
                {
                    "source_system": "mailer",
                    "rows": [
                        {"source_key": "m-1043", "person": {"source_system": "crm", "source_id": "L-1042"},
                         "campaign_id": "01a200aa-b2b0-73c3-8bc5-f06d61bb0467", "step": 2}
                    ],
                }
            ]
        },
    )  # fmt: skip
    topic: ClassVar = Topic("outreach", Kind.REQUEST, "backfill_pending")
    source_system: SourceSystem
    """Which system was about to send them."""
    rows: Annotated[list[PendingRow], Field(min_length=1, max_length=MOST_ROWS)]
    """What it was about to send."""
    dry_run: bool = False
    """Whether it is only to be said what would become of each."""


class SuppressionRow(BaseModel):
    """A person who is not to be contacted."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    person: PersonRef
    """Who."""
    reason: SuppressionReason = SuppressionReason.DO_NOT_CONTACT
    """Why."""
    channel: Channel | None = None
    """Which channel is not to be used; none, if empty."""
    campaign_id: UUID | None = None
    """Which campaign is not to send; none, if empty."""
    expires_at: Moment | None = None
    """When it ends by itself; a complaint's never does."""
    note: Note = None
    """What is to be remembered of it; kept sealed, and dropped when the person is erased."""


class ImportSuppressions(Request[RowResults]):
    """Have persons not be contacted, by whatever lead, from the reply on; those too of whom there is no lead yet.

    An entry that holds already as a row says is not made again. `unavailable` while intake does not answer.
    """

    model_config = ConfigDict(
        hide_input_in_errors=True,
        json_schema_extra={
            "examples": [{"rows": [{"person": {"email": "ada@example.com"}, "reason": "unsubscribed"}]}]
        },
    )
    topic: ClassVar = Topic("outreach", Kind.REQUEST, "import_suppressions")
    rows: Annotated[list[SuppressionRow], Field(min_length=1, max_length=MOST_ROWS)]
    """Who, and why."""
    actor: Actor | None = None
    dry_run: bool = False
    """Whether it is only to be said what would become of each."""
