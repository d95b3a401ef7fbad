"""Every query about the leads that outcomes are of. Those about outcomes are in `store_outcomes`, about what waits and the verdicts in
`store_orders`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.unit_of_work import UnitOfWork, columns
from contracts.values import EARLIEST
from outcomes.orders import Order

LeadKey = tuple[str, UUID]
"""Tenant and lead."""

_LOCK = "select pg_advisory_xact_lock(hashtextextended('outcomes/leads and orders', 0))"

_KEEP_VERSIONS = """
    with given as materialized (
        select * from unnest(
            cast(:tenant_id as text[]), cast(:lead_id as uuid[]), cast(:version as integer[]),
            cast(:submission_id as uuid[]), cast(:source_system as text[]), cast(:source_id as text[]),
            cast(:tier as text[]), cast(:timeline as text[]), cast(:attribution as jsonb[]),
            cast(:created_at as timestamptz[]), cast(:active_at as timestamptz[]), cast(:merged_into as uuid[])
        ) as given (tenant_id, lead_id, version, submission_id, source_system, source_id, tier, timeline, attribution,
                    created_at, active_at, merged_into)
    ), versions as (
        insert into lead_version (tenant_id, lead_id, version, attribution, created_at)
        select tenant_id, lead_id, version, attribution, created_at from given
        on conflict do nothing
    ), submissions as (
        insert into submission (tenant_id, submission_id, lead_id, version)
        select tenant_id, submission_id, lead_id, version from given
        on conflict do nothing
    )
    insert into lead (tenant_id, lead_id, source_system, source_id, version, tier, timeline, last_activity_at,
                      told_activity_at, merged_into)
    select tenant_id, lead_id, source_system, source_id, version, tier, timeline, active_at, active_at, merged_into
    from (
        select distinct on (tenant_id, lead_id) tenant_id, lead_id, source_system, source_id, version, tier, timeline,
               max(active_at) over (partition by tenant_id, lead_id) as active_at, merged_into
        from given
        order by tenant_id, lead_id, version desc
    ) as newest
    on conflict (tenant_id, lead_id) do update set
        version = greatest(lead.version, excluded.version),
        source_id = case when excluded.version > lead.version then excluded.source_id else lead.source_id end,
        tier = case when excluded.version > lead.version then excluded.tier else lead.tier end,
        timeline = case when excluded.version > lead.version then excluded.timeline else lead.timeline end,
        merged_into = case when excluded.version > lead.version then excluded.merged_into else lead.merged_into end,
        last_activity_at = greatest(lead.last_activity_at, excluded.last_activity_at),
        told_activity_at = greatest(coalesce(lead.told_activity_at, lead.last_activity_at), excluded.told_activity_at)
"""
# Every source, place and partner that a lead has, or had: few, so that nobody looks for them among all leads.
_KEEP_KEYS = """
    insert into lead_key (tenant_id, kind, key)
    select distinct tenant_id, kind, attribution ->> field
    from unnest(cast(:tenant_id as text[]), cast(:attribution as jsonb[])) as given (tenant_id, attribution)
    cross join (values ('source', 'source_key'), ('place', 'geo_key'), ('partner', 'partner')) as known (kind, field)
    where attribution ->> field is not null
    order by 1, 2, 3
    on conflict do nothing
"""
_KEEP_UNCHANGED = """
    insert into submission (tenant_id, submission_id, lead_id, version)
    select * from unnest(cast(:tenant_id as text[]), cast(:submission_id as uuid[]), cast(:lead_id as uuid[]),
                         cast(:version as integer[]))
    on conflict do nothing
"""
_KEEP_REJECTIONS = """
    insert into rejection (tenant_id, submission_id, source_system, source_id)
    select * from unnest(cast(:tenant_id as text[]), cast(:submission_id as uuid[]), cast(:source_system as text[]),
                         cast(:source_id as text[]))
    on conflict do nothing
