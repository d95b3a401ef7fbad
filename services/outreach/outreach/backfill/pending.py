"""What another system was about to send: each message is put into the send queue as one of a campaign's."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.failures import LostRaceError
from chassis.unit_of_work import UnitOfWork
from contracts.intake.texts import KeepText, TextKept
from contracts.message import Envelope, ProblemCode, ProblemError
from contracts.outreach.backfill import PendingRow, RowResult
from contracts.outreach.campaigns import CampaignState, EnrollmentEnd, EnrollmentStarted, Step
from outreach.backfill import store
from outreach.backfill.domain_pending import Lead, RefusedError, already_in, lead_for, step_of
from outreach.backfill.persons import KNOWN, TAKEN, Ask, Person, refused
from outreach.sending import store_queue
from outreach.sending.composing import as_text
from outreach.sending.domain_gates import REST
from outreach.sending.facts import campaign_settings, steps_of
from outreach.sending.queueing import Entry, enqueue, variant_of

_TEXTS_AT_ONCE: Final = 10


@dataclass(frozen=True, slots=True)
class Planned:
    """A message that can be taken over.

    Attributes:
        lead: to whom it goes.
        goes_on: the enrollment that it is a message of, where another system had sent the messages before it.
    """

    row: PendingRow
    campaign: RowMapping
    step: Step
    lead: RowMapping
    goes_on: UUID | None = None

    @property
    def enrolled(self) -> tuple[UUID, UUID]:
        """In which campaign which lead is to be."""
        return self.row.campaign_id, self.lead["lead_id"]


async def judge(
    uow: UnitOfWork,
    tenant: str,
    rows: Mapping[int, PendingRow],
    persons: Mapping[int, Person],
    keys: Mapping[int, str],
) -> tuple[dict[int, RowResult], dict[int, Planned]]:
    """What becomes of each of these rows, and the messages that those make which are taken.

    Raises:
        ProblemError: `unavailable`, outreach has not heard yet of a lead that intake has.
    """
    campaigns = await store.campaigns(uow, tenant, {row.campaign_id for row in rows.values()})
    sent = await store.taken(uow, tenant, store.SENT, keys.values())
    results: dict[int, RowResult] = {}
    planned: dict[int, Planned] = {}
    for at, row in rows.items():
        person, campaign = persons[at], campaigns.get(row.campaign_id)
        if person.refusal:
            results[at] = person.refusal
            continue
        if keys[at] in sent:
            results[at] = refused("the message was taken over as sent before")
            continue
        if person.lead_ids and not person.leads:
            raise ProblemError(
                ProblemCode.UNAVAILABLE, "outreach has not heard yet of a lead that intake has: ask again in a moment"
            )
        try:
            state = CampaignState(campaign["state"]) if campaign else None
            step = step_of(row, state, steps_of(campaign["steps"]) if campaign else [])
            lead_id = lead_for(step, [_lead(row) for row in person.leads])
        except RefusedError as error:
            results[at] = refused(str(error), error.field)
            continue
        assert campaign
        planned[at] = Planned(row, campaign, step, next(lead for lead in person.leads if lead["lead_id"] == lead_id))
    seen: set[tuple[UUID, UUID]] = set()
    everybody = {at: [(p.row.campaign_id, lead) for lead in persons[at].lead_ids] for at, p in planned.items()}
    there = await store.enrollments(uow, tenant, {key for mine in everybody.values() for key in mine})
    for at, plan in list(planned.items()):
        theirs = [there[key] for key in (plan.enrolled, *everybody[at]) if key in there]
        taken = [row["end_reason"] for row in theirs if not row["is_free"]]
        if taken:
            end = None if None in taken else EnrollmentEnd(taken[0])
            results[at] = refused(already_in(end))
        elif not seen.isdisjoint(everybody[at]):
            results[at] = refused("a row before this one puts the person into the campaign: the steps behind it follow")
        if at in results:
            del planned[at]
            continue
        seen |= {plan.enrolled}
        if theirs:
            planned[at] = replace(plan, goes_on=theirs[0]["enrollment_id"])
        results[at] = TAKEN
    return results, planned


async def take(
    uow: UnitOfWork,
    tenant: str,
    planned: Mapping[int, Planned],
    keys: Mapping[int, str],
    messages: Mapping[int, UUID],
    ask: Ask,
    cause: Envelope,
) -> dict[int, RowResult]:
    """Put these messages into the queue.

    Parameters:
        keys: by which each is known when it comes again.
        messages: what each is called from now on.

    Raises:
        ProblemError: intake does not keep a text for now: nothing was taken.
        LostRaceError: a person was enrolled a moment before.
    """
    kept = await _keep_texts(tenant, planned, messages, ask, cause)
    fresh = await store.take(uow, tenant, store.PENDING, [keys[at] for at in kept])
    new = {at: planned[at] for at in kept if keys[at] in fresh}
    going_on = {plan.goes_on: plan.lead["lead_id"] for plan in new.values() if plan.goes_on}
    enrollments = await store.go_on(uow, tenant, going_on)
    enrollments |= await store.enrol(uow, tenant, [plan.enrolled for plan in new.values() if not plan.goes_on])
    if len(enrollments) < len(new):
        raise LostRaceError("a person was enrolled in the campaign meanwhile")
    for (campaign_id, lead_id), enrollment_id in enrollments.items():
        event = EnrollmentStarted(
            campaign_id=campaign_id, enrollment_id=enrollment_id, lead_id=lead_id, occurred_at=uow.now
        )
        uow.publish(tenant, event, cause)
    # Whose person another sequence holds waits for them in the queue, as any other.
    wanted = [(tenant, enrollments[plan.enrolled], plan.lead["names"]) for plan in new.values()]
    await store_queue.take_holds(uow, wanted, REST)
    await enqueue(
        uow, [_entry(uow, tenant, plan, enrollments[plan.enrolled], messages[at], cause) for at, plan in new.items()]
    )
    gone = refused("the person was erased: nothing is kept of them", "person")
    return {at: gone if at not in kept else TAKEN if at in new else KNOWN for at in planned}


async def _keep_texts(
    tenant: str, planned: Mapping[int, Planned], messages: Mapping[int, UUID], ask: Ask, cause: Envelope
) -> set[int]:
    """Have intake keep what these messages say; returns those that it keeps, and those that say nothing of their own."""
    few = asyncio.Semaphore(_TEXTS_AT_ONCE)

    async def is_kept(at: int, plan: Planned) -> bool:
        if plan.row.body is None:
            return True
        text = KeepText(
            text_id=messages[at], lead_id=plan.lead["lead_id"], text=as_text(plan.row.subject, plan.row.body)
        )
        async with few:
            try:
                kept: TextKept = await ask(tenant, text, cause)
            except ProblemError as error:
                if error.problem.code is not ProblemCode.NOT_FOUND:
                    raise
                return False
        return kept.kept

    kept = await asyncio.gather(*(is_kept(at, plan) for at, plan in planned.items()))
    return {at for at, is_ in zip(planned, kept, strict=True) if is_}


def _lead(row: RowMapping) -> Lead:
    return Lead(row["lead_id"], row["channels"], stands=not (row["merged"] or row["erased"]))


def _entry(
    uow: UnitOfWork, tenant: str, plan: Planned, enrollment_id: UUID, message_id: UUID, cause: Envelope
) -> Entry:
    row, has_text = plan.row, plan.row.body is not None
    return Entry(
        tenant=tenant, enrollment_id=enrollment_id, campaign_id=row.campaign_id, lead_id=plan.lead["lead_id"],
        step=row.step, kind=plan.step.kind, rotation_set=campaign_settings(plan.campaign["settings"]).rotation_set,
        person=plan.lead["names"][0], due_at=max(row.due_at or uow.now, uow.now), cause=cause, message_id=message_id,
        variant=None if has_text else variant_of(plan.step.variants, row.step, enrollment_id), has_text=has_text,
    )  # fmt: skip
