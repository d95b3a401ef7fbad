"""Every query about outreach's copies of leads."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import orjson
from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from outreach.leads.domain_lead import Lead, channels, names

OF_MERGED = """array(
    select name from lead as merged cross join lateral unnest(merged.names) as name
    where merged.tenant_id = lead.tenant_id and merged.merged_into = lead.lead_id)"""
"""The names of the leads that `lead` stands for: their person is known by these too."""
_KEEP = """
    insert into lead (tenant_id, lead_id, version, names, channels, time_zone, attribution, metadata, merged_into, erased)
    select tenant_id, lead_id, version, string_to_array(names, ','), string_to_array(channels, ','), time_zone,
           attribution, metadata, merged_into, false
    from unnest(cast(:tenants as text[]), cast(:leads as uuid[]), cast(:versions as integer[]), cast(:names as text[]),
                cast(:channels as text[]), cast(:zones as text[]), cast(:attributions as jsonb[]),
                cast(:metadata as jsonb[]), cast(:merged_into as uuid[]))
         as given (tenant_id, lead_id, version, names, channels, time_zone, attribution, metadata, merged_into)
    on conflict (tenant_id, lead_id) do update
        set version = excluded.version, channels = excluded.channels,
            time_zone = excluded.time_zone, attribution = excluded.attribution, metadata = excluded.metadata,
            merged_into = excluded.merged_into, erased = false,
            names = excluded.names || array(select name from unnest(lead.names) as name where name <> all (excluded.names))
        where lead.version < excluded.version
    returning tenant_id, lead_id
"""
_WON = """
    from win join (select distinct * from unnest(cast(:tenants as text[]), cast(:leads as uuid[])) as given (tenant_id, lead_id))
         as given using (tenant_id, lead_id)
