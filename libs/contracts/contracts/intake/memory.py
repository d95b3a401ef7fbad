"""Messages of intake's memory of actions: what was done before, told to whoever is about to do it again.

Whoever acts asks `check_action` first and shows the recall to whoever decides. Once it is decided, `record_action` under an id of
the caller's own, with `proceeded_anyway` as the recall's `similar_action_found`; and `update_action` when it is known what came of it.
There are kinds of actions for discovery, enrichment and outreach. A run that finds companies only is a discovery, any other an
enrichment. Runs and outreach's campaigns ask and record by themselves; of anything else whoever does it asks.

All of it is advice. Whoever cannot get it, because the answer is `unavailable` or does not come, goes on as if nothing
similar had been done.
"""

from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, Field

from contracts.message import Event, Kind, Reply, Request, Topic
from contracts.taxonomy import ActionStatus, ActionType, EntityType
from contracts.values import Actor


class ActionRecall(Reply):
    """Whether something similar was done within the time that the tenant remembers, and what came of it."""

    similar_action_found: bool
    """Whether there is an earlier action of the same type whose request was the same, or nearly so."""
    previous_action_id: UUID | None = None
    """The latest such action; that of a run, or of a campaign, has its id."""
    previous_action_date: datetime | None = None
    """When the latest such action was taken."""
    previous_action_status: ActionStatus | None = None
    """What came of it."""
    message: Annotated[str, Field(examples=["a similar action on 2026-11-02, completed"])] = ""
    """The same for people; the day is that of the tenant's time zone."""
    allow_proceed: bool = True
    """Always true: a recall is advice, and stops nobody."""


class _About(BaseModel):
    action_type: ActionType
    entity_type: EntityType
    entity_id: UUID | None = None
    """Whom it is about, where the caller has an id: of an individual the lead's, best. Actions about two different ones are never
    similar. By it an erasure finds the person's actions, and takes the hashes from them; without it they stay until they are
    forgotten."""
    request: Annotated[dict[str, Any], Field(max_length=200, examples=[{"industry": "roofing", "state": "OH"}])]
    """What is asked for, as JSON: upper case, spaces around, order and empty values make no difference. Nothing of it is
    kept but keyed hashes."""


class CheckAction(_About, Request[ActionRecall]):
    """Ask before an action whether something similar was done before. Nothing is recorded."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "check_action")


class ActionView(Reply):
    """An action as auditors see it: what was asked for stays unknown."""

    action_id: UUID
    action_type: ActionType
    entity_type: EntityType
    entity_id: UUID | None = None
    """Whom it was about, where the caller had an id; empty once that person was erased."""
    actor: str
    """Who took it: a user, key or service id, never a name."""
    status: ActionStatus
    proceeded_anyway: bool
    """Whether its actor had been told of a similar action and went on."""
    similar_to: UUID | None = None
    """The action they were told of, as long as it is remembered."""
    acted_at: datetime
    """When it was taken."""
    updated_at: datetime
    """When its status was last set."""


class RecordAction(_About, Request[ActionView]):
    """Record that an action was taken, or is under way. Repeating it under the same `action_id` changes nothing."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "record_action")
    action_id: UUID | None = None
    """The caller's own id for it, so that it can be told again; made here, if empty."""
    actor: Actor
    """Who takes it: a user, key or service id, never a name."""
    status: ActionStatus = ActionStatus.COMPLETED
    proceeded_anyway: bool = False
    """Whether a similar action was found, and the actor went on; auditors see it."""


class UpdateAction(Request[ActionView]):
    """Say what came of an action, once it is known."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "update_action")
    action_id: UUID
    status: ActionStatus


class ActionPage(Reply):
    """A page of actions."""

    actions: list[ActionView]
    """The actions of this page."""
    next_cursor: str | None = None


class ListActions(Request[ActionPage]):
    """The actions of a tenant that match everything given, newest first, a page at a time; for auditors."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "list_actions")
    action_type: ActionType | None = None
    actor: Actor | None = None
    """Who took them."""
    proceeded_anyway: bool | None = None
    """Only those whose actor went on although a similar action was known, or only the others."""
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class _ActionEvent(Event):
    action_id: UUID
    action_type: ActionType
    entity_type: EntityType
    status: ActionStatus
    actor: Actor
    occurred_at: datetime


class ActionRecorded(_ActionEvent):
    """An action was taken, or begun."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "action_recorded")
    proceeded_anyway: bool
    """Whether its actor had been told of a similar action and went on."""


class ActionUpdated(_ActionEvent):
    """It is known what came of an action."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "action_updated")
