"""What outcomes does with what it hears, is told and is asked."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from chassis import paging, tenants
from chassis.jobs import Counts
from chassis.keys import TenantKeys
from chassis.received import Received
from chassis.unit_of_work import Database, UnitOfWork
from contracts import outcomes as messages
from contracts.intake import erasure, imports, leads
from contracts.message import ProblemCode, ProblemError
from contracts.operations import PersonalDataDropped
from contracts.outreach import replies, sending
from contracts.taxonomy import Channel
from contracts.values import LeadRef
from outcomes import domain, recording, store, store_orders, store_outcomes, telling
from outcomes.orders import Order, has_free_text, order_of
from outcomes.source_ids import Naming

_MISSING_SHOWN = 100
_DIFFERENT_SHOWN = 100
_BATCH = 500


LeadNews = leads.LeadSnapshot | leads.LeadDuplicated | leads.LeadRejected | sending.MessageSent | replies.ReplyReceived
"""What other services tell of leads."""


async def forget_leads(
    uow: UnitOfWork, received: Sequence[Received[erasure.LeadErased | imports.LeadWithdrawn]]
) -> None:
    """Drop what was written about persons who were erased, or whose leads were withdrawn, and what still waits to be; their outcomes stay,
    and count."""
    await store.lock(uow)
    for message in received:
        gone = message.body
        dropped = await store.forget(uow, message.tenant, gone.lead_id, gone.version)
        if isinstance(gone, erasure.LeadErased):
            event = PersonalDataDropped(erasure_id=gone.erasure_id, lead_id=gone.lead_id, dropped=dropped)
            uow.publish(message.tenant, event, message.envelope)


def _version_row(message: Received[Any], lead: leads.LeadSnapshot) -> dict[str, Any]:
    active_at = lead.last_activity_at or lead.created_at
    if isinstance(lead, leads.LeadUpdated) and leads.NO_ACT.isdisjoint(lead.changed):
        active_at = max(active_at, message.envelope.time)
    return {
        **lead.__dict__,
        "tenant_id": message.tenant,
        "tier": lead.attribution.tier,
        "timeline": lead.attribution.timeline,
        "attribution": lead.attribution.model_dump_json(exclude_none=True),
        "active_at": active_at,
    }


def _active_at(act: sending.MessageSent | replies.ReplyReceived) -> datetime:
    # A mailbox may have been read days after its mail came; and a sender's clock may be ahead.
    return min(act.received_at, act.occurred_at) if isinstance(act, replies.ReplyReceived) else act.occurred_at


async def _carry_out_waiting(uow: UnitOfWork, named: Sequence[tuple[str, LeadRef]]) -> None:
    if named and (waiting := await store_orders.waiting_for(uow, named)):
        await recording.carry_out(uow, waiting)


async def give_up_waiting(database: Database, behind: Callable[[], Awaitable[int]], _: datetime) -> Counts:
    """The job that refuses what has waited for its lead long enough, and carries out what waited behind it.

    A lead that was told of in time may not have been heard yet, after a weekend's outage for instance: as long as the
    service is `behind` with events, time is up for those orders only that waited beyond the last event it heard.
    """
    is_behind = await behind() > 0
    async with database.begin() as uow:
        names = await tenants.all_tenants(uow)
        by = await store.heard_through(uow) if is_behind else uow.now
    refused = 0
    while True:
        async with database.begin(*names) as uow:
            await store.lock(uow)
            overdue = await store_orders.overdue(uow, names, by, _BATCH)
            located = list(zip(overdue, await store.locate(uow, overdue), strict=True))
            # One whose lead is known has only waited behind another; its turn comes now.
            hopeless = [(order, place) for order, place in located if place.attribution is None]
            await recording.refuse(uow, hopeless, messages.Refusal.LEAD_UNKNOWN)
            await _carry_out_waiting(uow, [(order.tenant, order.lead) for order in overdue])
        refused += len(hopeless)
        if not hopeless:
            return {"refused": refused}


class Handlers:
    """The handlers that need another service: the key service for free text, intake for the names of leads."""

    def __init__(self, keys: TenantKeys, naming: Naming) -> None:
        self._keys = keys
        self._naming = naming

    async def follow_leads(self, uow: UnitOfWork, received: Sequence[Received[LeadNews]]) -> None:
        """Handles all that is told of leads: keeps it, and carries out what waited for it."""
        versions, unchanged, rejections, acts, named = [], [], [], [], []
        for message in received:
            body = message.body
            if isinstance(body, sending.MessageSent | replies.ReplyReceived):
                by_sms = isinstance(body, replies.ReplyReceived) and body.channel is Channel.SMS
                act = {"lead_id": body.lead_id, "active_at": _active_at(body), "sms_reply": by_sms}
                acts.append({"tenant_id": message.tenant, **act})
                continue
            if isinstance(body, leads.LeadSnapshot):
                versions.append(_version_row(message, body))
            elif body.lead_id:  # repeated or rejected, the submission left the lead as it was
                unchanged.append({"tenant_id": message.tenant, **body.__dict__})
            else:
                rejections.append({"tenant_id": message.tenant, **body.__dict__})
            lead = LeadRef(source_system=body.source_system, source_id=body.source_id, submission_id=body.submission_id)
            named.append((message.tenant, lead))
        await self._naming.name_waiting(uow, named)
        await store.keep_versions(uow, versions)
        await store.keep_unchanged(uow, unchanged)
        await store.keep_rejections(uow, rejections)
        await store.note_activity(uow, acts)
        await store.hear_through(uow, max(message.wire.received for message in received))
        await _carry_out_waiting(uow, named)

    async def record(
        self, uow: UnitOfWork, received: Sequence[Received[messages.RecordOutcome | messages.RecordOutcomes]]
    ) -> None:
        """Handles `RecordOutcome` and `RecordOutcomes`."""
        orders = await self._orders(uow, received)
        await recording.carry_out(uow, orders)

    async def record_now(
        self, uow: UnitOfWork, request: Received[messages.RecordOutcomesNow]
    ) -> messages.OutcomeResults:
        """Answers `RecordOutcomesNow`; it does not wait behind orders that wait, for somebody waits for it."""
        [order] = await self._orders(uow, [request])
        [place] = await store.locate(uow, [order])
        if place.lead_id is None:
            field = "lead.lead_id" if order.lead.lead_id else "lead.source_id"
            raise ProblemError(ProblemCode.NOT_FOUND, "this tenant has no such lead; submit it first", field)
        if place.attribution is None:
            text = "the lead has no such submission; leave it out to record for the lead as it is now"
            raise ProblemError(ProblemCode.NOT_FOUND, text, "lead.submission_id")
        [results] = await recording.record(uow, [(order, place)])
        await recording.close(uow, [order], [results])
        return messages.OutcomeResults(results=results)

    async def outcome_history(
        self, uow: UnitOfWork, request: Received[messages.OutcomeHistory]
    ) -> messages.OutcomeHistoryView:
        begin = paging.after(request.body.cursor, domain.HistoryPlace.read) or domain.HistoryPlace()
        page = await telling.page(uow, self._keys, request.tenant, request.body, begin)
        if not page.waiting:  # an order may wait for a lead before that is heard of
            await _must_know(uow, request)
        return page

    async def _orders(self, uow: UnitOfWork, received: Sequence[Received[Any]]) -> list[Order]:
        """The orders the messages give, with the store locked; what is asked of others is asked before that."""
        writers = {message.tenant for message in received if has_free_text(message.body)}
        keys = {tenant: await self._keys.of(uow, tenant) for tenant in sorted(writers)}
        orders = [order_of(message, keys.get(message.tenant)) for message in received]
        return await self._naming.name(uow, orders)


async def lead_state(uow: UnitOfWork, request: Received[messages.LeadState]) -> messages.LeadStateView:
    await _must_know(uow, request)
    key = (request.tenant, request.body.lead_id)
    return domain.state_of(request.body.lead_id, (await store_outcomes.histories(uow, [key]))[key])


async def lead_states(uow: UnitOfWork, request: Received[messages.LeadStates]) -> messages.LeadStateList:
    known = await store.known_leads(uow, request.tenant, request.body.lead_ids)
    wanted = [(request.tenant, lead_id) for lead_id in dict.fromkeys(request.body.lead_ids) if lead_id in known]
    histories = await store_outcomes.histories(uow, wanted)
    return messages.LeadStateList(states=[domain.state_of(key[1], histories[key]) for key in wanted])


async def missing_outcomes(
    uow: UnitOfWork, request: Received[messages.MissingOutcomes]
) -> messages.MissingOutcomesView:
    rows, count = await store_outcomes.missing(uow, request.tenant, uow.now - domain.QUIET, _MISSING_SHOWN)
    leads = [
        messages.MissingOutcome(
            lead_id=row["lead_id"],
            source_key=row["attribution"].get("source_key"),
            geo_key=row["attribution"].get("geo_key"),
            tier=row["tier"],
            timeline=row["timeline"],
            last_activity_at=row["last_activity_at"],
            days_stale=(uow.now - row["stale_since"]).days,
            last_sms_reply_at=row["sms_replied_at"],
        )
        for row in rows
    ]
    return messages.MissingOutcomesView(leads=leads, count=count)


async def rebuild_lead_states(
    uow: UnitOfWork, request: Received[messages.RebuildLeadStates]
) -> messages.RebuiltLeadStates:
    compared = await store.count_leads(uow, request.tenant)
    suspects = await store_outcomes.wrongly_kept(uow, request.tenant)
    await store.lock(uow)  # for these few only: outcomes of theirs may have been recorded meanwhile
    different = await store_outcomes.wrongly_kept(uow, request.tenant, suspects)
    await store_outcomes.keep_as_derived(uow, request.tenant, different)
    return messages.RebuiltLeadStates(
        compared=compared, different=len(different), lead_ids=different[:_DIFFERENT_SHOWN]
    )


async def get_recordings(uow: UnitOfWork, request: Received[messages.GetRecordings]) -> messages.RecordingList:
    return messages.RecordingList(
        recordings=await store_orders.recordings(uow, request.tenant, request.body.command_ids)
    )


async def count_recordings(uow: UnitOfWork, request: Received[messages.CountRecordings]) -> messages.RecordingCounts:
    counts = await store_orders.count_verdicts(uow, request.tenant, request.body.correlation_id)
    return messages.RecordingCounts.model_validate({"counts": counts})


async def _must_know(uow: UnitOfWork, request: Received[Any]) -> None:
    if not await store.knows_lead(uow, request.tenant, request.body.lead_id):
        raise ProblemError(ProblemCode.NOT_FOUND, "this tenant has no such lead", "lead_id")
