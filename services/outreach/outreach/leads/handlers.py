"""What outreach does when it hears of leads."""

from collections.abc import Sequence

from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.intake.erasure import LeadErased
from contracts.intake.imports import LeadWithdrawn
from contracts.intake.people import LeadUnmerged
from contracts.operations import PersonalDataDropped
from contracts.outcomes import OutcomeRecorded, OutcomeVoided
from contracts.outreach.campaigns import EnrollmentEnd
from contracts.outreach.sending import Gate
from contracts.taxonomy import STAGE_OF, Stage
from outreach import locks
from outreach.campaigns.enrolling import enrol
from outreach.leads import domain_lead, store
from outreach.people import store as people
from outreach.replies import store as replies
from outreach.sending import store_enrollments, store_waiting
from outreach.sending.queueing import stop


async def keep_leads(uow: UnitOfWork, received: Sequence[Received[domain_lead.Lead]]) -> None:
    """Keep a copy of each lead, and enroll it in every campaign whose audience it has joined.

    One that is merged into another is contacted by way of that one only.
    """
    newest = domain_lead.newest((message.tenant, message.body, message.envelope) for message in received)
    causes = {(tenant, lead.lead_id): envelope for tenant, lead, envelope in newest}
    tenants = {tenant for tenant, _, _ in newest}
    await locks.leads_arrive(uow, tenants)
    merging = {tenant for tenant, lead, _ in newest if domain_lead.told_otherwise(lead)}
    if merging:
        await locks.stop_messages(uow, merging)
    kept = await store.keep(uow, [(tenant, lead) for tenant, lead, _ in newest])
    if concerned := [
        (t, lead.lead_id) for t, lead, _ in newest if domain_lead.told_otherwise(lead) and not lead.merged_into
    ]:
        await store_waiting.look_again(uow, concerned, [Gate.MERGED])
    known = {(tenant, lead.lead_id): lead for tenant, lead, _ in newest}
    if aside := [key for key in kept if known[key].merged_into]:
        await store_enrollments.stand_aside(uow, aside)
    if parted := [key for key in kept if isinstance(known[key], LeadUnmerged)]:
        await store_enrollments.part(uow, parted)
    if kept:
        # A new lead too may tell more of a person who was contacted, or is not to be, before there was a lead of theirs.
        await store_enrollments.follow_names(uow, kept)
        await people.follow_names(uow, kept)
    await enrol(uow, kept, causes, [key for key in kept if known[key].version > 1])


async def forget_leads(uow: UnitOfWork, received: Sequence[Received[LeadErased | LeadWithdrawn]]) -> None:
    """Nobody can be reached any more by way of a lead that was erased or withdrawn, and no message to it is begun.

    Who was erased is refused by intake when they come again, and forgotten here. Who was withdrawn may come again: that they are not to be
    contacted, or were lately, stays known. They may have come again before their withdrawal is heard of: it is over then.
    """
    tenants = {message.tenant for message in received}
    await locks.leads_arrive(uow, tenants)
    await locks.stop_messages(uow, tenants)
    for message in received:
        tenant, gone = message.tenant, message.body
        if isinstance(gone, LeadWithdrawn) and await store.is_known_since(uow, tenant, gone.lead_id, gone.version):
            continue
        before = await store.forget(uow, tenant, gone.lead_id, gone.version)
        sequences = await store_enrollments.going_on(uow, tenant, [gone.lead_id])
        stopped = await stop(uow, tenant, sequences, EnrollmentEnd.ERASED, cause=message.envelope)
        await replies.forget_words(uow, tenant, gone.lead_id)
        if isinstance(gone, LeadErased):
            await people.forget_names(uow, tenant, before["names"])
            dropped = {"contact_channels": len(before["channels"]), "queued_messages": stopped}
            answer = PersonalDataDropped(erasure_id=gone.erasure_id, lead_id=gone.lead_id, dropped=dropped)
            uow.publish(tenant, answer, message.envelope)


async def note_wins(uow: UnitOfWork, received: Sequence[Received[OutcomeRecorded]]) -> None:
    """Keep which leads were won, for what variants of a text are judged by."""
    won = {(each.tenant, each.body.outcome_id): each.body for each in received if each.body.stage is Stage.WON}
    if won:
        await store.note_wins(uow, [(*key, outcome.lead_id, outcome.occurred_at) for key, outcome in won.items()])


async def void_wins(uow: UnitOfWork, received: Sequence[Received[OutcomeVoided]]) -> None:
    """Have leads count as won no more by outcomes that were voided."""
    voided = {
        (each.tenant, each.body.outcome_id): each.body.lead_id
        for each in received
        if STAGE_OF[each.body.type] is Stage.WON
    }
    if voided:
        await store.void_wins(uow, voided)
