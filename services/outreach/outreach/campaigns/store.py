"""Every query about campaigns and who is in their audiences."""

from collections.abc import Sequence
from uuid import UUID

import orjson
from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from contracts.outreach.campaigns import CampaignState, CreateCampaign, Step
from contracts.taxonomy import Channel
from outreach.accounts.store_guard import CAMPAIGN_STOPPED
from outreach.leads.store import OF_MERGED

_IS_MEANT = """
    not lead.erased and lead.merged_into is null
    and campaign.state <> 'draft' and campaign.state <> 'archived'
    and (campaign.source_key is null or campaign.source_key = lead.attribution ->> 'source_key')
    and (campaign.geo_key is null or campaign.geo_key = lead.attribution ->> 'geo_key')
    and (campaign.intent is null or campaign.intent = lead.attribution ->> 'intent')
    and (campaign.tier is null or campaign.tier = lead.attribution ->> 'tier')
    and case campaign.steps -> 0 ->> 'kind' when 'email' then 'email' when 'sms' then 'sms' else 'linkedin' end
        = any (lead.channels)
"""
_ENROL = (
    """
    with meant as (
        select lead.tenant_id, campaign.campaign_id, lead.lead_id, lead.names || {of_merged} as names, campaign.steps,
               campaign.settings
        from {leads} join campaign on campaign.tenant_id = lead.tenant_id
        where {which} and """
    + _IS_MEANT
    + """
    ), enrolled as ({enrolled}
        returning enrollment.tenant_id, enrollment.enrollment_id, enrollment.campaign_id, enrollment.lead_id
    )
    select enrolled.*, meant.names, meant.steps -> 0 as step, meant.settings::text as settings
    from enrolled join meant using (tenant_id, campaign_id, lead_id)
    order by enrolled.tenant_id, enrolled.enrollment_id
"""
)
_INSERT = """
    insert into enrollment (tenant_id, enrollment_id, campaign_id, lead_id, holds, started_at)
    select tenant_id, uuidv7(), campaign_id, lead_id, false, :now from meant
    on conflict (tenant_id, campaign_id, lead_id) do nothing
"""
# Its first message must be there, and have been stopped by that alone: another system may have sent what comes before a later one.
_BEGIN_ANEW = """
    with former as materialized (
        select former.tenant_id, former.enrollment_id
        from meant
        cross join lateral (
            select * from enrollment
            where tenant_id = meant.tenant_id and campaign_id = meant.campaign_id and lead_id = meant.lead_id offset 0
        ) as former
        where end_reason = 'erased' and (
            select bool_and(state = 'skipped' and reason = 'erased' and not has_text) and min(step) = 1 from send_queue as message
            where message.tenant_id = former.tenant_id and message.enrollment_id = former.enrollment_id)
    )
    update enrollment
    set enrollment_id = uuidv7(), started_at = :now, ended_at = null, end_reason = null, replied_at = null, paused_until = null
    from former
    where enrollment.tenant_id = former.tenant_id and enrollment.enrollment_id = former.enrollment_id
          and enrollment.enrollment_id = any (array(select enrollment_id from former)) and end_reason = 'erased'
"""
_LEADS = """unnest(cast(:tenants as text[]), cast(:leads as uuid[])) as given (tenant_id, lead_id)
             join lead using (tenant_id, lead_id)"""
_ENROL_LEADS = _ENROL.format(leads=_LEADS, which="true", of_merged=OF_MERGED, enrolled=_INSERT)
_ENROL_ANEW = _ENROL.format(leads=_LEADS, which="true", of_merged=OF_MERGED, enrolled=_BEGIN_ANEW)
_ENROL_KNOWN = _ENROL.format(
    leads="""(select * from lead where tenant_id = :tenant and lead_id > :after order by lead_id limit :limit) as lead""",
    which="campaign.campaign_id = :campaign",
    of_merged=OF_MERGED,
    enrolled=_INSERT,
)
_COUNTS = f"""
    select campaign.*, campaign.settings::text as settings_text, {CAMPAIGN_STOPPED} as stopped, (
        select count(*) from enrollment
        where enrollment.tenant_id = campaign.tenant_id and enrollment.campaign_id = campaign.campaign_id and ended_at is null
    ) as enrolled, waiting.messages + in_hand.messages as queued, in_hand.in_flight, ended.*
    from campaign
    cross join lateral (
        select count(*) as messages from send_queue as message
        where message.tenant_id = campaign.tenant_id and message.campaign_id = campaign.campaign_id and message.state = 'queued'
    ) as waiting
    cross join lateral (
        select count(*) as messages, count(*) filter (where message.state = 'sending') as in_flight from send_queue as message
        where message.tenant_id = campaign.tenant_id and message.campaign_id = campaign.campaign_id
              and message.state in ('claimed', 'sending')
    ) as in_hand
    cross join lateral (
        select count(*) filter (where message.state = 'sent') as sent,
               count(*) filter (where message.state = 'failed') as failed,
               count(*) filter (where message.state = 'skipped') as skipped,
               count(*) filter (where message.state = 'unknown') as unknown
        from send_queue as message
        where message.tenant_id = campaign.tenant_id and message.campaign_id = campaign.campaign_id
              and message.state in ('sent', 'failed', 'skipped', 'unknown')
    ) as ended
    where campaign.tenant_id = :tenant
"""
FIRST = UUID(int=0)
"""Before every lead."""