"""


async def keep(uow: UnitOfWork, leads: Sequence[tuple[str, Lead]]) -> list[tuple[str, UUID]]:
    """Keep each (tenant, lead) of which the version is new; returns those that are.

    A person goes on being known by the names that they had: who was contacted, or asked not to be, at a former address stays so.
    """
    rows = await uow.execute(
        _KEEP,
        tenants=[tenant for tenant, _ in leads],
        leads=[lead.lead_id for _, lead in leads],
        versions=[lead.version for _, lead in leads],
        names=[",".join(names(lead)) for _, lead in leads],
        channels=[",".join(channels(lead)) for _, lead in leads],
        zones=[lead.time_zone for _, lead in leads],
        attributions=[lead.attribution.model_dump_json(exclude_none=True) for _, lead in leads],
        metadata=[orjson.dumps(lead.metadata).decode() for _, lead in leads],
        merged_into=[lead.merged_into for _, lead in leads],
    )
    return [(row.tenant_id, row.lead_id) for row in rows]


async def is_known_since(uow: UnitOfWork, tenant: str, lead_id: UUID, version: int) -> bool:
    """Whether a later version of a lead than this one was kept."""
    rows = await uow.execute(
        "select version > :version from lead where tenant_id = :tenant and lead_id = :lead",
        tenant=tenant, lead=lead_id, version=version,
    )  # fmt: skip
    return bool(rows.scalar())


async def forget(uow: UnitOfWork, tenant: str, lead_id: UUID, version: int) -> RowMapping:
    """Keep of a lead nothing but that it is erased; returns the `names` and `channels` it had."""
    before = await one(uow, tenant, lead_id)
    await uow.execute(
        """insert into lead (tenant_id, lead_id, version, names, channels, attribution, metadata, erased)
           values (:tenant, :lead_id, :version, '{}', '{}', '{}', '{}', true)
           on conflict (tenant_id, lead_id) do update
               set version = greatest(lead.version, excluded.version), names = '{}', channels = '{}', time_zone = null,
                   attribution = '{}', metadata = '{}', merged_into = null, erased = true""",
        tenant=tenant, lead_id=lead_id, version=version,
    )  # fmt: skip
    return before or (await one(uow, tenant, lead_id))  # type: ignore[return-value]


async def note_wins(uow: UnitOfWork, wins: Sequence[tuple[str, UUID, UUID, datetime]]) -> None:
    """Keep by which outcomes (tenant, outcome, lead) leads were won, and when, the first time of each; none is given twice."""
    tenants, outcomes, leads, moments = map(list, zip(*wins, strict=True))
    await uow.execute(
        """with noted as (
               insert into winning (tenant_id, outcome_id, lead_id, won_at)
               select * from unnest(cast(:tenants as text[]), cast(:outcomes as uuid[]), cast(:leads as uuid[]),
                                    cast(:moments as timestamptz[])) as given (tenant_id, outcome_id, lead_id, won_at)
               order by tenant_id, outcome_id
               on conflict (tenant_id, outcome_id) do update set won_at = excluded.won_at
               returning tenant_id, lead_id, won_at, voided
           )
           insert into win (tenant_id, lead_id, won_at)
           select tenant_id, lead_id, min(won_at) from noted where not voided
           group by tenant_id, lead_id order by tenant_id, lead_id
           on conflict (tenant_id, lead_id) do update set won_at = least(win.won_at, excluded.won_at)""",
        tenants=tenants, outcomes=outcomes, leads=leads, moments=moments,
    )  # fmt: skip


async def void_wins(uow: UnitOfWork, voided: Mapping[tuple[str, UUID], UUID]) -> None:
    """Have outcomes, given by tenant and id with their leads, count no more as wins, also such as are not heard of yet."""
    outcomes = [outcome for _, outcome in voided]
    named = {"tenants": [tenant for tenant, _ in voided], "leads": list(voided.values())}
    await uow.execute(
        """insert into winning (tenant_id, outcome_id, lead_id, voided)
           select tenant_id, outcome_id, lead_id, true
           from unnest(cast(:tenants as text[]), cast(:outcomes as uuid[]), cast(:leads as uuid[]))
                as given (tenant_id, outcome_id, lead_id)
           order by tenant_id, outcome_id
           on conflict (tenant_id, outcome_id) do update set voided = true""",
        outcomes=outcomes, **named,
    )  # fmt: skip
    # The row is locked before what stands is looked up: another outcome may be adding to it.
    await uow.execute(f"select {_WON} order by tenant_id, lead_id for update of win", **named)
    await uow.execute(
        f"""with standing as (
                select win.tenant_id, win.lead_id, (
                    select min(winning.won_at) from winning
                    where winning.tenant_id = win.tenant_id and winning.lead_id = win.lead_id and not voided) as won_at
                {_WON}
            ), lost as (
                delete from win using standing
                where win.tenant_id = standing.tenant_id and win.lead_id = standing.lead_id and standing.won_at is null
            )
            update win set won_at = standing.won_at from standing
            where win.tenant_id = standing.tenant_id and win.lead_id = standing.lead_id and standing.won_at is not null""",
        **named,
    )


async def one(uow: UnitOfWork, tenant: str, lead_id: UUID) -> RowMapping | None:
    """A lead, as `several` has it."""
    return (await several(uow, tenant, [lead_id])).get(lead_id)


async def names_of_person(uow: UnitOfWork, tenant: str, lead_id: UUID) -> list[str] | None:
    """The names that a lead's person is known by: by way of it, of the lead that stands for it, and of all that either stands for; none
    where there is no such lead."""
    rows = await uow.execute(
        """select array(
               select distinct name from lead as other cross join lateral unnest(other.names) as name
               where other.tenant_id = :tenant and (other.lead_id in (lead.lead_id, lead.merged_into)
                                                    or other.merged_into in (lead.lead_id, lead.merged_into)))
           from lead where lead.tenant_id = :tenant and lead.lead_id = :lead""",
        tenant=tenant, lead=lead_id,
    )  # fmt: skip
    return rows.scalar()


async def several(uow: UnitOfWork, tenant: str, lead_ids: Collection[UUID]) -> dict[UUID, RowMapping]:
    """Those of these leads that are known, by their ids: the `names` their persons are known by, their `channels`, whether they are
    `merged` into another, and whether they are `erased`."""
    rows = await uow.execute(
        f"""select lead_id, names || {OF_MERGED} as names, channels, merged_into is not null as merged, erased from lead
            where tenant_id = :tenant and lead_id = any (cast(:leads as uuid[]))""",
        tenant=tenant, leads=list(lead_ids),
    )  # fmt: skip
    return {row["lead_id"]: row for row in rows.mappings()}
