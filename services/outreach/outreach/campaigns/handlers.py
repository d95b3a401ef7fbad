"""Campaigns are made, paused, resumed and archived."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import RowMapping
from uuid_utils.compat import uuid7

from chassis import paging
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.intake.memory import ActionRecall
from contracts.message import ProblemCode, ProblemError
from contracts.outreach import campaigns as messages
from contracts.outreach.campaigns import (
    AudienceView,
    CampaignOutline,
    CampaignStartResult,
    CampaignState,
    CampaignView,
    Step,
)
from contracts.taxonomy import CHANNEL_OF
from outreach import locks
from outreach.accounts import store as accounts
from outreach.accounts import store_guard
from outreach.accounts.domain_guard import Level
from outreach.campaigns import store, variants
from outreach.campaigns.domain_outline import outcome, outline
from outreach.campaigns.recalling import Memory
from outreach.sending import store_queue
from outreach.sending.facts import campaign_settings, steps_of
from outreach.templates import store as templates


async def create_campaign(
    memory: Memory, uow: UnitOfWork, request: Received[messages.CreateCampaign]
) -> CampaignStartResult:
    """Its audience is enrolled batch by batch after the reply."""
    tenant, order = request.tenant, request.body
    campaign_id = order.campaign_id or uuid7()
    about = outline(order.audience, order.steps, order.settings.offer)
    # Before anything is locked that others wait for.
    recall = await memory.recall(tenant, about, request.envelope) if order.start else None
    await locks.campaign_begins(uow, tenant)
    if order.campaign_id and await store.one(uow, tenant, campaign_id):
        return _started(await _campaign(uow, tenant, campaign_id), None)
    if order.start and (number := await _unwritten(uow, tenant, order.steps, order.settings.rotation_set)):
        raise _nothing_written(ProblemCode.INVALID, number, f"steps.{number - 1}.variants")
    await store.insert(uow, tenant, campaign_id, order, await _with_templates(uow, tenant, order.steps))
    event = messages.CampaignCreated(
        campaign_id=campaign_id,
        channel=CHANNEL_OF[order.steps[0].kind],
        offer=order.settings.offer,
        draft=not order.start,
        occurred_at=uow.now,
    )
    uow.publish(tenant, event, request.envelope)
    if order.start:
        uow.publish(tenant, _start(uow, campaign_id, about, order, recall), request.envelope)
    return _started(await _campaign(uow, tenant, campaign_id), recall)


async def list_campaigns(uow: UnitOfWork, request: Received[messages.ListCampaigns]) -> messages.CampaignList:
    ask = request.body
    rows = await store.page(uow, request.tenant, paging.after(ask.cursor, UUID), ask.limit + 1)
    views = [_view(row) for row in rows[: ask.limit]]
    cursor = str(views[-1].campaign_id) if len(rows) > ask.limit else None
    return messages.CampaignList(campaigns=views, next_cursor=cursor)


async def list_campaign_titles(
    uow: UnitOfWork, request: Received[messages.ListCampaignTitles]
) -> messages.CampaignTitleList:
    ask = request.body
    rows = await store.titles(uow, request.tenant, paging.after(ask.cursor, UUID), ask.limit + 1)
    page, cursor = paging.cut(rows, ask.limit, lambda row: row["campaign_id"])
    titles = [messages.CampaignTitle.model_validate(dict(row)) for row in page]
    return messages.CampaignTitleList(campaigns=titles, next_cursor=cursor)


async def get_campaign(uow: UnitOfWork, request: Received[messages.GetCampaign]) -> CampaignView:
    return await _campaign(uow, request.tenant, request.body.campaign_id)


async def judge_variants(uow: UnitOfWork, request: Received[messages.JudgeVariants]) -> messages.VariantJudgement:
    """Counted whenever it is asked, from what became of the messages."""
    tenant, campaign_id = request.tenant, request.body.campaign_id
    row = await store.one(uow, tenant, campaign_id)
    if row is None:
        raise _no_such_campaign()
    steps = await variants.judged(uow, tenant, campaign_id, row["steps"])
    return messages.VariantJudgement(campaign_id=campaign_id, steps=steps)


async def pause_campaign(uow: UnitOfWork, request: Received[messages.PauseCampaign]) -> CampaignView:
    """None of its messages begins to leave from the reply on; what is in flight may still arrive."""
    tenant, ask = request.tenant, request.body
    # Before the tenant's messages are held up: of a long queue it takes a while.
    counted = await _campaign(uow, tenant, ask.campaign_id)
    await locks.stop_messages(uow, [tenant])
    state = await _state(uow, tenant, ask.campaign_id)
    if state is CampaignState.RUNNING:
        state = CampaignState.PAUSED
        await store.set_state(uow, tenant, ask.campaign_id, state)
        event = messages.CampaignPaused(campaign_id=ask.campaign_id, actor=ask.actor, occurred_at=uow.now)
        uow.publish(tenant, event, request.envelope)
    in_flight = await store.in_flight(uow, tenant, ask.campaign_id)
    return counted.model_copy(update={"state": state, "in_flight": in_flight})


async def resume_campaign(
    memory: Memory, uow: UnitOfWork, request: Received[messages.ResumeCampaign]
) -> CampaignStartResult:
    """A draft begins: its audience is enrolled after the reply."""
    tenant, ask = request.tenant, request.body
    plan = await store.plan(uow, tenant, ask.campaign_id)
    if plan is None:
        raise _no_such_campaign()
    steps, settings = steps_of(plan["steps"]), campaign_settings(plan["settings_text"])
    about = outline(AudienceView.model_validate(dict(plan)), steps, settings.offer)
    drafted = plan["state"] == CampaignState.DRAFT
    # Before anything is locked that others wait for.
    recall = await memory.recall(tenant, about, request.envelope) if drafted else None
    state = await _state(uow, tenant, ask.campaign_id)
    if state in (CampaignState.PAUSED, CampaignState.DRAFT):
        begins = state is CampaignState.DRAFT
        if begins:
            await locks.campaign_begins(uow, tenant)
        if number := await _unwritten(uow, tenant, steps, settings.rotation_set):
            raise _nothing_written(ProblemCode.CONFLICT, number, "campaign_id")
        await store.set_state(uow, tenant, ask.campaign_id, CampaignState.RUNNING, enrol=begins)
        await store_guard.let_go_on(uow, tenant, Level.CAMPAIGN, str(ask.campaign_id))
        await store_queue.wake_lanes(uow, tenant, campaign=ask.campaign_id)
        event = messages.CampaignResumed(campaign_id=ask.campaign_id, actor=ask.actor, occurred_at=uow.now)
        uow.publish(tenant, event, request.envelope)
        if begins:
            uow.publish(tenant, _start(uow, ask.campaign_id, about, ask, recall), request.envelope)
    return _started(await _campaign(uow, tenant, ask.campaign_id), recall)


async def archive_campaign(uow: UnitOfWork, request: Received[messages.ArchiveCampaign]) -> CampaignView:
    """Its sequences end batch by batch after the reply; none of its messages begins to leave from the reply on."""
    tenant, ask = request.tenant, request.body
    await locks.stop_messages(uow, [tenant])
    if await _state(uow, tenant, ask.campaign_id) is not CampaignState.ARCHIVED:
        row = await store.one(uow, tenant, ask.campaign_id)
        assert row, "its state was just read, and no campaign is deleted"
        going_on = bool(row["enrolled"]) or row["enrolled_through"] is not None
        await store.set_state(uow, tenant, ask.campaign_id, CampaignState.ARCHIVED)
        event = messages.CampaignCompleted(
            campaign_id=ask.campaign_id, actor=ask.actor, outcome=outcome(sent=row["sent"], going_on=going_on),
            occurred_at=uow.now,
        )  # fmt: skip
        uow.publish(tenant, event, request.envelope)
    return await _campaign(uow, tenant, ask.campaign_id)


def _start(
    uow: UnitOfWork,
    campaign_id: UUID,
    about: CampaignOutline,
    order: messages.CreateCampaign | messages.ResumeCampaign,
    recall: ActionRecall | None,
) -> messages.CampaignStarted:
    known = recall is not None and recall.similar_action_found
    return messages.CampaignStarted(
        campaign_id=campaign_id, actor=order.actor, outline=about, proceeded_anyway=order.proceed_anyway or known,
        occurred_at=uow.now,
    )  # fmt: skip


def _started(view: CampaignView, recall: ActionRecall | None) -> CampaignStartResult:
    return CampaignStartResult(**dict(view), recall=recall)


async def _with_templates(uow: UnitOfWork, tenant: str, steps: Sequence[Step]) -> list[Step]:
    """The steps, each variant with the version of its template that is sent from now on, whatever is saved later.

    Raises:
        ProblemError: `invalid`, there is no such template or version, or it is for another kind of message.
    """
    found = []
    for number, step in enumerate(steps):
        chosen = []
        for variant in step.variants:
            row = await templates.version(uow, tenant, variant.template_id, variant.version)
            where = f"steps.{number}.variants"
            if row is None:
                raise ProblemError(
                    ProblemCode.INVALID,
                    "there is no such template or version: list_templates shows those there are",
                    where,
                )
            if row["kind"] != step.kind:
                raise ProblemError(
                    ProblemCode.INVALID, f"the template is for {row['kind']}, and the step sends {step.kind}", where
                )
            chosen.append(variant.model_copy(update={"version": row["version"]}))
        found.append(step.model_copy(update={"variants": tuple(chosen)}))
    return found


async def _unwritten(uow: UnitOfWork, tenant: str, steps: Sequence[Step], rotation_set: str) -> int | None:
    """The number of the first step that has no template although people would get it; no account begins to send to people meanwhile."""
    await locks.accounts_are_chosen(uow, [tenant])
    reached = await accounts.reaching_people(uow, tenant, rotation_set)
    unwritten = (
        number for number, step in enumerate(steps, 1) if not step.variants and CHANNEL_OF[step.kind] in reached
    )
    return next(unwritten, None)


def _nothing_written(code: ProblemCode, number: int, field: str) -> ProblemError:
    return ProblemError(
        code,
        f"step {number} has no template, and an account of the rotation set would send it to people: make the campaign with one, "
        "or have the accounts send into the sandbox",
        field,
    )


async def _state(uow: UnitOfWork, tenant: str, campaign_id: UUID) -> CampaignState:
    state = await store.state_of(uow, tenant, campaign_id)
    if state is None:
        raise _no_such_campaign()
    return state


async def _campaign(uow: UnitOfWork, tenant: str, campaign_id: UUID) -> CampaignView:
    row = await store.one(uow, tenant, campaign_id)
    if row is None:
        raise _no_such_campaign()
    return _view(row)


def _no_such_campaign() -> ProblemError:
    return ProblemError(
        ProblemCode.NOT_FOUND, "this tenant has no such campaign; list_campaigns shows those it has", "campaign_id"
    )


def _view(row: RowMapping) -> CampaignView:
    names = ("campaign_id", "title", "state", "created_at", "enrolled", "queued", "in_flight", "sent", "failed", "skipped",
             "unknown")  # fmt: skip
    return CampaignView(
        **{name: row[name] for name in names}, stopped=row["stopped"] if row["state"] == CampaignState.PAUSED else None,
        audience=AudienceView.model_validate(dict(row)),
        steps=steps_of(row["steps"]), settings=campaign_settings(row["settings_text"]),
    )  # fmt: skip