"""
_NOTE_ACTIVITY = """
    update lead set last_activity_at = greatest(last_activity_at, latest.active_at),
                    told_activity_at = case when coalesce(told_activity_at, last_activity_at) < latest.active_at
                                            then latest.active_at else told_activity_at end,
                    sms_replied_at = greatest(lead.sms_replied_at, latest.sms_replied_at)
    from (
        select tenant_id, lead_id, max(active_at) as active_at, max(active_at) filter (where sms_reply) as sms_replied_at
        from unnest(cast(:tenant_id as text[]), cast(:lead_id as uuid[]), cast(:active_at as timestamptz[]),
                    cast(:sms_reply as boolean[]))
             as given (tenant_id, lead_id, active_at, sms_reply)
        group by tenant_id, lead_id
    ) as latest
    where lead.tenant_id = latest.tenant_id and lead.lead_id = latest.lead_id
      and (coalesce(lead.told_activity_at, lead.last_activity_at) < latest.active_at
           or coalesce(lead.sms_replied_at, '-infinity') < latest.sms_replied_at)
"""
# The lead stays as it was, and asks nobody for an outcome any more.
_ERASE = """
    with erased as (
        insert into erased_lead (tenant_id, lead_id, version) values (:tenant, :lead_id, :version)
        on conflict (tenant_id, lead_id) do update set version = greatest(erased_lead.version, excluded.version)
    ), versions as (
        insert into lead_version (tenant_id, lead_id, version, attribution, created_at)
        select tenant_id, lead_id, :version, seen.attribution, seen.created_at
        from lead join lead_version as seen using (tenant_id, lead_id, version)
        where tenant_id = :tenant and lead_id = :lead_id and version < :version
        on conflict do nothing
    )
    update lead set version = :version, tier = null, timeline = null, merged_into = null
    where tenant_id = :tenant and lead_id = :lead_id and version < :version
"""
_EMPTY_WAITING = """
    update waiting set entries = (select jsonb_agg(entry - 'sealed') from jsonb_array_elements(waiting.entries) as entry)
    where tenant_id = :tenant and entries @? '$[*].sealed'
      and (lead_id = :lead_id
           or (lead_id is null and (source_system, source_id) in
               (select source_system, source_id from lead where tenant_id = :tenant and lead_id = :lead_id)))
"""

# The verdict on the submission that an order names decides about the order, and no other does. Without one a rejection
# of the source does, as long as there is no lead. What names a merged lead is for the lead that stands for it; where it
# names a submission too, it credits the merged lead as that left it. The limits here, and the offset below, keep each
# lookup an index probe.
_LOCATE = """
    select coalesce(survivor.lead_id, lead.lead_id) as lead_id,
           cast(seen.attribution as text) as attribution, seen.created_at,
           rejected.yes is not null as rejected, queued.yes is not null as queued,
           judged.yes is not null as judged, erased.yes is not null as erased
    from unnest(cast(:tenant_id as text[]), cast(:lead_id as uuid[]), cast(:source_system as text[]),
                cast(:source_id as text[]), cast(:submission_id as uuid[]), cast(:command_id as uuid[]))
         with ordinality as named (tenant_id, lead_id, source_system, source_id, submission_id, command_id, n)
    left join lateral (
        select * from lead where lead.tenant_id = named.tenant_id and lead.lead_id = named.lead_id
        union all
        select * from lead
        where lead.tenant_id = named.tenant_id and lead.source_system = named.source_system
          and lead.source_id = named.source_id
        limit 1
    ) as lead on true
    left join lateral (
        select lead_id, version from lead as survivor
        where survivor.tenant_id = named.tenant_id and survivor.lead_id = lead.merged_into
        limit 1
    ) as survivor on true
    left join lateral (
        select version from submission
        where submission.tenant_id = named.tenant_id and submission.submission_id = named.submission_id
          and submission.lead_id = lead.lead_id
        limit 1
    ) as submission on true
    left join lateral (
        select attribution, created_at from lead_version
        where lead_version.tenant_id = named.tenant_id
          and lead_version.lead_id = case
              when named.submission_id is null and survivor.lead_id is not null then survivor.lead_id else lead.lead_id end
          and lead_version.version = case
              when named.submission_id is not null then submission.version
              when survivor.lead_id is not null then survivor.version else lead.version end
        limit 1
    ) as seen on true
    left join lateral (
        select true as yes from rejection
        where rejection.tenant_id = named.tenant_id and rejection.submission_id = named.submission_id
        union all
        select true from rejection
        where named.submission_id is null and lead.lead_id is null
          and rejection.tenant_id = named.tenant_id and rejection.source_system = named.source_system
          and rejection.source_id = named.source_id
        limit 1
    ) as rejected on true
    left join lateral (
        select true as yes from waiting where waiting.tenant_id = named.tenant_id and waiting.lead_id = lead.lead_id
        union all
        select true from waiting
        where waiting.tenant_id = named.tenant_id and waiting.lead_id is null
          and waiting.source_system = lead.source_system and waiting.source_id = lead.source_id
        limit 1
    ) as queued on true
    left join lateral (
        select true as yes from recording
        where recording.tenant_id = named.tenant_id and recording.command_id = named.command_id
        limit 1
    ) as judged on true
    left join lateral (
        select true as yes from erased_lead
        where erased_lead.tenant_id = named.tenant_id and erased_lead.lead_id = lead.lead_id
          and erased_lead.version >= lead.version
        limit 1
    ) as erased on true
    order by named.n
