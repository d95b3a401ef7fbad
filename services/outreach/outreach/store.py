"""Every query of outreach."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from contracts.outreach import CampaignState, CreateCampaign, SendState
from contracts.taxonomy import Channel
from outreach.domain import Lead
from outreach.provider import Outgoing

# Whether the person was sent the campaign's message, or is being sent it, by way of a lead merged into this one.
_CONTACTED = """exists (
    select from lead as merged
    join message as sent on sent.tenant_id = merged.tenant_id and sent.lead_id = merged.lead_id
    where merged.tenant_id = lead.tenant_id and merged.merged_into = lead.lead_id
      and sent.campaign_id = campaign.campaign_id and sent.state in ('sending', 'sent', 'unknown')
)"""
_ENROL = """
    insert into message (tenant_id, campaign_id, lead_id, message_id, channel, state, queued_at)
    select lead.tenant_id, campaign.campaign_id, lead.lead_id, uuidv7(), campaign.channel, 'queued',
           cast(:now as timestamptz)
    from {leads} as lead join campaign on campaign.tenant_id = lead.tenant_id
    where {which}
      and lead.merged_into is null and not {contacted}
      and campaign.channel = any (lead.channels)
      and (campaign.source_key is null or campaign.source_key = lead.source_key)
      and (campaign.geo_key is null or campaign.geo_key = lead.geo_key)
      and (campaign.intent is null or campaign.intent = lead.intent)
      and (campaign.tier is null or campaign.tier = lead.tier)
    on conflict (tenant_id, campaign_id, lead_id) do nothing
    returning tenant_id, campaign_id, lead_id, message_id, channel
"""

_KEEP_AND_ENROL = """
    with arrived as (
        insert into lead (tenant_id, lead_id, version, source_key, geo_key, intent, tier, channels, merged_into)
        select tenant_id, lead_id, version, source_key, geo_key, intent, tier, string_to_array(channels, ','), merged_into
        from unnest(cast(:tenants as text[]), cast(:leads as uuid[]), cast(:versions as integer[]),
                    cast(:sources as text[]), cast(:geos as text[]), cast(:intents as text[]), cast(:tiers as text[]),
                    cast(:channels as text[]), cast(:merged_into as uuid[]))
             as given (tenant_id, lead_id, version, source_key, geo_key, intent, tier, channels, merged_into)
        on conflict (tenant_id, lead_id) do update
            set version = excluded.version, source_key = excluded.source_key, geo_key = excluded.geo_key,
                intent = excluded.intent, tier = excluded.tier, channels = excluded.channels,
                merged_into = excluded.merged_into
            where lead.version < excluded.version
        returning *
    )
""" + _ENROL.format(leads="arrived", which="true", contacted=_CONTACTED)

_ENROL_KNOWN = _ENROL.format(
    leads="lead", which="lead.tenant_id = :tenant and campaign.tenant_id = :tenant and campaign.campaign_id = :campaign",
    contacted=_CONTACTED,
)  # fmt: skip
_HOLD_OR_RELEASE = f"""
    with wanted as materialized (
        select lead.tenant_id, campaign.campaign_id, lead.lead_id, lead.merged_into is not null or {_CONTACTED} as held
        from (
            select distinct tenant_id, lead_id
            from unnest(cast(:tenants as text[]), cast(:leads as uuid[])) as given (tenant_id, lead_id)
        ) as concerned
        join lead using (tenant_id, lead_id) join campaign using (tenant_id)
    )
    update message set state = case when wanted.held then 'held' else 'queued' end, token = null, lease_until = null
    from wanted
    where message.tenant_id = wanted.tenant_id and message.campaign_id = wanted.campaign_id
      and message.lead_id = wanted.lead_id
      and message.state = case when wanted.held then 'queued' else 'held' end
    returning message.tenant_id, message.campaign_id, message.lead_id, message.message_id, message.channel,
        message.state = 'held' as held
