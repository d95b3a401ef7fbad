"""Messages of the gateway: who changed what about tenants, users, keys and sign-in."""

from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from contracts.message import Kind, Reply, Request, Topic


class Change(BaseModel):
    """A row of the audit; it is never changed, and holds nothing personal."""

    change_id: UUID
    """Rises with time."""
    occurred_at: datetime
    actor: str
    """Who did it: a user, a key, a service, or ``operator``."""
    action: Annotated[str, Field(examples=["user_changed"])]
    """What was done, as a word for programs."""
    subject: Annotated[str, Field(examples=["user:019a2f3e-8c1d-7b54-9d7e-3f5f0c2b6a11"])]
    """Whom or what it was done to."""
    detail: Annotated[dict[str, Any], Field(examples=[{"role": ["agent", "admin"]}])]
    """What is different: before and after, as far as it is nothing personal and no secret."""
    correlation_id: UUID


class ChangePage(Reply):
    """A page of the audit."""

    changes: list[Change]
    """The rows of this page."""
    next_cursor: str | None = None


class ListChanges(Request[ChangePage]):
    """Who changed what about the tenant, its users, its keys and how they sign in, newest first, a page at a time."""

    topic: ClassVar = Topic("gateway", Kind.REQUEST, "list_changes")
    actor: Annotated[str, Field(max_length=100)] | None = None
    """Only what they did."""
    subject: Annotated[str, Field(max_length=100)] | None = None
    """Only what was done to it."""
    since: AwareDatetime | None = None
    """Only from this moment on."""
    until: AwareDatetime | None = None
    """Only before this moment."""
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    cursor: Annotated[str, Field(max_length=200)] | None = None
