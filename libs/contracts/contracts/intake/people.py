"""Messages of intake: which leads are one person, merging them and parting them again, and pairs for people to look at."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.intake.leads import Flaw, LeadPage, LeadSnapshot, LeadView
from contracts.message import Kind, Reply, Request, Topic
from contracts.values import Actor, SourceId, SourceSystem

MOST_IDENTIFIED: Final = 100
"""How many persons can be asked about at once."""

Contact = Annotated[str | None, Field(max_length=500, repr=False)]
"""What a person is reached by, as somebody typed it; not shown with the message."""


class LeadMerged(LeadSnapshot):
    """Leads of one person were merged into this one, which speaks for them from this version on.

    Nothing is overwritten: what this lead lacks is told as the first of the others has it, and `provenance` says which.
    """

    topic: ClassVar = Topic("intake", Kind.EVENT, "lead_merged")
    merged_lead_ids: list[UUID]
    """The leads merged now; each is also told of by itself, with `merged_into`."""
    merged_by: Actor
    """Who merged them: a user, or the tenant's policy, as `policy:into_oldest`."""


class LeadUnmerged(LeadSnapshot):
    """This lead was parted from the one it was merged into, and is again what it was.

    The other one is told of by `LeadUpdated`, without what this one lent it. The two are never merged by themselves again.
    """

    topic: ClassVar = Topic("intake", Kind.EVENT, "lead_unmerged")
    survivor_id: UUID
    """The lead it was merged into."""
    unmerged_by: Actor
    """Who parted them: a user, key or service id, never a name."""


class MergeLeads(Request[LeadView]):
    """Merge one lead into another, whatever the tenant's policy; repeating it is no error. Answers with the survivor.

    A lead that is merged into a third is a conflict. Leads that were kept apart before are no more.
    """

    topic: ClassVar = Topic("intake", Kind.REQUEST, "merge_leads")
    survivor_id: UUID
    """The lead that stays, or one merged into it."""
    merged_id: UUID
    """The lead that is merged, with all that is merged into it."""
    actor: Actor
    """Who does it: a user, key or service id, never a name."""

    @model_validator(mode="after")
    def _are_two(self) -> "MergeLeads":
        if self.survivor_id == self.merged_id:
            raise ValueError("a lead cannot be merged into itself: give two leads")
        return self


class UnmergeResult(Reply):
    """Two leads that stand by themselves again."""

    lead: LeadView
    """The lead that was merged."""
    survivor: LeadView
    """The lead it was merged into."""


class UnmergeLead(Request[UnmergeResult]):
    """Part a lead from the one it is merged into: both are again what they were, and are kept apart from now on.

    It parts leads and not persons: whoever gave the same number stays one person until `dismiss_review` says otherwise. Repeating it is no error; a lead that never was merged is a conflict.
    """

    topic: ClassVar = Topic("intake", Kind.REQUEST, "unmerge_lead")
    lead_id: UUID
    actor: Actor
    """Who does it: a user, key or service id, never a name."""


class PersonView(Reply):
    """The leads of a person."""

    person_id: UUID
    leads: list[LeadView]
    """Newest first; those merged are among them, and so are those that somebody merged with one of them."""
    next_cursor: str | None = None


class GetPerson(Request[PersonView]):
    """The leads of one person, given by its id or by one of its leads, a page at a time."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"lead_id": "0192e7a5-2f3b-7c11-8d5e-6a1f0b2c3d4e"}]})

    topic: ClassVar = Topic("intake", Kind.REQUEST, "get_person")
    person_id: UUID | None = None
    lead_id: UUID | None = None
    """A lead of the person; instead of `person_id`."""
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None

    @model_validator(mode="after")
    def _names_one_person(self) -> "GetPerson":
        if (self.person_id is None) == (self.lead_id is None):
            raise ValueError("give either person_id or lead_id")
        return self


class FindLeads(Request[LeadPage]):
    """The leads of whoever has a phone number, an e-mail address or a LinkedIn profile, newest first, a page at a time.

    Each value is read as a submission's is. Persons are found by any of those given, also by a former one, and shown by
    the leads that stand for them: those merged into these are in `get_person`. Whether a contact is nobody's, another
    tenant's, or an erased person's, the answer is the same: no leads.

    It leaves no row in the audit of reveals, for it tells of a person only what whoever asks has in hand; and nothing
    of what is asked is logged or kept.
    """

    model_config = ConfigDict(
        hide_input_in_errors=True,
        json_schema_extra={"examples": [{"phone": "(614) 555-0142", "email": "ada@example.com"}]},
    )

    topic: ClassVar = Topic("intake", Kind.REQUEST, "find_leads")
    phone: Contact = None
    """In any notation; a national number is read as one of `country`, else of the tenant's region."""
    email: Contact = None
    """An e-mail address."""
    linkedin_url: Contact = None
    """A LinkedIn profile."""
    country: Contact = None
    """The person's country, by its ISO 3166-1 alpha-2 code or its name in English."""
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None

    @model_validator(mode="after")
    def _gives_a_contact(self) -> "FindLeads":
        if not any(value and value.strip() for value in (self.phone, self.email, self.linkedin_url)):
            raise ValueError("give phone, email or linkedin_url")
        return self


