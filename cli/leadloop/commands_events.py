"""``leadloop events``: what happened, event by event. `leadloop.main` says what each command does."""

import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from cyclopts import Parameter
from cyclopts.types import NonNegativeInt, PositiveInt
from rich.table import Table

from chassis.caller import Caller
from contracts.aggregator.events import (
    ArchiveEvents,
    EventPage,
    ListEventMonths,
    ListEvents,
    Month,
    RestoreEvents,
    StoredEvent,
)
from contracts.outreach.generated import GeneratedHistory, GenerateHistory
from leadloop.app import Common, Tenant
from leadloop.commands_tenants import check_known
from leadloop.installation import Installation
from leadloop.output import Answer, Printed, table
from leadloop.patience import patiently, settle

_PAGE = 200
_SECONDS = 60.0
_MONTH_SECONDS = 1800.0


async def list_events(
    *,
    tenant: Tenant,
    type: Annotated[list[str] | None, Parameter(negative=())] = None,
    lead: UUID | None = None,
    campaign: UUID | None = None,
    account: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    told_since: datetime | None = None,
    told_until: datetime | None = None,
    correlation: UUID | None = None,
    limit: PositiveInt = 50,
    format: Literal["table", "csv", "json"] = "table",
    common: Common = Common(),
) -> Answer:
    """``leadloop events list``.

    Args:
        type: only events of this type, by its name (message_sent) or CloudEvents type; several may be given.
        lead: only events about this lead, by its id.
        campaign: only events about this campaign, by its id.
        account: only events about this account of outreach, by its id.
        since: only events that occurred at this moment or later (ISO 8601; UTC where it names no time zone).
        until: only events that occurred before this moment.
        told_since: only events that were published at this moment or later.
        told_until: only events that were published before this moment.
        correlation: only what follows from one cause, by the id of it: of an HTTP request its `X-Request-Id`.
        limit: how many at most.
        format: csv and json (an object a line) are written page by page.
    """
    ask = ListEvents(
        types=type or [], lead_id=lead, campaign_id=campaign, account_id=account, since=_utc(since), until=_utc(until),
        told_since=_utc(told_since), told_until=_utc(told_until), correlation_id=correlation,
    )  # fmt: skip
    shown = table("Events", "occurred", "type", "lead", "campaign", "account", "event")
    found: list[StoredEvent] = []
    archived: list[str] = []
    async with Installation(common.open()).asking() as caller:
        await check_known(caller, tenant, "aggregator")
        first = True
        async for page in _pages(caller, tenant, ask, limit):
            archived = page.archived_months
            if common.json or format == "table":
                found += page.events
            elif format == "csv":
                print(page.to_csv(header=first), end="", flush=True)
            else:
                print(*(event.model_dump_json() for event in page.events), sep="\n", flush=True)
            first = False
    missing = f"archived, and not shown: {', '.join(archived)}"
    if not common.json and format != "table":
        if archived:
            print(missing, file=sys.stderr)
        return Printed()
    for event in found:
        ids = (event.lead_id, event.campaign_id, event.account_id, event.event_id)
        occurred_at = event.occurred_at.isoformat(timespec="seconds")
        shown.add_row(occurred_at, event.type, *(str(id_ or "") for id_ in ids))
    events = [event.model_dump(mode="json") for event in found]
    told = [shown] if found else ["no events"]
    return Answer({"events": events, "archived_months": archived}, [*told, missing] if archived else told)


async def _pages(caller: Caller, tenant: str, ask: ListEvents, limit: int) -> AsyncIterator[EventPage]:
    while True:
        asked = ask.model_copy(update={"limit": min(limit, _PAGE)})
        page = await patiently(lambda asked=asked: caller.ask(tenant, asked, seconds=_SECONDS))  # type: ignore[misc]
        if page.events or ask.cursor is None:
            yield page
        limit -= len(page.events)
        if page.next_cursor is None or limit <= 0:
            return
        ask = ask.model_copy(update={"cursor": page.next_cursor})


async def generate(*, tenant: Tenant, seed: NonNegativeInt = 0, common: Common = Common()) -> Answer:
    """``leadloop events generate``.

    Args:
        tenant: one without any events of its own.
        seed: another one makes another history; the same one at the same moment the same.
    """
    async with Installation(common.open()).reached() as client:
        caller = Caller(client)
        await check_known(caller, tenant, "outreach", "aggregator")
        made: GeneratedHistory = await caller.ask(tenant, GenerateHistory(seed=seed), seconds=_SECONDS)
        await settle(client, caller, "outreach")
    return Answer(
        made.model_dump(mode="json"),
        [
            f"{made.events} events stored: {made.messages} messages to {made.leads} leads from {len(made.accounts)} accounts in "
            f"{len(made.campaigns)} campaigns, {made.replies} replies, {made.waiting} of them not sorted yet"
        ],
    )


async def list_months(*, tenant: Tenant, common: Common = Common()) -> Answer:
    """``leadloop events months``."""
    async with Installation(common.open()).asking() as caller:
        await check_known(caller, tenant, "aggregator")
        found = await caller.ask(tenant, ListEventMonths(), seconds=_MONTH_SECONDS)
    return Answer(found.model_dump(), [_months(found.months)] if found.months else ["no events"])


async def archive(*, tenant: Tenant, month: list[str], common: Common = Common()) -> Answer:
    """``leadloop events archive``.

    Args:
        month: which month, as 2026-01; several may be given.
    """
    return await _each(tenant, [ArchiveEvents(month=name) for name in month], common)


async def restore(*, tenant: Tenant, month: list[str], common: Common = Common()) -> Answer:
    """``leadloop events restore``.

    Args:
        month: which month, as 2026-01; several may be given.
    """
    return await _each(tenant, [RestoreEvents(month=name) for name in month], common)


async def _each(tenant: str, orders: Sequence[ArchiveEvents | RestoreEvents], common: Common) -> Answer:
    done = []
    async with Installation(common.open()).asking() as caller:
        await check_known(caller, tenant, "aggregator")
        for order in orders:
            done.append(await caller.ask(tenant, order, seconds=_MONTH_SECONDS))
    return Answer({"months": [month.model_dump() for month in done]}, [_months(done)])


def _months(months: Sequence[Month]) -> Table:
    shown = table("Events by month", "month", "at hand", "archived", "MiB", right=("at hand", "archived", "MiB"))
    for month in months:
        size = f"{month.bytes_archived / 2**20:.1f}" if month.archived else ""
        shown.add_row(month.month, str(month.stored), str(month.archived), size)
    return shown


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