async def insert(uow: UnitOfWork, tenant: str, campaign_id: UUID, order: CreateCampaign, steps: Sequence[Step]) -> None:
    """Add a campaign with these steps; if it starts, its audience is still to be enrolled."""
    await uow.execute(
        """insert into campaign (tenant_id, campaign_id, title, state, source_key, geo_key, intent, tier, settings, steps,
                                 enrolled_through, created_at)
           values (:tenant, :campaign, :title, :state, :source_key, :geo_key, :intent, :tier, cast(:settings as jsonb),
                   cast(:steps as jsonb), :through, :now)""",
        tenant=tenant, campaign=campaign_id, title=order.title, now=uow.now,
        state=(CampaignState.RUNNING if order.start else CampaignState.DRAFT).value,
        settings=order.settings.model_dump_json(), through=FIRST if order.start else None,
        steps=orjson.dumps([step.model_dump(mode="json") for step in steps]).decode(), **order.audience.model_dump(),
    )  # fmt: skip


async def one(uow: UnitOfWork, tenant: str, campaign_id: UUID) -> RowMapping | None:
    """A campaign with how many of its messages are in which state."""
    rows = await uow.execute(f"{_COUNTS} and campaign.campaign_id = :campaign", tenant=tenant, campaign=campaign_id)
    return rows.mappings().first()


async def page(uow: UnitOfWork, tenant: str, before: UUID | None, limit: int) -> list[RowMapping]:
    """Campaigns, newest first, from before one, each as `one` has it."""
    rows = await uow.execute(
        f"""{_COUNTS} and (cast(:before as uuid) is null or campaign.campaign_id < :before)
            order by campaign.campaign_id desc limit :limit""",
        tenant=tenant, before=before, limit=limit,
    )  # fmt: skip
    return list(rows.mappings())


async def titles(uow: UnitOfWork, tenant: str, before: UUID | None, limit: int) -> list[RowMapping]:
    """What campaigns are called, newest first, from before one."""
    rows = await uow.execute(
        """select campaign_id, title, state from campaign
           where tenant_id = :tenant and (cast(:before as uuid) is null or campaign_id < :before)
           order by campaign_id desc limit :limit""",
        tenant=tenant, before=before, limit=limit,
    )  # fmt: skip
    return list(rows.mappings())


async def state_of(uow: UnitOfWork, tenant: str, campaign_id: UUID) -> CampaignState | None:
    rows = await uow.execute(
        "select state from campaign where tenant_id = :tenant and campaign_id = :campaign for update",
        tenant=tenant, campaign=campaign_id,
    )  # fmt: skip
    state = rows.scalar()
    return CampaignState(state) if state else None


async def plan(uow: UnitOfWork, tenant: str, campaign_id: UUID) -> RowMapping | None:
    """What a campaign was made as, its `steps` and its `settings_text` as JSON, and its state."""
    rows = await uow.execute(
        """select state, source_key, geo_key, intent, tier, steps, settings::text as settings_text from campaign
           where tenant_id = :tenant and campaign_id = :campaign""",
        tenant=tenant, campaign=campaign_id,
    )  # fmt: skip
    return rows.mappings().first()


async def in_flight(uow: UnitOfWork, tenant: str, campaign_id: UUID) -> int:
    """How many of a campaign's messages providers are being handed."""
    rows = await uow.execute(
        "select count(*) from send_queue where tenant_id = :tenant and campaign_id = :campaign and state = 'sending'",
        tenant=tenant, campaign=campaign_id,
    )  # fmt: skip
    return int(rows.scalar_one())


async def set_state(
    uow: UnitOfWork, tenant: str, campaign_id: UUID, state: CampaignState, *, enrol: bool = False
) -> None:
    """Put a campaign into a state, and have its audience be enrolled if that is to be done."""
    await uow.execute(
        """update campaign set state = :state,
               enrolled_through = case when :enrol then cast(:first as uuid) when :over then null else enrolled_through end
           where tenant_id = :tenant and campaign_id = :campaign""",
        tenant=tenant, campaign=campaign_id, state=state.value, enrol=enrol, first=FIRST,
        over=state is CampaignState.ARCHIVED,
    )  # fmt: skip