class PersonRef(BaseModel):
    """A person by all that whoever asks knows of them: a lead, by our id or its source's, and what they are reached by."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, json_schema_extra={"examples": [{"email": "ada@example.com"}]}
    )  # fmt: skip

    lead_id: UUID | None = None
    source_system: SourceSystem | None = None
    source_id: SourceId | None = None
    phone: Contact = None
    """In any notation; a national number is read as one of `country`, else of the tenant's region."""
    email: Contact = None
    """An e-mail address."""
    linkedin_url: Contact = None
    """A LinkedIn profile."""
    country: Contact = None
    """The person's country, by its ISO 3166-1 alpha-2 code or its name in English."""

    @model_validator(mode="after")
    def _names_somebody(self) -> "PersonRef":
        if (self.source_system is None) != (self.source_id is None):
            raise ValueError("give source_system and source_id together")
        contacts = (self.phone, self.email, self.linkedin_url)
        if not (self.lead_id or self.source_id or any(value and value.strip() for value in contacts)):
            raise ValueError("give lead_id, source_id, phone, email or linkedin_url")
        return self


class Identity(StrEnum):
    """Whether intake knows a person."""

    KNOWN = "known"
    """There is a lead of theirs."""
    UNKNOWN = "unknown"
    ERASED = "erased"
    """They were erased, and nothing is to be kept of them."""
    UNREADABLE = "unreadable"
    """Nothing that was given of them can be read."""


class IdentifiedPerson(BaseModel):
    """By what a person is known wherever nothing personal is."""

    identity: Identity
    """Whether there is a lead of theirs."""
    lead_ids: list[UUID] = []
    """The leads that stand for them, 50 at most: first the one that was named, then the newest first."""
    person_ids: list[UUID] = []
    """Who they are; several, where what was given belongs to several persons."""
    phone_token: str | None = None
    """The token that leads with this number have, or would get if they came now."""
    email_token: str | None = None
    """The same of the e-mail address."""
    linkedin_token: str | None = None
    """The same of the LinkedIn profile."""
    flaws: list[Flaw] = []
    """What of the contacts could not be read."""


class IdentifiedPersons(Reply):
    """By what persons are known wherever nothing personal is."""

    persons: list[IdentifiedPerson]
    """One for each that was asked about, in their order."""


class IdentifyPersons(Request[IdentifiedPersons]):
    """The leads and tokens of persons, those too of whom there is no lead. Nothing of what is asked is logged or kept.

    As with `find_leads`, whoever may ask can test whether a value is a lead's, and whether its person was erased.
    """

    model_config = ConfigDict(
        hide_input_in_errors=True, json_schema_extra={"examples": [{"persons": [{"email": "ada@example.com"}]}]}
    )
    topic: ClassVar = Topic("intake", Kind.REQUEST, "identify_persons")
    persons: Annotated[list[PersonRef], Field(min_length=1, max_length=MOST_IDENTIFIED)]
    """Whom."""


class ReviewReason(StrEnum):
    """Why two leads may be one person."""

    SAME_NAME = "same_name"
    SIMILAR_NAME = "similar_name"
    SAME_PLACE = "same_place"


class ReviewPair(BaseModel):
    """Two leads that may be one person, and share no token that would say so."""

    lead_id: UUID
    """The older lead."""
    other_id: UUID
    """The newer lead."""
    score: int
    """How alike the names are, up to 100 for the same name."""
    reasons: list[ReviewReason]
    """Why they may be one person; never the names."""
    found_at: datetime
    """When they were compared."""


class ReviewPage(Reply):
    """A page of pairs to look at."""

    pairs: list[ReviewPair]
    """The most alike first."""
    next_cursor: str | None = None


class LeadsForReview(Request[ReviewPage]):
    """Pairs of leads that may be one person, to be merged by `merge_leads` or dismissed; none is merged by itself."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "leads_for_review")
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class DismissResult(Reply):
    """The two leads are kept apart."""

    dismissed: bool
    """Whether this call parted them."""


class DismissReview(Request[DismissResult]):
    """Say that two leads are two persons: they are not listed for review again, and never merged or linked by themselves.

    Where they were one person, because of a number that both gave, the other lead becomes a person of its own.
    """

    topic: ClassVar = Topic("intake", Kind.REQUEST, "dismiss_review")
    lead_id: UUID
    other_id: UUID
    """The other lead of the pair."""
    actor: Actor
    """Who says so: a user, key or service id, never a name."""

    @model_validator(mode="after")
    def _are_two(self) -> "DismissReview":
        if self.lead_id == self.other_id:
            raise ValueError("a lead is no pair: give two leads")
        return self
