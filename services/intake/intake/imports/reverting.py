"""An import taken back: its outcomes are voided, then its leads that nobody has touched are withdrawn.

Outcomes go first, so that what is left of a lead's outcomes was recorded by others. Killed at any point it goes on: what is voided or
withdrawn is so already, and the leads are gone through in the order of their ids.
"""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping

from chassis import inbox
from chassis.caller import Caller
from chassis.keys import TenantKeys
from chassis.unit_of_work import Database, UnitOfWork
from contracts.intake.distribution import EndReason
from contracts.intake.imports import ImportReverted, ImportState, KeptFor, LeadWithdrawn, RevertCounts
from contracts.outcomes import LeadsWithOutcomes, VoidRecordings
from intake import locks
from intake.distribution import progress
from intake.imports import store, store_withdrawing, store_work, telling
from intake.imports.importing import held
from intake.imports.store_work import Claim
from intake.privacy import store_texts

_LEADS_AT_ONCE: Final = 200
_ASK_SECONDS: Final = 20.0


async def revert(database: Database, keys: TenantKeys, caller: Caller, claim: Claim) -> None:
    """Take the import back, to the end.

    Raises:
        LostClaimError: it is not this worker's any more.
        ProblemError: `unavailable`, outcomes does not answer.
    """
    await _void_outcomes(database, caller, claim)
    is_last = False
    while not is_last:
        is_last = await _withdraw(database, caller, claim)
    async with database.begin(claim.tenant) as uow:
        await held(uow, claim)
        await store.drop_file(uow, claim.tenant, claim.run_id)
        run = await store.set_state(uow, claim.tenant, claim.run_id, ImportState.REVERTED, reverted_at=uow.now)
        told = {"actor": run["ordered_by"], "reverted": run["reverted"] or {}}
        telling.publish(uow, claim.tenant, run, ImportReverted, **told)


async def _void_outcomes(database: Database, caller: Caller, claim: Claim) -> None:
    async with database.begin(claim.tenant) as uow:
        actor = (await held(uow, claim))["ordered_by"]
    ask = VoidRecordings(correlation_id=claim.run_id, voided_by=actor)
    remaining = 1
    while remaining:
        reply = await caller.ask(claim.tenant, ask, seconds=_ASK_SECONDS)
        remaining = reply.remaining
        async with database.begin(claim.tenant) as uow:
            run = await held(uow, claim)
            counts = RevertCounts.model_validate(run["reverted"] or {})
            counts.outcomes_voided += reply.voided
            await store_work.advance(uow, claim, reverted=counts.model_dump_json())


async def _withdraw(database: Database, caller: Caller, claim: Claim) -> bool:
    """Withdraw the next leads, as far as nobody has touched them; whether they were the last."""
    tenant = claim.tenant
    async with database.begin(tenant) as uow:
        run = await held(uow, claim)
        leads = await store_withdrawing.brought(uow, tenant, claim.run_id, run["after_lead"], _LEADS_AT_ONCE)
    if not leads:
        return True
    with_outcomes = await caller.ask(tenant, LeadsWithOutcomes(lead_ids=leads), seconds=_ASK_SECONDS)
    async with database.begin(tenant) as uow:
        await locks.merges(uow, tenant)
        await locks.erasing(uow, tenant)
        await locks.whose_work(uow, tenant)
        run = await held(uow, claim)
        found = await store_withdrawing.touched(uow, tenant, claim.run_id, leads)
        why = {row["lead_id"]: _kept_for(row, set(with_outcomes.lead_ids)) for row in found}
        kept = {lead: reason for lead, reason in why.items() if reason}
        await store_withdrawing.keep(uow, tenant, claim.run_id, kept)
        await _empty(uow, tenant, run, [lead for lead, reason in why.items() if not reason])
        counts = RevertCounts.model_validate(run["reverted"] or {})
        counts.kept += len(kept)
        counts.withdrawn += len(why) - len(kept)
        await store_work.advance(uow, claim, after_lead=leads[-1], reverted=counts.model_dump_json())
    return len(leads) < _LEADS_AT_ONCE


def _kept_for(row: RowMapping, with_outcomes: Collection[UUID]) -> KeptFor | None:
    if row["lead_id"] in with_outcomes:
        return KeptFor.OUTCOME
    return next((reason for reason in (KeptFor.CONTACTED, KeptFor.ASSIGNED, KeptFor.CHANGED) if row[reason]), None)


async def _empty(uow: UnitOfWork, tenant: str, run: RowMapping, leads: list[UUID]) -> None:
    if not leads:
        return
    await progress.close(uow, tenant, leads, EndReason.WITHDRAWN, run["ordered_by"])
    await store_texts.drop(uow, tenant, leads)
    for row in await store_withdrawing.empty(uow, tenant, leads):
        event = LeadWithdrawn(run_id=run["run_id"], occurred_at=uow.now, **row)
        uow.publish(tenant, event, telling.cause(uow, tenant, run))
    await inbox.drop(uow, tenant, await store_withdrawing.forget_submissions(uow, tenant, leads))