"""


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of the lead an order names.

    Attributes:
        lead_id: the lead, if it is known.
        attribution: of the version the order sees, as JSON; none while the lead or its submission is not known.
        created_at: of that version.
        rejected: intake rejected what the order is about.
        queued: other orders about the lead wait already.
        judged: a verdict is stored for this command, `waiting` included.
        erased: the person of the lead was erased: nothing that was written of it is kept.
    """

    lead_id: UUID | None
    attribution: str | None
    created_at: datetime | None
    rejected: bool
    queued: bool
    judged: bool
    erased: bool


async def lock(uow: UnitOfWork) -> None:
    """Let no other unit of work touch leads, outcomes or what waits until this one ends.

    Orders and leads come on two durables, and in several replicas: an order must not begin to wait for a lead whose
    arrival another transaction has just finished looking for orders of.
    """
    await uow.execute(_LOCK)


async def hear_through(uow: UnitOfWork, moment: datetime) -> None:
    """Note that every event the broker got until this moment has been heard; it never goes back."""
    await uow.execute(
        """insert into heard (through) values (:moment)
           on conflict (one) do update set through = greatest(heard.through, excluded.through)""",
        moment=moment,
    )


async def heard_through(uow: UnitOfWork) -> datetime:
    """Until when the broker got the events that have been heard; long ago before the first."""
    rows = await uow.execute("select through from heard")
    return rows.scalar_one_or_none() or EARLIEST


async def keep_versions(uow: UnitOfWork, versions: Sequence[Mapping[str, Any]]) -> None:
    """Keep versions of leads, and of each lead the highest; its last activity never goes back."""
    if versions:
        names = ("tenant_id", "lead_id", "version", "submission_id", "source_system", "source_id", "tier", "timeline",
                 "attribution", "created_at", "active_at", "merged_into")  # fmt: skip
        await uow.execute(_KEEP_VERSIONS, **columns(versions, *names))
        await uow.execute(_KEEP_KEYS, **columns(versions, "tenant_id", "attribution"))


async def keep_unchanged(uow: UnitOfWork, unchanged: Sequence[Mapping[str, Any]]) -> None:
    """Keep at which version of a lead these submissions left it."""
    if unchanged:
        await uow.execute(_KEEP_UNCHANGED, **columns(unchanged, "tenant_id", "submission_id", "lead_id", "version"))


async def keep_rejections(uow: UnitOfWork, rejections: Sequence[Mapping[str, Any]]) -> None:
    """Keep which submissions were rejected of leads that were not there."""
    if rejections:
        names = ("tenant_id", "submission_id", "source_system", "source_id")
        await uow.execute(_KEEP_REJECTIONS, **columns(rejections, *names))


async def note_activity(uow: UnitOfWork, activities: Sequence[Mapping[str, Any]]) -> None:
    """Note that something happened to leads: tenant_id, lead_id, active_at, and whether that was an SMS they sent (sms_reply)."""
    if activities:
        await uow.execute(_NOTE_ACTIVITY, **columns(activities, "tenant_id", "lead_id", "active_at", "sms_reply"))


