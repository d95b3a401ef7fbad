"""Messages of intake about aliases: other words for a tenant's sources and places."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from contracts.message import Event, Kind, Reply, Request, Topic
from contracts.personal import looks_like_pii
from contracts.taxonomy import KEY_LENGTH, key
from contracts.values import Actor, Key

MOST_ALIASES = 200
"""How many are told in one message, so that it fits into one."""


def _no_contact(text: str) -> str:
    if looks_like_pii(text):
        raise ValueError("seems to hold a telephone number or an e-mail address, and aliases travel in clear")
    if not key(text):
        raise ValueError("holds no letter and no digit")
    return text


class AliasKind(StrEnum):
    """What an alias is another word for."""

    SOURCE = "source"
    GEO = "geo"


Written = Annotated[str, Field(max_length=KEY_LENGTH, examples=["Cbus"]), AfterValidator(_no_contact)]
"""A source or a place in any spelling that a submission may have; what counts is the key it gets."""
Group = Annotated[
    str,
    Field(max_length=KEY_LENGTH, examples=["columbus_oh"]),
    AfterValidator(_no_contact),
    AfterValidator(key),
    AfterValidator(_no_contact),
]
"""The key that leads are grouped under; a text in any other form is made one."""


class AliasName(BaseModel):
    """Which alias is meant."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: AliasKind
    """Of a source or of a place."""
    alias: Written
    """As submissions write it, or the key that they got for it."""


class Alias(AliasName):
    """Leads whose source or place would get the key of `alias` get `key` instead."""

    key: Group
    """The key they get; it is not looked up again."""


class AliasView(BaseModel):
    """An alias that there is, or was."""

    kind: AliasKind
    """Of a source or of a place."""
    alias: Key
    """The key that the alias stands for: that of its every spelling."""
    key: Key
    """The key that leads get instead."""


class AliasesChange(Reply):
    """What an order about aliases changed."""

    changes: int
    """How many aliases are new, other or gone; the rest was so before."""


class SetAliases(Request[AliasesChange]):
    """Set aliases of the tenant, new ones or those that exist; the others stay.

    They hold for what is submitted from then on. Leads keep the keys they have, for what they are credited with is frozen:
    the key of a lead changes only when its source sends it with other values.
    """

    topic: ClassVar = Topic("intake", Kind.REQUEST, "set_aliases")
    aliases: Annotated[list[Alias], Field(min_length=1, max_length=MOST_ALIASES)]
    """Each one once."""
    changed_by: Actor | None = None
    """Who changed them."""


class DeleteAliases(Request[AliasesChange]):
    """Delete aliases of the tenant; one that does not exist is no error. Leads keep the keys they have."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "delete_aliases")
    aliases: Annotated[list[AliasName], Field(min_length=1, max_length=MOST_ALIASES)]
    """Which."""
    changed_by: Actor | None = None
    """Who deleted them."""


class AliasPage(Reply):
    """A page of aliases."""

    aliases: list[AliasView]
    """By kind and alias."""
    next_cursor: str | None = None


class ListAliases(Request[AliasPage]):
    """The tenant's aliases, a page at a time."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "list_aliases")
    kind: AliasKind | None = None
    """Of sources or of places; both, if empty."""
    limit: Annotated[int, Field(ge=1, le=MOST_ALIASES)] = MOST_ALIASES
    cursor: Annotated[str, Field(max_length=300)] | None = None


class AliasesChanged(Event):
    """Aliases of the tenant were set or deleted; leads keep the keys they have."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "aliases_changed")
    aliases: list[AliasView] = []
    """Those that are new or lead to another key."""
    deleted: list[AliasView] = []
    """Those that are gone."""
    changed_by: Actor | None = None
    """Who changed them."""
    occurred_at: datetime
