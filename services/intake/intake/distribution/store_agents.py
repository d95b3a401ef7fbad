"""Every query about agents, their time off and how much they have to do."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork

_AGENT = "user_id, workspaces, capacity, weight, roles, regions, working_hours, time_zone, active, removed, version"

_ROSTER = f"""
    select {_AGENT}, coalesce(owned.leads, 0) as held, coalesce(off.away, false) as away,
           off.returned_at, coalesce(returned.held, 0) as held_at_return
    from agent
    left join lateral (
        select count(*) as leads from assignment
        where tenant_id = :tenant and user_id = agent.user_id and ended_at is null
    ) as owned on true
    left join lateral (
        select bool_or(starts_at <= :now and (ends_at is null or ends_at > :now)) as away,
               max(ends_at) filter (where ends_at <= :now and starts_at < ends_at) as returned_at
        from time_off
        where tenant_id = :tenant and user_id = agent.user_id and (ends_at is null or ends_at > :since)
    ) as off on true
    left join lateral (
        select count(*) as held from assignment
        where tenant_id = :tenant and user_id = agent.user_id and assigned_at <= off.returned_at
              and (ended_at is null or ended_at > off.returned_at)
    ) as returned on off.returned_at is not null
    where tenant_id = :tenant and not removed
          and (cast(:workspaces as text[]) is null or workspaces && cast(:workspaces as text[]))
          and (cast(:users as text[]) is null or user_id = any(cast(:users as text[])))
          and (cast(:after as text) is null or user_id > :after)
    order by user_id
    limit :limit
"""
_UPSERT = f"""
    insert into agent (tenant_id, {_AGENT}, updated_at)
    values (:tenant, :user_id, cast(:workspaces as text[]), :capacity, :weight, cast(:roles as text[]),
            cast(:regions as text[]), cast(:working_hours as jsonb), :time_zone, :active, false, 1, :now)
    on conflict (tenant_id, user_id) do update set
        workspaces = excluded.workspaces, capacity = excluded.capacity, weight = excluded.weight,
        roles = excluded.roles, regions = excluded.regions, working_hours = excluded.working_hours,
        time_zone = excluded.time_zone, active = excluded.active, removed = false, version = agent.version + 1,
        updated_at = excluded.updated_at
    returning {_AGENT}
"""
_COMPLETED = """
    select user_id,
           count(*) filter (where ended_at >= day.began) as today,
           extract(epoch from avg(ended_at - assigned_at)) as average_seconds
    from unnest(cast(:users as text[]), cast(:days as timestamptz[])) as day (agent, began)
    join assignment on tenant_id = :tenant and user_id = day.agent and ended_at >= least(day.began, cast(:since as timestamptz))
    where end_reason in ('completed', 'closed')
    group by user_id
"""


async def roster(
    uow: UnitOfWork,
    tenant: str,
    ramp: timedelta,
    *,
    workspaces: Sequence[str] | None = None,
    users: Sequence[str] | None = None,
    after: str | None = None,
    limit: int | None = None,
) -> list[RowMapping]:
    """Agents by user id: their profile, how many leads they hold, whether they are on time off; and if they returned from it
    no longer than `ramp` ago, when, and with how many leads."""
    rows = await uow.execute(
        _ROSTER, tenant=tenant, now=uow.now, since=uow.now - ramp, workspaces=workspaces, users=users, after=after,
        limit=limit,
    )  # fmt: skip
    return list(rows.mappings())


async def keep(uow: UnitOfWork, tenant: str, profile: Mapping[str, Any]) -> RowMapping:
    """Make or change an agent; returns them, one version on."""
    return (await uow.execute(_UPSERT, tenant=tenant, now=uow.now, **profile)).mappings().one()


async def changed(uow: UnitOfWork, tenant: str, user: str, *, removed: bool = False) -> RowMapping | None:
    """The agent, one version on, and `removed` if that is said; none where there is no such agent."""
    rows = await uow.execute(
        f"""update agent set version = version + 1, removed = :removed, active = active and not :removed, updated_at = :now
            where tenant_id = :tenant and user_id = :user and not removed returning {_AGENT}""",
        tenant=tenant, user=user, removed=removed, now=uow.now,
    )  # fmt: skip
    return rows.mappings().first()


async def completed(
    uow: UnitOfWork, tenant: str, days: Mapping[str, datetime], since: datetime
) -> dict[str, RowMapping]:
    """What agents have closed: `today`, since their day began as `days` says, and how long it took them since then."""
    rows = await uow.execute(_COMPLETED, tenant=tenant, users=list(days), days=list(days.values()), since=since)
    return {row["user_id"]: row for row in rows.mappings()}


async def time_off(uow: UnitOfWork, tenant: str, users: Sequence[str]) -> list[RowMapping]:
    """What is under way or to come of these agents, in its order."""
    rows = await uow.execute(
        """select user_id, time_off_id, starts_at, ends_at from time_off
           where tenant_id = :tenant and user_id = any(cast(:users as text[])) and (ends_at is null or ends_at > :now)
           order by starts_at, time_off_id""",
        tenant=tenant, users=list(users), now=uow.now,
    )  # fmt: skip
    return list(rows.mappings())


async def keep_time_off(
    uow: UnitOfWork, tenant: str, user: str, id_: UUID, starts_at: datetime, ends_at: datetime | None
) -> bool:
    """Keep or change an agent's time off; whether that was done: an id that is another agent's is left alone."""
    kept = await uow.execute(
        """insert into time_off (tenant_id, time_off_id, user_id, starts_at, ends_at, applied)
           values (:tenant, :id, :user, :starts_at, :ends_at, false)
           on conflict (tenant_id, time_off_id) do update set
               starts_at = excluded.starts_at, ends_at = excluded.ends_at,
               applied = time_off.applied and excluded.starts_at <= :now
           where time_off.user_id = excluded.user_id""",
        tenant=tenant, user=user, id=id_, starts_at=starts_at, ends_at=ends_at, now=uow.now,
    )  # fmt: skip
    return kept.rowcount > 0


async def cancel_time_off(uow: UnitOfWork, tenant: str, user: str, id_: UUID) -> bool:
    """End an agent's time off now, or drop it where it has not begun; whether it was there, and not over."""
    of_agent = "tenant_id = :tenant and user_id = :user and time_off_id = :id"
    ended = await uow.execute(
        f"""update time_off set ends_at = :now
            where {of_agent} and starts_at < :now and (ends_at is null or ends_at > :now)""",
        tenant=tenant, user=user, id=id_, now=uow.now,
    )  # fmt: skip
    dropped = await uow.execute(
        f"delete from time_off where {of_agent} and starts_at >= :now", tenant=tenant, user=user, id=id_, now=uow.now
    )
    return ended.rowcount + dropped.rowcount > 0


async def apply_time_off(uow: UnitOfWork, tenant: str) -> list[str]:
    """The agents whose time off has begun since this was last asked."""
    rows = await uow.execute(
        """update time_off set applied = true where tenant_id = :tenant and not applied and starts_at <= :now
           returning user_id, ends_at""",
        tenant=tenant, now=uow.now,
    )  # fmt: skip
    return sorted({row.user_id for row in rows if row.ends_at is None or row.ends_at > uow.now})


async def active(uow: UnitOfWork, tenant: str) -> list[tuple[list[str], str]]:
    """The workspaces and the user id of every agent who is switched on."""
    rows = await uow.execute(
        "select workspaces, user_id from agent where tenant_id = :tenant and active", tenant=tenant
    )
    return [(row.workspaces, row.user_id) for row in rows]
