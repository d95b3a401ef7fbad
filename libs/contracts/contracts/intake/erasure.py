"""Messages of intake: how a person is forgotten, and what tells of it."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, model_validator

from contracts.intake.privacy import OnBehalfOf
from contracts.message import Event, Kind, Reply, Request, Topic
from contracts.values import Actor, Slug


class ErasureResult(Reply):
    """A person was erased."""

    erasure_id: UUID
    """What the certificate is asked for by."""
    person_id: UUID
    lead_ids: list[UUID]
    """The leads erased with the person."""
    erased_at: datetime
    already: bool
    """Whether the person had been erased before, and this call changed nothing."""


class EraseLead(Request[ErasureResult]):
    """Erase the person of a lead: all its leads, wherever they came from. It cannot be undone; to repeat it is no error.

    Leads that are merged are one person's, whoever merged them, and erased together. Of what does not belong say so first:
    `unmerge_lead`, and `dismiss_review` where the two still share a number.

    What identified the person is destroyed with the key it was sealed with; the leads stay as numbers. A keyed entry stays,
    by which the person is known, and refused, when submitted again, until `lift_suppression`.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"lead_id": "01a200aa-b2b0-73c3-8bc5-f06d61bb0467", "reason": "subject_request"}]
        }
    )
    topic: ClassVar = Topic("intake", Kind.REQUEST, "erase_lead")
    lead_id: UUID | None = None
    """The lead whose person is meant; instead of `person_id`."""
    person_id: UUID | None = None
    """The person; instead of `lead_id`."""
    reason: Slug = "subject_request"
    """Why, as a word for programs: it stays in the certificate."""
    on_behalf_of: OnBehalfOf | None = None
    """Who wants it; empty where the operator acts."""

    @model_validator(mode="after")
    def _names_one_person(self) -> "EraseLead":
        if (self.lead_id is None) == (self.person_id is None):
            raise ValueError("give either lead_id or person_id")
        return self


class LeadErased(Event):
    """A lead's person was erased: drop what you hold that is personal or made of it, and answer `personal_data_dropped`.

    A later version of the lead is another person's or, once that was allowed again, the same person's.
    """

    topic: ClassVar = Topic("intake", Kind.EVENT, "lead_erased")
    erasure_id: UUID
    lead_id: UUID
    version: int
    person_id: UUID
    occurred_at: datetime


class Confirmation(BaseModel):
    """A service has dropped what it held of the person."""

    service: str
    """Which."""
    confirmed_at: datetime | None
    """When it had done so for the last of the leads; empty while one is open."""
    dropped: dict[str, int]
    """What it dropped, counted."""


class Remainder(BaseModel):
    """Something that stays after an erasure."""

    what: str
    """What stays."""
    why: str
    """Why it does."""
    until: str
    """For how long."""


class ErasureCertificate(Reply):
    """What was erased of a person, by whom and when, who has confirmed it, and what stays."""

    erasure_id: UUID
    person_id: UUID
    lead_ids: list[UUID]
    """The leads erased with the person."""
    erased_at: datetime
    service: str
    """By way of which service, or ``operator``."""
    actor: str | None
    """Which user ordered it; empty where the operator did."""
    role: str | None
    """The user's role."""
    reason: str
    """Why, as it was ordered."""
    erased: dict[str, int]
    """What intake erased, counted by kind."""
    confirmations: list[Confirmation]
    """What the other services dropped; one for each that holds anything of a lead."""
    complete: bool
    """Whether every one of them has confirmed it."""
    remains: list[Remainder]
    """What stays, why and until when."""
    lifted_at: datetime | None = None
    """When the person was allowed to be submitted again."""
    lifted_by: str | None = None
    """Who allowed it."""


class GetErasureCertificate(Request[ErasureCertificate]):
    """The certificate of an erasure, as complete as it is by now."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "get_erasure_certificate")
    erasure_id: UUID


class LiftResult(Reply):
    """The person may be submitted again."""

    erasure_id: UUID
    entries: int
    """How many entries were forgotten; 0 where that was done before."""


class LiftSuppression(Request[LiftResult]):
    """Allow an erased person to be submitted again, as when they come back by themselves; what was erased stays so."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "lift_suppression")
    erasure_id: UUID
    reason: Slug
    """Why, as a word for programs."""
    on_behalf_of: OnBehalfOf | None = None
    """Who wants it; empty where the operator acts."""


class SuppressionLifted(Event):
    """An erased person may be submitted again."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "suppression_lifted")
    erasure_id: UUID
    reason: Slug
    """Why, as a word for programs."""
    service: str
    """By way of which service, or ``operator``."""
    actor: Actor | None = None
    """Which user allowed it; empty where the operator did."""
    occurred_at: datetime
