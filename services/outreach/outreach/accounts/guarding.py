"""The bounce guard: too much that comes back stops a sender's domain, or a campaign, until a person says that it goes on.

It counts once a minute. Until then each account is stopped by its own health, which is computed at once (`judging`).
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from chassis.unit_of_work import UnitOfWork
from contracts.message import Envelope
from contracts.outreach.accounts import AutomationResumed, AutomationThrottled, ThrottleReason
from contracts.outreach.campaigns import CampaignPaused
from outreach.accounts import store, store_guard
from outreach.accounts.domain_guard import Decision, Level, Reason, guard

_LATELY: Final = timedelta(hours=1)
"""What was heard of for so long is counted again each time, so that a time that was missed, or something that was committed late,
does no harm. Only something that is heard of can make a rate rise."""
_OF_DOMAIN: Final = {
    Reason.BOUNCES: ThrottleReason.DOMAIN_BOUNCES,
    Reason.COMPLAINTS: ThrottleReason.DOMAIN_COMPLAINTS,
}


async def look(uow: UnitOfWork, tenant: str) -> int:
    """Count what came back, and stop what has too much of it; returns how many domains and campaigns that are."""
    heard = await store_guard.heard_of(uow, tenant, _LATELY)
    campaigns = await store_guard.running(uow, tenant, {row["campaign_id"] for row in heard}) if heard else []
    stopped = 0
    for level, subjects in (
        (Level.SENDER_DOMAIN, sorted({row["domain"] for row in heard if row["domain"]})),
        (Level.CAMPAIGN, sorted(campaigns)),
    ):
        tallies = await store_guard.tallies(uow, tenant, level, subjects) if subjects else {}
        for subject, (since, known) in tallies.items():
            verdict = guard(level, since, known)
            if verdict.decision is not Decision.STOP or verdict.reason is None:
                continue
            if level is Level.CAMPAIGN:
                stopped += await stop_campaign(uow, tenant, UUID(subject), verdict.reason.value, verdict.explain())
            else:
                stopped += await _stop_domain(uow, tenant, subject, verdict.reason.value, verdict.explain())
    return stopped


async def stop_campaign(uow: UnitOfWork, tenant: str, campaign_id: UUID, reason: str, why: str) -> bool:
    """Pause a campaign; whether it was running."""
    if not await store_guard.pause(uow, tenant, campaign_id):
        return False
    await store_guard.stop(uow, tenant, Level.CAMPAIGN, str(campaign_id), reason, why)
    uow.publish(tenant, CampaignPaused(campaign_id=campaign_id, reason=reason, occurred_at=uow.now))
    return True


async def _stop_domain(uow: UnitOfWork, tenant: str, domain: str, reason: str, why: str) -> bool:
    if not await store_guard.stop(uow, tenant, Level.SENDER_DOMAIN, domain, reason, why):
        return False
    for account_id in await store_guard.accounts_of(uow, tenant, domain):
        event = AutomationThrottled(account_id=account_id, reason=_OF_DOMAIN[Reason(reason)], occurred_at=uow.now)
        uow.publish(tenant, event)
    return True


async def resume_domain(
    uow: UnitOfWork, tenant: str, domain: str | None, actor: str | None, cause: Envelope | None
) -> Sequence[UUID]:
    """Let the accounts of a domain send again that was stopped; returns them, none if it was not. It is told of those that do.

    What was known counts on, but cannot stop it again, see `domain_guard.guard`.
    """
    if domain is None or not await store_guard.let_go_on(uow, tenant, Level.SENDER_DOMAIN, domain):
        return []
    for account_id in await store.sending(uow, tenant, domain=domain):
        event = AutomationResumed(account_id=account_id, actor=actor, occurred_at=uow.now)
        uow.publish(tenant, event, cause)
    return await store_guard.accounts_of(uow, tenant, domain)
