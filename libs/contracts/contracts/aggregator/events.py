"""The event store."""

import csv
import io
import json
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from contracts.message import Kind, Reply, Request, Topic

_CURSOR: Final = "2026-01-05T09:00:00+00:00!0194338c-7f00-7000-8000-000000000001"
MonthName = Annotated[str, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$", examples=["2026-01"])]


class StoredEvent(BaseModel):
    """An event as it was published."""

    event_id: UUID
    """The id of the message that carried it."""
    type: str
    """Its CloudEvents type, e.g. ``intake.event.lead_accepted.v1``."""
    occurred_at: datetime
    """When what it tells happened."""
    stored_at: datetime
    """When the aggregator stored it."""
    told_at: datetime | None = None
    """When it was published (`ce-time`); the month in which it is kept follows from this."""
    lead_id: UUID | None
    """The lead it is about, if it is about one."""
    campaign_id: UUID | None = None
    """The campaign it is about, if it is about one."""
    account_id: UUID | None = None
    """The account of outreach it is about, if it is about one."""
    body: dict[str, Any]
    """The event's JSON."""
    body_omitted: bool = False
    """The JSON is larger than a reply can carry, and `body` is empty instead."""
    correlation_id: UUID | None = None
    """What it shares with all that follows from one cause outside; empty where it was stored before this was kept."""


CSV_COLUMNS: Final = tuple(StoredEvent.model_fields)


class EventPage(Reply):
    """A page of events. It ends early, before `limit`, where more would be larger than a reply can be."""

    events: list[StoredEvent]
    """The events of this page."""
    next_cursor: Annotated[str, Field(examples=[_CURSOR])] | None = None
    archived_months: list[MonthName] = []
    """The months, by when events were published, of which events are archived: those are on no page."""

    def to_csv(self, *, header: bool = True) -> str:
        """A line per event below a header; times in ISO 8601, the body in JSON."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        if header:
            writer.writerow(CSV_COLUMNS)
        for event in self.events:
            shown = event.model_dump(mode="json") | {"body": json.dumps(event.body, ensure_ascii=False)}
            writer.writerow([shown[column] for column in CSV_COLUMNS])
        return out.getvalue()


class ListEvents(Request[EventPage]):
    """A tenant's events, a page at a time: last told first; where `types`, `campaign_id`, `account_id`, `since` or `until` is
    given, last occurred first. An event is shown if it fits everything that is given.

    A page is as quick among a million events, and however far into them; where both what is ordered by occurrence and when it was told
    are given, it reads a month's events of the kind at most.
    """

    topic: ClassVar = Topic("aggregator", Kind.REQUEST, "list_events")
    lead_id: UUID | None = None
    """Only events about this lead."""
    campaign_id: UUID | None = None
    """Only events about this campaign."""
    account_id: UUID | None = None
    """Only events about this account of outreach."""
    types: Annotated[list[str], Field(examples=[["message_sent", "intake.event.lead_accepted.v1"]])] = []
    """Only events of these types, each by its CloudEvents type or by its name, which stands for every version of it and every service
    that tells it; of every type, if empty."""
    since: AwareDatetime | None = None
    """Only events that occurred at this moment or later."""
    until: AwareDatetime | None = None
    """Only events that occurred before this moment."""
    told_since: AwareDatetime | None = None
    """Only events that were published (`ce-time`) at this moment or later."""
    told_until: AwareDatetime | None = None
    """Only events that were published before this moment."""
    correlation_id: UUID | None = None
    """Only what follows from this cause: the id of an HTTP request (`X-Request-Id`), a submission, an import's row."""
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200, examples=[_CURSOR])] | None = None


class Month(Reply):
    """A month of a tenant's events, by when they were published (UTC)."""

    month: MonthName
    """Which."""
    stored: int
    """How many are at hand."""
    archived: int
    """How many are in the archive, and not at hand."""
    bytes_archived: int
    """How large the archive's files of the month are."""


class MonthList(Reply):
    """The months in which a tenant's events are kept."""

    months: list[Month]
    """Oldest first."""


class ListEventMonths(Request[MonthList]):
    """In which months how many of a tenant's events are at hand, and how many are archived."""

    topic: ClassVar = Topic("aggregator", Kind.REQUEST, "list_event_months")


class ArchiveEvents(Request[Month]):
    """Take a month's events out of the database and into a Parquet file, once that has been read back and is the same.

    The month must be over. An event of it that comes later is at hand until the month is archived once more, into a file of its own.
    What is asked for events does not show archived ones, and no number that counts them is computed until they are restored. What events
    hold that is made of a person stays in the database, so that an erasure reaches it: no file is ever changed.
    `conflict` where the installation has no archive or the month is not over.
    """

    topic: ClassVar = Topic("aggregator", Kind.REQUEST, "archive_events")
    month: MonthName
    """Which, by when its events were published (UTC)."""


class RestoreEvents(Request[Month]):
    """Bring a month's events back from the archive, each as it was, but for what was erased meanwhile. Doing it again changes nothing.

    A restored month is left at hand for 30 days, then it may be archived again. `conflict` where a file is gone or not what was written,
    and then nothing is restored.
    """

    topic: ClassVar = Topic("aggregator", Kind.REQUEST, "restore_events")
    month: MonthName
    """Which, by when its events were published (UTC)."""
