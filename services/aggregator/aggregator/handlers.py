"""What the aggregator does with what it hears and is asked."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from aggregator import domain, store
from chassis import paging
from chassis.jobs import Counts, every_tenant
from chassis.received import Received
from chassis.unit_of_work import Database, UnitOfWork
from contracts import aggregator as messages
from contracts.intake.erasure import LeadErased
from contracts.message import Event
from contracts.operations import PersonalDataDropped
from contracts.outcomes import OutcomeRecorded


async def store_events(uow: UnitOfWork, received: Sequence[Received[Event]]) -> None:
    """Store every event, project the outcomes among them, and forget the persons that were erased."""
    erased = [(message, body) for message in received if isinstance(body := message.body, LeadErased)]
    for message, lead in erased:  # before the others are stored: one that is late holds what it is to hold then
        await store.keep_erased(uow, message.tenant, lead.lead_id, lead.version)
    await store.store_events(uow, [_row(message) for message in received])
    for message, lead in erased:
        events = await store.forget(uow, message.tenant, lead.lead_id, lead.version)
        answer = PersonalDataDropped(
            erasure_id=lead.erasure_id, lead_id=lead.lead_id, dropped={"events_scrubbed": events}
        )
        uow.publish(message.tenant, answer, message.envelope)
    outcomes = [message for message in received if isinstance(message.body, OutcomeRecorded)]
    if outcomes:
        await store.project_outcomes(uow, [m.tenant for m in outcomes], [m.id for m in outcomes])


async def win_rates(uow: UnitOfWork, request: Received[messages.WinRates]) -> messages.WinRateTable:
    ask = request.body
    since = domain.first_week(uow.now, ask.weeks) if ask.weeks else None
    rows = await store.win_rates(uow, request.tenant, ask.by, since, ask.intent, ask.minimum)
    first, last = await store.window(uow, request.tenant, since)
    if since:
        first, last = since, domain.week_of(uow.now.date())
    return messages.WinRateTable(
        by=ask.by,
        first_week=domain.week_name(first) if first else None,
        last_week=domain.week_name(last) if last else None,
        partial=last is not None and last >= domain.week_of(uow.now.date()),
        rows=[domain.win_rate(row) for row in rows],
    )


async def weekly_win_rates(uow: UnitOfWork, request: Received[messages.WeeklyWinRates]) -> messages.WeeklyWinRateTable:
    await store.refresh_weekly(uow, request.tenant)
    since = domain.first_week(uow.now, request.body.weeks)
    rows = await store.weekly(uow, request.tenant, request.body.by, since)
    return messages.WeeklyWinRateTable(
        by=request.body.by,
        rows=[
            messages.WeeklyWinRate(week=domain.week_name(row["week"]), **domain.win_rate(row).model_dump())
            for row in rows
        ],
    )


async def list_events(uow: UnitOfWork, request: Received[messages.ListEvents]) -> messages.EventPage:
    ask = request.body
    before = paging.after(ask.cursor, int)
    rows = await store.events(uow, request.tenant, ask.lead_id, ask.types, before, ask.limit + 1)
    page = rows[: ask.limit]
    return messages.EventPage(
        events=[messages.StoredEvent.model_validate(dict(row)) for row in page],
        next_cursor=str(page[-1]["seq"]) if len(rows) > ask.limit else None,
    )


async def replay(uow: UnitOfWork, request: Received[messages.Replay]) -> messages.ReplayReport:
    events, rows, differences = await store.replay(uow, request.tenant)
    return messages.ReplayReport(events=events, rows=rows, differences=differences)


async def refresh_weekly(database: Database, _: datetime) -> Counts:
    """The weekly job: recount every tenant's weeks that outcomes have touched.

    Raises:
        SomeTenantsFailedError: at the end, when all the others have been recounted.
    """

    async def refresh(tenant: str) -> Counts:
        async with database.begin(tenant) as uow:
            return {"tenants": 1, "weeks": await store.refresh_weekly(uow, tenant)}

    return {"tenants": 0, "weeks": 0} | await every_tenant(database, refresh)


def _row(message: Received[Event]) -> tuple[str, Any, str, datetime, Any, str]:
    occurred_at = getattr(message.body, "occurred_at", None) or message.envelope.time
    return (
        message.tenant,
        message.id,
        message.envelope.type,
        occurred_at.astimezone(UTC),
        getattr(message.body, "lead_id", None),
        message.wire.body.decode(),
    )
