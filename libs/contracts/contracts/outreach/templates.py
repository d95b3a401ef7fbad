"""Messages of outreach: the templates that messages are made of, their versions, and what one looks like for a lead."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.intake.privacy import OnBehalfOf
from contracts.message import Event, Kind, Reply, Request, Topic
from contracts.taxonomy import Role, SendKind
from contracts.values import NO_NUL, Actor, Slug

MOST_TEMPLATE_CHARACTERS: Final = 20_000
MOST_SUBJECT_CHARACTERS: Final = 1_000
MOST_NAMED: Final = 200
"""How many templates may be asked for by id: as many as a campaign's steps can have."""

TemplateName = Annotated[Slug, Field(examples=["first_contact"])]
"""What the tenant calls a template; one name, one template."""
Subject = Annotated[
    str,
    Field(max_length=MOST_SUBJECT_CHARACTERS, pattern=NO_NUL, examples=["A question, {{ first_name | default: 'neighbour' }}"]),
]  # fmt: skip
Body = Annotated[
    str,
    Field(
        max_length=MOST_TEMPLATE_CHARACTERS,
        pattern=NO_NUL,
        examples=["Hello {{ first_name | default: 'there' }},\n{% if company %}how is {{ company }}?{% endif %}"],
    ),
]


class TemplatePart(StrEnum):
    """The two texts of a template."""

    SUBJECT = "subject"
    BODY = "body"


class TemplateFlawCode(StrEnum):
    """What is wrong with a template, or with what it makes for a lead."""

    SYNTAX = "syntax"
    UNKNOWN_VARIABLE = "unknown_variable"
    UNKNOWN_FILTER = "unknown_filter"
    NO_DEFAULT = "no_default"
    """A variable that leads may lack has no default, and stands in no condition that asks for it."""
    CONTROL_CHARACTER = "control_character"
    SUBJECT = "subject"
    """An e-mail has no subject, or a message of another kind has one."""
    TOO_LONG = "too_long"
    """Longer than its kind may be."""
    EMPTY = "empty"
    """Nothing is left to send."""
    LACKING = "lacking"
    """The lead has no value for a variable without a default."""


class TemplateFlaw(BaseModel):
    """What is wrong, for people; it never holds a lead's value."""

    code: TemplateFlawCode
    part: TemplatePart
    """In which of the two texts."""
    message: str
    """What is wrong and what to do."""
    line: int | None = None
    """Of the text, from 1; empty where it concerns all of it."""
    variable: str | None = None
    """The variable it is about, if it is about one."""


class TemplateSummary(BaseModel):
    """A template without its texts."""

    template_id: UUID
    name: TemplateName
    """What the tenant calls it."""
    kind: SendKind
    """What kind of message it makes."""
    version: int
    """The newest one."""
    versions: int
    """How many there are."""
    created_at: datetime
    """When its first version was saved."""
    saved_at: datetime
    """When its newest version was saved."""


class TemplateVersionSummary(BaseModel):
    """A version of a template without its texts, which never change."""

    version: int
    """From 1."""
    saved_by: Actor
    """Who saved it."""
    saved_at: datetime
    """When."""


class TemplateView(Reply):
    """A version of a template."""

    template_id: UUID
    name: TemplateName
    """What the tenant calls it."""
    kind: SendKind
    """What kind of message it makes."""
    version: int
    newest: int
    """The newest version of the template."""
    subject: Subject | None = None
    """Of an e-mail."""
    body: Body
    """Plain text with Liquid in it."""
    variables: list[str]
    """What it uses, sorted."""
    saved_by: Actor
    """Who saved this version."""
    saved_at: datetime
    """When this version was saved."""


class SaveTemplate(Request[TemplateView]):
    """Keep a text as a template's new version; a template of a new name begins with version 1.

    A version is never changed. What the newest version says already makes no new one. `invalid` where the text has flaws, of which
    the first ones are told; `conflict` where the name is a template's of another kind.
    """

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "save_template")
    name: TemplateName
    """What the tenant calls it."""
    kind: SendKind
    """What kind of message it makes; of all versions the same."""
    subject: Subject | None = None
    """An e-mail has one, and no other kind."""
    body: Body
    """Plain text with Liquid in it: variables, filters, and the tags if, elsif, else and unless."""
    actor: Actor


