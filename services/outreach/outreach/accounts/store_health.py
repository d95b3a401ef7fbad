"""Every query about what accounts' health is computed from."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import RowMapping
from uuid_utils.compat import uuid7

from chassis.unit_of_work import Row, UnitOfWork
from outreach.accounts.domain_health import WINDOW_DAYS, WINDOW_SENDS, Health, Trouble, Window

_COUNTED = f"""
    with inside as (
        select message_id, spent_at from send_queue
        where tenant_id = :tenant and account_id = :account and state in ('sent', 'failed', 'unknown')
              and spent_at > cast(:now as timestamptz) - interval '{WINDOW_DAYS} days'
        order by spent_at desc limit {WINDOW_SENDS}
    ), heard as (
        select kind, min(trouble.at) as at from trouble join inside using (message_id)
        where tenant_id = :tenant and account_id = :account and kind not in ('captcha', 'throttling')
        group by message_id, kind
        union all
        select kind, at from trouble
        where tenant_id = :tenant and account_id = :account and kind in ('captcha', 'throttling')
              and at > greatest(cast(:now as timestamptz) - interval '{WINDOW_DAYS} days',
                                case when (select count(*) from inside) = {WINDOW_SENDS} then (select min(spent_at) from inside) end)
    )
    select 'sends' as what, null as kind, count(*) as number,
           count(*) filter (where :resumed is null or spent_at >= cast(:resumed as timestamptz)) as since from inside
    union all
    select 'troubles', kind, count(*), count(*) filter (where :resumed is null or at >= cast(:resumed as timestamptz))
    from heard group by kind
"""


async def note(uow: UnitOfWork, tenant: str, troubles: Sequence[tuple[UUID, UUID, Trouble]]) -> None:
    """Keep what was heard now of (account, message)."""
    await uow.execute(
        """insert into trouble (tenant_id, account_id, trouble_id, message_id, kind, at)
           select :tenant, given.*, :now
           from unnest(cast(:accounts as uuid[]), cast(:ids as uuid[]), cast(:messages as uuid[]), cast(:kinds as text[]))
                as given (account_id, trouble_id, message_id, kind)""",
        tenant=tenant, now=uow.now, accounts=[account for account, _, _ in troubles], ids=[uuid7() for _ in troubles],
        messages=[message for _, message, _ in troubles], kinds=[kind.value for _, _, kind in troubles],
    )  # fmt: skip


async def window(uow: UnitOfWork, tenant: str, account: Row) -> Window:
    """An account's last sends, counted as `domain_health.window` does."""
    rows = await uow.execute(
        _COUNTED.replace(":resumed is null", "cast(:resumed as timestamptz) is null"),
        tenant=tenant, account=account["account_id"], resumed=account["resumed_at"], now=uow.now,
    )  # fmt: skip
    sends = since = 0
    heard: dict[Trouble, int] = {}
    known: dict[Trouble, int] = {}
    for row in rows:
        if row.what == "sends":
            sends, since = row.number, row.since
            continue
        if row.since:
            heard[Trouble(row.kind)] = row.since
        if row.number > row.since:
            known[Trouble(row.kind)] = row.number - row.since
    return Window(sends, since, heard, known)


async def to_judge(uow: UnitOfWork, tenant: str) -> list[UUID]:
    """Accounts whose health may be other than it was: of which anything bad was heard, or that are not whole."""
    rows = await uow.execute(
        """select account_id from account where tenant_id = :tenant and state <> 'removed' and (health < 100 or blocked or exists (
               select from trouble where trouble.tenant_id = :tenant and trouble.account_id = account.account_id
                 and trouble.at > :first))
           order by account_id""",
        tenant=tenant, first=uow.now - timedelta(days=WINDOW_DAYS),
    )  # fmt: skip
    return list(rows.scalars())


async def lock(uow: UnitOfWork, tenant: str, accounts: Collection[UUID]) -> list[RowMapping]:
    """These accounts' standing: whether they are `blocked`, `changed_at`, `resumed_at`; nobody else judges them meanwhile."""
    rows = await uow.execute(
        """select account_id, blocked, changed_at, resumed_at from account
           where tenant_id = :tenant and account_id = any (cast(:accounts as uuid[])) order by account_id for update""",
        tenant=tenant, accounts=list(accounts),
    )  # fmt: skip
    return list(rows.mappings())


async def keep(uow: UnitOfWork, tenant: str, account: UUID, health: Health) -> None:
    standing = health.standing
    await uow.execute(
        """update account set health = :health, blocked = :blocked, changed_at = :changed, resumed_at = :resumed
           where tenant_id = :tenant and account_id = :account""",
        tenant=tenant, account=account, health=health.score, blocked=standing.blocked, changed=standing.changed_at,
        resumed=standing.resumed_at,
    )  # fmt: skip
