"""Every query about what the bounce guard counts, and what it stopped."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from outreach.accounts.domain_guard import Level, Tally
from outreach.accounts.domain_health import WINDOW_DAYS, WINDOW_SENDS

STOPPED = """(select jsonb_build_object('reason', stopped_for, 'why', why, 'stopped_at', stopped_at) from guard
    where guard.tenant_id = {of}.tenant_id and level = '{level}' and subject = {of}.{subject} and stopped_for is not null)"""
DOMAIN_STOPPED = STOPPED.format(of="account", level=Level.SENDER_DOMAIN.value, subject="domain")
"""Why an account's domain is stopped, if it is."""
CAMPAIGN_STOPPED = STOPPED.format(of="campaign", level=Level.CAMPAIGN.value, subject="campaign_id::text")
"""Why a guard stopped a campaign, if one did."""

_ENDED = ("sent", "failed", "unknown")
_TALLIES = """
    select given.subject, count(*) as sends, count(bounced_at) as bounces, count(complained_at) as complaints,
           count(*) filter (where spent_at >= given.resumed_at) as sends_since,
           count(*) filter (where bounced_at >= given.resumed_at) as bounces_since,
           count(*) filter (where complained_at >= given.resumed_at) as complaints_since
    from (
        select named.subject, coalesce(resumed_at, '-infinity') as resumed_at
        from unnest(cast(:subjects as text[])) as named (subject)
        left join guard on guard.tenant_id = :tenant and guard.level = :level and guard.subject = named.subject
        where stopped_for is null
    ) as given
    cross join lateral ({inside}) as inside
    cross join lateral (
        select min(at) filter (where kind in ('recipient_bounce', 'reputation_bounce', 'policy_bounce')) as bounced_at,
               min(at) filter (where kind = 'complaint') as complained_at
        from trouble
        where trouble.tenant_id = :tenant and trouble.account_id = inside.account_id and trouble.message_id = inside.message_id
    ) as heard
    group by given.subject
"""
_OF_CAMPAIGN = f"""
    select message_id, account_id, spent_at from ({
    " union all ".join(
        f'''(select message_id, account_id, spent_at from send_queue
             where tenant_id = :tenant and campaign_id = cast(given.subject as uuid) and state = '{state}'
                   and spent_at > cast(:first as timestamptz) order by spent_at desc limit {WINDOW_SENDS})'''
        for state in _ENDED
    )
}) as ended
    order by spent_at desc limit {WINDOW_SENDS}
"""
_OF_DOMAIN = f"""
    select message_id, account_id, spent_at
    from (
        select account_id, count(*) over () as accounts from account
        where tenant_id = :tenant and domain = given.subject and state <> 'removed'
    ) as mine
    cross join lateral (
        select message_id, spent_at from send_queue
        where tenant_id = :tenant and account_id = mine.account_id and state in {_ENDED}
              and spent_at > cast(:first as timestamptz)
        order by spent_at desc limit {WINDOW_SENDS} / mine.accounts + 1
    ) as message
    where accounts > 1
"""
_WINDOWS = {Level.CAMPAIGN: _OF_CAMPAIGN, Level.SENDER_DOMAIN: _OF_DOMAIN}
"""The last sends of a campaign; of a domain as many in all, from each of its accounts its share. One that has a single account is left to
that account's health, which returns by itself."""


async def heard_of(uow: UnitOfWork, tenant: str, lately: timedelta) -> list[RowMapping]:
    """The `campaign_id` and the `domain` of sends of which a hard bounce or a complaint was heard lately."""
    rows = await uow.execute(
        """select distinct message.campaign_id, account.domain
           from trouble
           join send_queue as message using (tenant_id, message_id)
           join account on account.tenant_id = trouble.tenant_id and account.account_id = trouble.account_id
           where trouble.tenant_id = :tenant and at > :first
                 and trouble.kind in ('recipient_bounce', 'reputation_bounce', 'policy_bounce', 'complaint')""",
        tenant=tenant, first=uow.now - lately,
    )  # fmt: skip
    return list(rows.mappings())


async def tallies(
    uow: UnitOfWork, tenant: str, level: Level, subjects: Collection[str]
) -> dict[str, tuple[Tally, Tally]]:
    """What became of the last sends of those of these that are not stopped: since a person last let each go on, and before."""
    rows = await uow.execute(
        _TALLIES.format(inside=_WINDOWS[level]),
        tenant=tenant, level=level.value, subjects=list(subjects), first=uow.now - timedelta(days=WINDOW_DAYS),
    )  # fmt: skip
    return {
        row.subject: (
            Tally(row.sends_since, row.bounces_since, row.complaints_since),
            Tally(row.sends - row.sends_since, row.bounces - row.bounces_since, row.complaints - row.complaints_since),
        )
        for row in rows
    }


async def stop(uow: UnitOfWork, tenant: str, level: Level, subject: str, reason: str, why: str) -> bool:
    """Keep that something is stopped; whether that is news."""
    stopped = await uow.execute(
        """insert into guard (tenant_id, level, subject, stopped_for, why, stopped_at)
           values (:tenant, :level, :subject, :reason, :why, :now)
           on conflict (tenant_id, level, subject) do update
               set stopped_for = excluded.stopped_for, why = excluded.why, stopped_at = excluded.stopped_at
               where guard.stopped_for is null""",
        tenant=tenant, level=level.value, subject=subject, reason=reason, why=why, now=uow.now,
    )  # fmt: skip
    return stopped.rowcount == 1


async def let_go_on(uow: UnitOfWork, tenant: str, level: Level, subject: str) -> bool:
    """A person says that something goes on; whether it was stopped."""
    resumed = await uow.execute(
        """update guard set stopped_for = null, resumed_at = :now
           where tenant_id = :tenant and level = :level and subject = :subject and stopped_for is not null""",
        tenant=tenant, level=level.value, subject=subject, now=uow.now,
    )  # fmt: skip
    return resumed.rowcount == 1


async def resumed_at(uow: UnitOfWork, tenant: str, level: Level, subject: str) -> datetime | None:
    """When a person last had something go on that was stopped, if one ever did."""
    rows = await uow.execute(
        "select resumed_at from guard where tenant_id = :tenant and level = :level and subject = :subject",
        tenant=tenant, level=level.value, subject=subject,
    )  # fmt: skip
    return rows.scalar()


async def pause(uow: UnitOfWork, tenant: str, campaign_id: UUID) -> bool:
    """Have a campaign send nothing more; whether it did."""
    paused = await uow.execute(
        """update campaign set state = 'paused'
           where tenant_id = :tenant and campaign_id = :campaign and state = 'running'""",
        tenant=tenant, campaign=campaign_id,
    )  # fmt: skip
    return paused.rowcount == 1


async def running(uow: UnitOfWork, tenant: str, campaigns: Collection[UUID]) -> list[str]:
    """Those of these campaigns that send."""
    rows = await uow.execute(
        """select campaign_id::text from campaign
           where tenant_id = :tenant and campaign_id = any (cast(:campaigns as uuid[])) and state = 'running'""",
        tenant=tenant, campaigns=list(campaigns),
    )  # fmt: skip
    return list(rows.scalars())


async def accounts_of(uow: UnitOfWork, tenant: str, domain: str) -> list[UUID]:
    """The accounts of a domain, without those that were removed."""
    rows = await uow.execute(
        """select account_id from account where tenant_id = :tenant and domain = :domain and state <> 'removed'
           order by account_id""",
        tenant=tenant, domain=domain,
    )  # fmt: skip
    return list(rows.scalars())