async def enrol(uow: UnitOfWork, leads: Sequence[tuple[str, UUID]]) -> list[RowMapping]:
    """Enroll (tenant, lead) in every campaign whose audience they are of; returns the enrollments that are new, with the persons'
    `names`, the first `step` and the campaign's `settings`."""
    return await _enrol(uow, _ENROL_LEADS, leads)


async def enrol_anew(uow: UnitOfWork, leads: Sequence[tuple[str, UUID]]) -> list[RowMapping]:
    """Enroll (tenant, lead) anew where they were before they were withdrawn, if nothing was sent to them by then; returns the new
    enrollments as `enrol` does. The former ones are no more, but for their messages."""
    return await _enrol(uow, _ENROL_ANEW, leads)


async def _enrol(uow: UnitOfWork, statement: str, leads: Sequence[tuple[str, UUID]]) -> list[RowMapping]:
    given = {"tenants": [tenant for tenant, _ in leads], "leads": [lead for _, lead in leads]}
    return list((await uow.execute(statement, **given, now=uow.now)).mappings())


async def enrolling(uow: UnitOfWork, tenants: Sequence[str]) -> list[tuple[str, UUID]]:
    """The campaigns, with their tenants, whose audiences are still being enrolled."""
    rows = await uow.execute(
        """select tenant_id, campaign_id from campaign
           where tenant_id = any (cast(:tenants as text[])) and enrolled_through is not null""",
        tenants=list(tenants),
    )  # fmt: skip
    return [(row.tenant_id, row.campaign_id) for row in rows]


async def enrol_known(
    uow: UnitOfWork, tenant: str, campaign_id: UUID, limit: int
) -> tuple[list[RowMapping], bool] | None:
    """Enroll the next of the leads that were there when a campaign began; returns those that are of its audience as `enrol` does,
    and whether there are more; none if another replica is about it, or it is done."""
    cursor = await uow.execute(
        """select enrolled_through from campaign
           where tenant_id = :tenant and campaign_id = :campaign and enrolled_through is not null for update skip locked""",
        tenant=tenant, campaign=campaign_id,
    )  # fmt: skip
    after = cursor.scalar()
    if after is None:
        return None
    last = await uow.execute(
        """select lead_id from (select lead_id from lead where tenant_id = :tenant and lead_id > :after
                                order by lead_id limit :limit) as page order by lead_id desc limit 1""",
        tenant=tenant, after=after, limit=limit,
    )  # fmt: skip
    through = last.scalar()
    rows: list[RowMapping] = []
    if through:
        found = await uow.execute(
            _ENROL_KNOWN, tenant=tenant, campaign=campaign_id, after=after, limit=limit, now=uow.now
        )
        rows = list(found.mappings())
    await uow.execute(
        "update campaign set enrolled_through = :through where tenant_id = :tenant and campaign_id = :campaign",
        tenant=tenant, campaign=campaign_id, through=through,
    )  # fmt: skip
    return rows, through is not None


async def unwritten(uow: UnitOfWork, tenant: str, rotation_set: str, channel: Channel) -> UUID | None:
    """A campaign that sends by the accounts of a rotation set, and of which a step for a channel has no template."""
    rows = await uow.execute(
        """select campaign_id from campaign
           where tenant_id = :tenant and state = 'running' and coalesce(settings ->> 'rotation_set', 'default') = :set and exists (
               select from jsonb_array_elements(steps) as step
               where jsonb_array_length(coalesce(step -> 'variants', '[]')) = 0
                     and case step ->> 'kind' when 'email' then 'email' when 'sms' then 'sms' else 'linkedin' end = :channel)
           limit 1""",
        tenant=tenant, set=rotation_set, channel=channel.value,
    )  # fmt: skip
    return rows.scalar()


async def pending(uow: UnitOfWork, tenant: str, campaign_id: UUID, limit: int) -> list[UUID]:
    """Enrollments of a campaign that go on."""
    rows = await uow.execute(
        """select enrollment_id from enrollment
           where tenant_id = :tenant and campaign_id = :campaign and ended_at is null limit :limit""",
        tenant=tenant, campaign=campaign_id, limit=limit,
    )  # fmt: skip
    return list(rows.scalars())


async def archived_with_enrollments(uow: UnitOfWork, tenants: Sequence[str]) -> list[tuple[str, UUID]]:
    """Archived campaigns, with their tenants, in which somebody still is."""
    rows = await uow.execute(
        """select tenant_id, campaign_id from campaign
           where tenant_id = any (cast(:tenants as text[])) and state = 'archived' and exists (
               select from enrollment where enrollment.tenant_id = campaign.tenant_id
                 and enrollment.campaign_id = campaign.campaign_id and ended_at is null)""",
        tenants=list(tenants),
    )  # fmt: skip
    return [(row.tenant_id, row.campaign_id) for row in rows]