"""

_THIS_MESSAGE = "message.tenant_id = :tenant and message.campaign_id = :campaign and message.lead_id = :lead"
_DUE = "message.state = 'queued' and (message.lease_until is null or message.lease_until < now())"


async def await_campaigns_being_created(uow: UnitOfWork, tenants: Collection[str]) -> None:
    """Let no campaign of these tenants be created until this unit of work ends.

    A lead that arrives while a campaign is being created would be seen by neither: not by the campaign, which does not
    see what is uncommitted, nor the campaign by the lead's own handler.
    """
    await uow.execute(
        """select pg_advisory_xact_lock_shared(hashtextextended('outreach/audience/' || tenant, 0))
           from unnest(cast(:tenants as text[])) as tenant""",
        tenants=sorted(tenants),
    )


async def await_leads_being_kept(uow: UnitOfWork, tenant: str) -> None:
    """Let no lead of the tenant be kept until this unit of work ends; the other half of the above."""
    await uow.execute(
        "select pg_advisory_xact_lock(hashtextextended('outreach/audience/' || cast(:tenant as text), 0))",
        tenant=tenant,
    )


async def keep_and_enrol(uow: UnitOfWork, leads: Sequence[tuple[str, Lead, Sequence[Channel]]]) -> Sequence[RowMapping]:
    """Keep (tenant, lead, its channels) where the version is new, and queue the messages that follow; returns those."""
    attributions = [lead.attribution for _, lead, _ in leads]
    rows = await uow.execute(
        _KEEP_AND_ENROL,
        now=uow.now,
        tenants=[tenant for tenant, _, _ in leads],
        leads=[lead.lead_id for _, lead, _ in leads],
        versions=[lead.version for _, lead, _ in leads],
        sources=[attribution.source_key for attribution in attributions],
        geos=[attribution.geo_key for attribution in attributions],
        intents=[attribution.intent for attribution in attributions],
        tiers=[attribution.tier for attribution in attributions],
        channels=[",".join(channels) for _, _, channels in leads],
        merged_into=[lead.merged_into for _, lead, _ in leads],
    )
    return rows.mappings().all()


async def hold_or_release(uow: UnitOfWork, leads: Collection[tuple[str, UUID]]) -> Sequence[RowMapping]:
    """Hold the messages back that (tenant, lead) must not be sent, as the person is contacted by way of another lead, and
    queue those again for which that is no longer so; returns what changed, and whether it is held."""
    rows = await uow.execute(
        _HOLD_OR_RELEASE, tenants=[tenant for tenant, _ in leads], leads=[lead_id for _, lead_id in leads]
    )
    return rows.mappings().all()


async def forget_lead(uow: UnitOfWork, tenant: str, lead_id: UUID, version: int) -> int:
    """Keep of a lead nothing but this version, before which none counts; returns by how many channels it was reached."""
    before = await channels_of(uow, tenant, lead_id)
    kept = await uow.execute(
        """insert into lead (tenant_id, lead_id, version, channels) values (:tenant, :lead_id, :version, '{}')
           on conflict (tenant_id, lead_id) do update
               set version = excluded.version, channels = excluded.channels, source_key = null, geo_key = null,
                   intent = null, tier = null, merged_into = null
               where lead.version < excluded.version""",
        tenant=tenant, lead_id=lead_id, version=version,
    )  # fmt: skip
    return len(before) if kept.rowcount else 0


async def channels_of(uow: UnitOfWork, tenant: str, lead_id: UUID) -> list[str]:
    rows = await uow.execute(
        "select channels from lead where tenant_id = :tenant and lead_id = :lead_id", tenant=tenant, lead_id=lead_id
    )
    return rows.scalar_one_or_none() or []


async def messages_to(
    uow: UnitOfWork, tenant: str, lead_id: UUID, after: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """The messages to a lead, the last queued first, from behind one of them."""
    rows = await uow.execute(
        """select message.message_id, message.campaign_id, message.channel, queued_at, ended_at, reason,
                  case message.state when 'held' then 'queued' else message.state end as state,
                  message.state = 'held' as held
           from campaign join message using (tenant_id, campaign_id)
           where tenant_id = :tenant and lead_id = :lead_id and (cast(:after as uuid) is null or exists (
               select from message as last
               where last.tenant_id = :tenant and last.lead_id = :lead_id and last.message_id = :after
                 and (message.queued_at < last.queued_at
                      or (message.queued_at = last.queued_at and message.message_id > last.message_id))))
           order by queued_at desc, message_id limit :limit""",
        tenant=tenant, lead_id=lead_id, after=after, limit=limit,
    )  # fmt: skip
    return rows.mappings().all()


async def give_up_queued(uow: UnitOfWork, tenant: str, lead_id: UUID, reason: str) -> Sequence[RowMapping]:
    """Messages to a lead that were not begun will not be sent, reserved or not; returns them."""
    rows = await uow.execute(
        """update message set state = 'failed', reason = :reason, lease_until = null, ended_at = :now
           from campaign
           where campaign.tenant_id = :tenant and message.tenant_id = :tenant
             and message.campaign_id = campaign.campaign_id and message.lead_id = :lead_id and message.state in ('queued', 'held')
           returning message.campaign_id, message.message_id, message.lead_id, message.channel""",
        tenant=tenant, lead_id=lead_id, reason=reason, now=uow.now,
    )  # fmt: skip
    return rows.mappings().all()


async def create_campaign(uow: UnitOfWork, tenant: str, campaign_id: UUID, order: CreateCampaign) -> None:
    await uow.execute(
        """insert into campaign (tenant_id, campaign_id, title, channel, state, source_key, geo_key, intent, tier,
                                 created_at)
           values (:tenant, :campaign, :title, :channel, 'running', :source_key, :geo_key, :intent, :tier, :now)""",
        tenant=tenant, campaign=campaign_id, title=order.title, channel=order.channel, now=uow.now,
        **order.audience.model_dump(),
    )  # fmt: skip


async def enrol_known_leads(uow: UnitOfWork, tenant: str, campaign_id: UUID) -> Sequence[RowMapping]:
    """Queue a message to every lead of the campaign's audience; returns the messages."""
    rows = await uow.execute(_ENROL_KNOWN, tenant=tenant, campaign=campaign_id, now=uow.now)
    return rows.mappings().all()


