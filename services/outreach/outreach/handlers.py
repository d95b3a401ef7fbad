"""What outreach does with what it hears and is asked."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import RowMapping
from uuid_utils.compat import uuid7

from chassis import paging
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts import outreach as messages
from contracts.intake.erasure import LeadErased
from contracts.message import Envelope, ProblemCode, ProblemError
from contracts.operations import PersonalDataDropped
from contracts.taxonomy import Channel
from outreach import domain, store


async def keep_leads(uow: UnitOfWork, received: Sequence[Received[domain.Lead]]) -> None:
    """Keep a copy of each lead, and queue a message to it in every campaign whose audience it has joined.

    One that is merged into another is contacted by way of that one only, and nobody is sent a campaign's message twice.
    """
    newest = domain.newest((message.tenant, message.body, message.envelope) for message in received)
    causes = {(tenant, lead.lead_id): envelope for tenant, lead, envelope in newest}
    await store.await_campaigns_being_created(uow, {tenant for tenant, _, _ in newest})
    leads = [(tenant, lead, domain.channels(lead)) for tenant, lead, _ in newest]
    queued = {row["message_id"]: row for row in await store.keep_and_enrol(uow, leads)}
    if concerned := [(tenant, id_) for tenant, lead, _ in newest for id_ in domain.contacted_otherwise(lead)]:
        for row in await store.hold_or_release(uow, concerned):
            if row["held"]:
                queued.pop(row["message_id"], None)
            else:
                queued[row["message_id"]] = row
    for row in queued.values():
        _publish_queued(uow, row, causes.get((row["tenant_id"], row["lead_id"])))


async def forget_leads(uow: UnitOfWork, received: Sequence[Received[LeadErased]]) -> None:
    """Nobody can be reached any more by way of an erased lead, and no message to it is begun."""
    await store.await_campaigns_being_created(uow, {message.tenant for message in received})
    for message in received:
        tenant, erased = message.tenant, message.body
        channels = await store.forget_lead(uow, tenant, erased.lead_id, erased.version)
        given_up = await store.give_up_queued(uow, tenant, erased.lead_id, domain.ERASED)
        for row in given_up:
            event = messages.MessageFailed(**row, occurred_at=uow.now, reason=domain.ERASED)
            uow.publish(tenant, event, message.envelope)
        dropped = {"contact_channels": channels, "queued_messages": len(given_up)}
        answer = PersonalDataDropped(erasure_id=erased.erasure_id, lead_id=erased.lead_id, dropped=dropped)
        uow.publish(tenant, answer, message.envelope)


async def lead_messages(uow: UnitOfWork, request: Received[messages.LeadMessages]) -> messages.LeadMessagesView:
    ask = request.body
    after = paging.after(ask.cursor, UUID)
    rows = await store.messages_to(uow, request.tenant, ask.lead_id, after, ask.limit + 1)
    page = [messages.MessageView.model_validate(dict(row)) for row in rows[: ask.limit]]
    return messages.LeadMessagesView(
        lead_id=ask.lead_id,
        channels=[Channel(name) for name in await store.channels_of(uow, request.tenant, ask.lead_id)],
        messages=page,
        next_cursor=str(page[-1].message_id) if len(rows) > ask.limit else None,
    )


async def create_campaign(uow: UnitOfWork, request: Received[messages.CreateCampaign]) -> messages.CampaignView:
    """Start a campaign and queue a message to every lead of its audience that is known by now."""
    tenant, order = request.tenant, request.body
    campaign_id = uuid7()
    await store.await_leads_being_kept(uow, tenant)
    await store.create_campaign(uow, tenant, campaign_id, order)
    uow.publish(
        tenant,
        messages.CampaignCreated(campaign_id=campaign_id, occurred_at=uow.now, channel=order.channel),
        request.envelope,
    )
    for row in await store.enrol_known_leads(uow, tenant, campaign_id):
        _publish_queued(uow, row, request.envelope)
    return await _campaign(uow, tenant, campaign_id)


async def list_campaigns(uow: UnitOfWork, request: Received[messages.ListCampaigns]) -> messages.CampaignList:
    rows = await store.campaigns(uow, request.tenant)
    return messages.CampaignList(campaigns=[_view(row) for row in rows])


async def pause_campaign(uow: UnitOfWork, request: Received[messages.PauseCampaign]) -> messages.CampaignView:
    """Nothing is handed to the provider any more from the reply on; what it was handed before may still arrive."""
    return await _switch(uow, request, messages.CampaignState.PAUSED, messages.CampaignPaused)


async def resume_campaign(uow: UnitOfWork, request: Received[messages.ResumeCampaign]) -> messages.CampaignView:
    return await _switch(uow, request, messages.CampaignState.RUNNING, messages.CampaignResumed)


async def _switch(
    uow: UnitOfWork,
    request: Received[messages.PauseCampaign] | Received[messages.ResumeCampaign],
    state: messages.CampaignState,
    event: type[messages.CampaignPaused] | type[messages.CampaignResumed],
) -> messages.CampaignView:
    """Put a campaign into a state; one that is in it already stays as it is, and nothing is published."""
    tenant, campaign_id = request.tenant, request.body.campaign_id
    if await store.set_state(uow, tenant, campaign_id, state):
        uow.publish(tenant, event(campaign_id=campaign_id, occurred_at=uow.now), request.envelope)
    return await _campaign(uow, tenant, campaign_id)


async def _campaign(uow: UnitOfWork, tenant: str, campaign_id: UUID) -> messages.CampaignView:
    rows = await store.campaigns(uow, tenant, campaign_id)
    if not rows:
        raise ProblemError(
            ProblemCode.NOT_FOUND, "this tenant has no such campaign; list_campaigns shows those it has", "campaign_id"
        )
    return _view(rows[0])


def _view(row: RowMapping) -> messages.CampaignView:
    return messages.CampaignView(**row, audience=messages.AudienceView.model_validate(dict(row)))


def _publish_queued(uow: UnitOfWork, row: RowMapping, cause: Envelope | None) -> None:
    event = messages.MessageQueued(
        campaign_id=row["campaign_id"],
        occurred_at=uow.now,
        message_id=row["message_id"],
        lead_id=row["lead_id"],
        channel=row["channel"],
    )
    uow.publish(row["tenant_id"], event, cause)
