"""Accounts' health is computed from what was heard of their last sends, and keeps them from sending where it is too low."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from contracts.outreach.accounts import AutomationResumed, AutomationThrottled, ThrottleReason
from outreach.accounts import domain_health, store, store_health
from outreach.accounts.domain_health import Health, Standing, Trouble


async def hear(uow: UnitOfWork, tenant: str, troubles: Sequence[tuple[UUID, UUID, Trouble]]) -> None:
    """Something bad was heard of (account, message): it counts at once."""
    if not troubles:
        return
    await store_health.note(uow, tenant, troubles)
    rows = await store_health.lock(uow, tenant, {account for account, _, _ in troubles})
    # One that is blocked is let go by the clock, which wakes what waits for it too.
    await judge(uow, tenant, [row["account_id"] for row in rows if not row["blocked"]])


async def judge(uow: UnitOfWork, tenant: str, accounts: Collection[UUID]) -> list[UUID]:
    """Compute the health of accounts; what is blocked is told, and what is let go and sends again. Returns those that were let go."""
    freed = []
    for row in await store_health.lock(uow, tenant, accounts):
        health = await health_of(uow, tenant, row)
        await store_health.keep(uow, tenant, row["account_id"], health)
        if health.standing.blocked and not row["blocked"]:
            event = AutomationThrottled(
                account_id=row["account_id"], reason=ThrottleReason.HEALTH_TOO_LOW, occurred_at=uow.now
            )
            uow.publish(tenant, event)
        elif row["blocked"] and not health.standing.blocked:
            freed.append(row["account_id"])
    for account_id in await store.sending(uow, tenant, accounts=freed):
        uow.publish(tenant, AutomationResumed(account_id=account_id, occurred_at=uow.now))
    return freed


async def health_of(uow: UnitOfWork, tenant: str, row: RowMapping) -> Health:
    """An account's health as of now, given its standing (`store_health.lock`)."""
    standing = Standing(row["blocked"], row["changed_at"], row["resumed_at"])
    return domain_health.judge(await store_health.window(uow, tenant, row), standing, uow.now)


async def resume(uow: UnitOfWork, tenant: str, account_id: UUID) -> bool:
    """Let a blocked account send again; whether it was blocked. What was known goes on counting, see `domain_health`."""
    (row,) = await store_health.lock(uow, tenant, [account_id])
    if not row["blocked"]:
        return False
    standing = domain_health.resumed(Standing(row["blocked"], row["changed_at"], row["resumed_at"]), uow.now)
    known = {**row, "resumed_at": standing.resumed_at}
    health = domain_health.judge(await store_health.window(uow, tenant, known), standing, uow.now)
    await store_health.keep(uow, tenant, account_id, health)
    return True