async def campaigns(uow: UnitOfWork, tenant: str, campaign_id: UUID | None = None) -> Sequence[RowMapping]:
    """The tenant's campaigns, or the one, newest first, with how many of their messages are in which state."""
    rows = await uow.execute(
        """select campaign_id, title, campaign.channel, campaign.state, source_key, geo_key, intent, tier, created_at,
                  count(*) filter (where message.state in ('queued', 'sending')) as queued,
                  count(*) filter (where message.state = 'held') as held,
                  count(*) filter (where message.state = 'unknown') as unknown,
                  count(*) filter (where message.state = 'sent') as sent,
                  count(*) filter (where message.state = 'failed') as failed
           from campaign left join message using (tenant_id, campaign_id)
           where tenant_id = :tenant and (cast(:campaign as uuid) is null or campaign_id = :campaign)
           group by tenant_id, campaign_id
           order by campaign_id desc""",
        tenant=tenant, campaign=campaign_id,
    )  # fmt: skip
    return rows.mappings().all()


async def set_state(uow: UnitOfWork, tenant: str, campaign_id: UUID, state: CampaignState) -> bool:
    """Whether there is such a campaign and it was in another state."""
    changed = await uow.execute(
        """update campaign set state = :state
           where tenant_id = :tenant and campaign_id = :campaign and state <> :state""",
        tenant=tenant, campaign=campaign_id, state=state,
    )  # fmt: skip
    return changed.rowcount == 1


async def give_up_expired(uow: UnitOfWork, tenants: Sequence[str]) -> int:
    """Messages whose sending was not heard of again become unknown; returns how many did."""
    expired = await uow.execute(
        """update message set state = 'unknown', lease_until = null
           where tenant_id = any (cast(:tenants as text[])) and state = 'sending' and lease_until < now()""",
        tenants=tenants,
    )
    return expired.rowcount