class TemplateCheck(Reply):
    """What there is to say of texts that are not saved."""

    flaws: list[TemplateFlaw]
    """What is wrong with them; they can be saved where nothing is."""
    variables: list[str]
    """What they use, sorted; none where they are no template."""
    may_use: list[str]
    """The variables that a message of the kind may use, besides ``metadata.<name>``."""
    subject: Annotated[str, Field(examples=["A question, [first_name]"])] | None = None
    """With sample values for all variables, of an e-mail without flaws."""
    body: Annotated[str, Field(examples=["Hello [first_name],\nhow is [company]?"])] | None = None
    """With sample values; empty where there are flaws."""


class CheckTemplate(Request[TemplateCheck]):
    """What is wrong with texts, what they use, and what they look like with sample values, before they are saved; nothing is kept."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "check_template")
    kind: SendKind
    """What kind of message it is to make."""
    subject: Subject | None = None
    """An e-mail has one, and no other kind."""
    body: Body
    """Plain text with Liquid in it, as `save_template` takes it."""


class GetTemplate(Request[TemplateView]):
    """A version of a template; the newest if none is named."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "get_template")
    template_id: UUID
    version: int | None = None


class TemplatePage(Reply):
    """A page of templates."""

    templates: list[TemplateSummary]
    """The templates of this page."""
    next_cursor: str | None = None


class ListTemplates(Request[TemplatePage]):
    """The templates of a tenant, the youngest first, a page at a time."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "list_templates")
    kind: SendKind | None = None
    """Only those of this kind."""
    template_ids: Annotated[list[UUID], Field(max_length=MOST_NAMED)] = []
    """Only these."""
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class TemplateVersionPage(Reply):
    """A page of a template's versions."""

    versions: list[TemplateVersionSummary]
    """The versions of this page."""
    next_cursor: str | None = None


class ListTemplateVersions(Request[TemplateVersionPage]):
    """The versions of a template, newest first, a page at a time."""

    topic: ClassVar = Topic("outreach", Kind.REQUEST, "list_template_versions")
    template_id: UUID
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class TemplatePreview(Reply):
    """What a version looks like for a lead; nothing of it is kept."""

    template_id: UUID
    version: int
    subject: Annotated[str, Field(examples=["A question, Ada"])] | None = None
    """Of an e-mail without flaws."""
    body: Annotated[str, Field(examples=["Hello Ada,\nhow is Example Ltd?"])] | None = None
    """Empty where there are flaws: no such message would be sent."""
    flaws: list[TemplateFlaw] = []
    """Why no message can be made for the lead."""


class PreviewTemplate(Request[TemplatePreview]):
    """What a version looks like for a lead, or with sample values.

    The lead's name, and metadata that is sealed, are revealed by intake where the template uses them, with a row in its audit:
    for sending messages, as outreach does when it sends. So whoever wants to see it must have a role that may.
    There is no account and no message yet, so `sender.name` and `unsubscribe_url` are placeholders.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{
                "template_id": "0198c0de-0000-7000-8000-000000000001", "lead_id": "0198c0de-0000-7000-8000-000000000002",
                "on_behalf_of": {"user": "user:7", "role": "agent"},
            }]
        }
    )  # fmt: skip
    topic: ClassVar = Topic("outreach", Kind.REQUEST, "preview_template")
    template_id: UUID
    version: int | None = None
    """The newest if none is named."""
    lead_id: UUID | None = None
    """The lead; instead of `sample`."""
    sample: Annotated[
        dict[str, Annotated[str, Field(max_length=1_000)]],
        Field(max_length=100, examples=[{"first_name": "Ada", "metadata.utm_source": "newsletter"}]),
    ] | None = None  # fmt: skip
    """Variable → value; instead of `lead_id`."""
    on_behalf_of: OnBehalfOf | None = None
    """Who wants to see it; a lead's preview is shown to nobody who is not named."""

    @model_validator(mode="after")
    def _has_one_source_of_values(self) -> "PreviewTemplate":
        if (self.lead_id is None) == (self.sample is None):
            raise ValueError("give either lead_id or sample")
        return self


class TemplateSaved(Event):
    """A template has a new version; of its text nothing is told."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "template_saved")
    template_id: UUID
    template: TemplateName
    """What the tenant calls it."""
    send_kind: SendKind
    """What kind of message it makes."""
    version: int
    saved_by: Actor
    """Who saved it."""
    occurred_at: datetime


class TemplatePreviewed(Event):
    """Somebody was shown what a template looks like for a lead; shares its correlation with the reveal that it took."""

    topic: ClassVar = Topic("outreach", Kind.EVENT, "template_previewed")
    template_id: UUID
    version: int
    lead_id: UUID
    actor: Actor
    """Who was shown it."""
    role: Role
    """The user's role."""
    occurred_at: datetime