async def forget(uow: UnitOfWork, tenant: str, lead_id: UUID, version: int) -> dict[str, int]:
    """Keep that a lead's person was erased with this version of it, and drop what people wrote; returns how much.

    What was recorded by then counts as before. A version that comes later is another person's.
    """
    this = {"tenant": tenant, "lead_id": lead_id}
    await uow.execute(_ERASE, **this, version=version)
    texts = await uow.execute(
        "update outcome set sealed = null where tenant_id = :tenant and lead_id = :lead_id and sealed is not null",
        **this,
    )
    voids = await uow.execute(
        "update outcome_void set sealed = null where tenant_id = :tenant and lead_id = :lead_id and sealed is not null",
        **this,
    )
    waiting = await uow.execute(_EMPTY_WAITING, **this)
    return {"outcome_texts": texts.rowcount + voids.rowcount, "waiting_texts": waiting.rowcount}


async def locate(uow: UnitOfWork, orders: Sequence[Order]) -> list[Place]:
    """What is known of the lead of each order."""
    rows = await uow.execute(
        _LOCATE,
        tenant_id=[order.tenant for order in orders],
        lead_id=[order.lead.lead_id for order in orders],
        source_system=[order.lead.source_system for order in orders],
        source_id=[order.lead.source_id for order in orders],
        submission_id=[order.lead.submission_id for order in orders],
        command_id=[order.command_id for order in orders],
    )
    return [Place(**row) for row in rows.mappings()]


async def systems_with_hidden_ids(uow: UnitOfWork, systems: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of these sources (tenant and system) that know some of their leads by what events may not tell."""
    if not systems:
        return set()
    ordered = sorted(systems)
    rows = await uow.execute(
        """select named.tenant_id, system
           from unnest(cast(:tenants as text[]), cast(:systems as text[])) as named (tenant_id, system)
           where exists (select from lead where lead.tenant_id = named.tenant_id
                                            and source_system = system and source_id like '~%')""",
        tenants=[tenant for tenant, _ in ordered], systems=[system for _, system in ordered],
    )  # fmt: skip
    return {(row.tenant_id, row.system) for row in rows}


async def erased_among(uow: UnitOfWork, tenant: str, leads: Collection[UUID]) -> set[UUID]:
    """Those of these leads whose person was erased: nothing that is written of them is kept."""
    rows = await uow.execute(
        """select lead_id from lead join erased_lead using (tenant_id, lead_id)
           where tenant_id = :tenant and lead_id = any (cast(:leads as uuid[])) and erased_lead.version >= lead.version""",
        tenant=tenant, leads=list(leads),
    )  # fmt: skip
    return set(rows.scalars())


async def knows_lead(uow: UnitOfWork, tenant: str, lead_id: UUID) -> bool:
    rows = await uow.execute(
        "select 1 from lead where tenant_id = :tenant and lead_id = :lead_id", tenant=tenant, lead_id=lead_id
    )
    return rows.first() is not None


async def known_leads(uow: UnitOfWork, tenant: str, lead_ids: Collection[UUID]) -> set[UUID]:
    """Those of these leads that have been heard of."""
    rows = await uow.execute(
        "select lead_id from lead where tenant_id = :tenant and lead_id = any(cast(:leads as uuid[]))",
        tenant=tenant, leads=list(lead_ids),
    )  # fmt: skip
    return set(rows.scalars())


async def count_leads(uow: UnitOfWork, tenant: str) -> int:
    rows = await uow.execute("select count(*) from lead where tenant_id = :tenant", tenant=tenant)
    return int(rows.scalar_one())


async def attribution_now(uow: UnitOfWork, tenant: str, lead_id: UUID) -> dict[str, Any] | None:
    """What is credited with what happens to a lead now: of one that is merged the one that stands for it."""
    rows = await uow.execute(
        """select seen.attribution
           from lead left join lead as survivor
             on survivor.tenant_id = :tenant and survivor.lead_id = lead.merged_into
           join lead_version as seen
             on seen.tenant_id = :tenant and seen.lead_id = coalesce(survivor.lead_id, lead.lead_id)
                and seen.version = coalesce(survivor.version, lead.version)
           where lead.tenant_id = :tenant and lead.lead_id = :lead_id""",
        tenant=tenant, lead_id=lead_id,
    )  # fmt: skip
    found: dict[str, Any] | None = rows.scalar_one_or_none()
    return found
