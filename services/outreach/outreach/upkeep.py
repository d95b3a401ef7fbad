"""What has to be done beside sending: audiences are enrolled, and what a worker that died had in hand is taken from it."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

from chassis import tenants
from chassis.jobs import Counts, every_tenant, report
from chassis.logs import get_logger
from chassis.unit_of_work import Database
from contracts.outreach.accounts import AutomationResumed
from contracts.outreach.sending import Gate, SendState
from outreach.accounts import guarding, judging, store_health
from outreach.accounts import store as accounts
from outreach.accounts.handlers import give_accounts, take_accounts
from outreach.campaigns import variants
from outreach.campaigns.enrolling import enrol_audiences
from outreach.sending import store_forgetting, store_queue, store_waiting
from outreach.sending.domain_gates import GATES_OF_THE_MESSAGE, earliest
from outreach.sending.facts import Accounts, facts_of
from outreach.sending.leaving import put_back
from outreach.sending.recording import Result, record

log = get_logger("upkeep")

_POLL_SECONDS = 1.0
_AT_ONCE = 200
_JUDGED_AT_ONCE = 20
"""Accounts whose health is computed in one unit of work, at most: nothing leaves them meanwhile."""
_FORGOTTEN_AT_ONCE = 1_000
_OF_THE_PERSON = (Gate.SIXTY_DAYS, Gate.SUPPRESSION, Gate.UNSUBSCRIBED, Gate.DO_NOT_CONTACT, Gate.MERGED)
"""The gates that say who may be contacted, and by which lead."""


class Upkeep:
    """Runs until it is cancelled; `wake` tells it that a campaign may have begun."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        while True:
            self._woken.clear()
            if await self.give_up_expired() + await enrol_audiences(self._database):
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._woken.wait()

    async def give_up_expired(self) -> int:
        """What was claimed is anybody's again; of what was being handed over nobody knows whether it was sent."""
        async with self._database.begin() as uow:
            names = await tenants.all_tenants(uow)
            await uow.act_for(names)
            rows = await store_queue.expired(uow, names, _AT_ONCE)
            if claimed := [row for row in rows if row["state"] == SendState.CLAIMED]:
                await put_back(uow, [(row, uow.now, "worker_died") for row in claimed])
            lost = [row for row in rows if row["state"] == SendState.SENDING]
            await record(
                uow, [Result(r["tenant_id"], r["message_id"], r["token"], SendState.UNKNOWN) for r in lost]
            )  # fmt: skip
        if lost:
            log.warning("nobody knows whether messages were sent: their worker died", count=len(lost))
        return len(rows)


async def look_after_accounts(database: Database, slot: datetime) -> Counts:
    """Give messages without an account one, compute accounts' health, tell of those that go on by themselves, and stop domains and
    campaigns of which too much comes back."""

    async def of_tenant(tenant: str) -> Counts:
        given, moved = 0, True
        while moved:
            async with database.begin(tenant) as uow:
                taken, got = await take_accounts(uow, tenant), await give_accounts(uow, tenant)
            given, moved = given + got, bool(taken or got)
        async with database.begin(tenant) as uow:
            resumed = await accounts.sending(uow, tenant, accounts=await accounts.no_longer_throttled(uow, tenant))
            for account_id in resumed:
                uow.publish(tenant, AutomationResumed(account_id=account_id, occurred_at=uow.now))
            to_judge = await store_health.to_judge(uow, tenant)
        freed = 0
        for some in (to_judge[at : at + _JUDGED_AT_ONCE] for at in range(0, len(to_judge), _JUDGED_AT_ONCE)):
            async with database.begin(tenant) as uow:
                for account_id in await judging.judge(uow, tenant, some):
                    await store_queue.wake_lanes(uow, tenant, account=account_id)
                    freed += 1
        async with database.begin(tenant) as uow:
            stopped = await guarding.look(uow, tenant) + await variants.guard(uow, tenant)
        return {"messages": given, "resumed": len(resumed) + freed, "stopped": stopped}

    return await every_tenant(database, of_tenant)


async def refresh_eligibility(database: Database, slot: datetime) -> Counts:
    """Look again at whoever may not be contacted for now, and have the messages to those who may by now leave.

    Whatever opens a gate has its messages be looked at. This is for what nobody tells of: time that passed, and what was said of a person
    by way of another lead (implementation tasklist, 2).
    """

    async def of_tenant(tenant: str) -> Counts:
        counts = {"looked_at": 0, "eligible": 0}
        after = UUID(int=0)
        while True:
            async with database.begin(tenant) as uow:
                waiting = await store_waiting.for_gates(uow, tenant, _OF_THE_PERSON, after, _AT_ONCE)
                if not waiting:
                    return counts
                rows = await store_queue.some(uow, tenant, waiting)
                accounts = await Accounts.read(uow, rows.values())
                moments = {
                    id_: moment
                    for id_, row in rows.items()
                    if (moment := earliest(facts_of(row, accounts), uow.now, GATES_OF_THE_MESSAGE))
                }
                counts["eligible"] += await store_waiting.look_earlier(uow, tenant, moments)
            counts["looked_at"] += len(waiting)
            after = waiting[-1]
            await report(counts)

    return await every_tenant(database, of_tenant)


async def forget_old(database: Database, slot: datetime) -> Counts:
    """Forget how messages changed, and what was heard of them, where that is longer ago than their tenant wants to know it
    (`message_history_days`); and lanes in which nothing will ever leave again.

    By what something is known that was taken, from a mailbox, a service or another system, is never forgotten: it might come again.
    """

    async def of_tenant(tenant: str) -> Counts:
        async with database.begin(tenant) as uow:
            before = uow.now - timedelta(days=(await tenants.settings_of(uow, tenant)).message_history_days)
            counts = {"lanes": await store_forgetting.forget_lanes(uow, tenant), "changes": 0, "troubles": 0}
        after: UUID | None = UUID(int=0)
        while after is not None:
            async with database.begin(tenant) as uow:
                number, after = await store_forgetting.forget_changes(uow, tenant, before, after, _FORGOTTEN_AT_ONCE)
            counts["changes"] += number
            await report(counts)
        number = _FORGOTTEN_AT_ONCE
        while number == _FORGOTTEN_AT_ONCE:
            async with database.begin(tenant) as uow:
                number = await store_forgetting.forget_troubles(uow, tenant, before, _FORGOTTEN_AT_ONCE)
            counts["troubles"] += number
        return counts

    return await every_tenant(database, of_tenant)