async def due_campaigns(uow: UnitOfWork, tenants: Sequence[str]) -> list[tuple[str, UUID]]:
    """The running campaigns, with their tenants, that have a message nobody has reserved."""
    rows = await uow.execute(
        f"""select tenant_id, campaign_id from campaign
            where tenant_id = any (cast(:tenants as text[])) and state = 'running'
              and exists (select from message where message.tenant_id = campaign.tenant_id
                          and message.campaign_id = campaign.campaign_id and {_DUE})""",
        tenants=tenants,
    )
    return [(row.tenant_id, row.campaign_id) for row in rows]


async def reserve(
    uow: UnitOfWork, tenant: str, campaign_id: UUID, token: UUID, lease: timedelta, limit: int
) -> list[Outgoing]:
    """Reserve a running campaign's oldest messages under a token; those of other workers are left to them."""
    rows = await uow.execute(
        f"""with due as (
                select tenant_id, campaign_id, lead_id from message
                where tenant_id = :tenant and campaign_id = :campaign and {_DUE}
                  and exists (select from campaign where tenant_id = :tenant and campaign_id = :campaign
                              and state = 'running')
                order by queued_at, lead_id limit :limit
                for update skip locked
            )
            update message set token = :token, lease_until = now() + cast(:lease as interval)
            from due where message.tenant_id = due.tenant_id and message.campaign_id = due.campaign_id
              and message.lead_id = due.lead_id
            returning message.lead_id, message.message_id, message.channel""",
        tenant=tenant, campaign=campaign_id, token=token, lease=lease, limit=limit,
    )  # fmt: skip
    return [Outgoing(tenant, campaign_id, row.lead_id, row.message_id, Channel(row.channel)) for row in rows]


async def begin_sending(uow: UnitOfWork, message: Outgoing, token: UUID, lease: timedelta) -> bool:
    """Whether a reserved message may be handed over now; of a paused campaign it goes back into the queue."""
    rows = await uow.execute(
        f"""update message
            set state = case when running then 'sending' else 'queued' end,
                token = case when running then token end,
                lease_until = case when running then now() + cast(:lease as interval) end
            from (select state = 'running' as running from campaign
                  where tenant_id = :tenant and campaign_id = :campaign) as campaign
            where {_THIS_MESSAGE} and message.state = 'queued' and token = :token
            returning running""",
        tenant=message.tenant, campaign=message.campaign_id, lead=message.lead_id, token=token, lease=lease,
    )  # fmt: skip
    return bool(rows.scalar())


async def record(uow: UnitOfWork, message: Outgoing, token: UUID, state: SendState, reason: str | None) -> bool:
    """Record how a message's sending ended; False where it is not this token's any more, or was recorded before.

    An unknown message still carries the token of its last sending: a result that comes late settles it.
    """
    recorded = await uow.execute(
        f"""update message set state = :state, reason = :reason, lease_until = null, ended_at = :now
            where {_THIS_MESSAGE} and state in ('sending', 'unknown') and token = :token""",
        tenant=message.tenant, campaign=message.campaign_id, lead=message.lead_id, token=token, state=state,
        reason=reason, now=uow.now,
    )  # fmt: skip
    return recorded.rowcount == 1


async def deliver_to_sandbox(uow: UnitOfWork, message: Outgoing) -> None:
    """Count a message handed to the sandbox; one that is counted twice was sent twice."""
    await uow.execute(
        """insert into sandbox_delivery (tenant_id, message_id, campaign_id, lead_id, channel, delivered_at)
           values (:tenant, :message, :campaign, :lead, :channel, :now)
           on conflict (tenant_id, message_id) do update set deliveries = sandbox_delivery.deliveries + 1""",
        tenant=message.tenant, message=message.message_id, campaign=message.campaign_id, lead=message.lead_id,
        channel=message.channel, now=uow.now,
    )  # fmt: skip
