"""Circuit breakers: a mail server or a service that is down is not tried by every message, but now and then by one.

There is one for each of a tenant's providers (its host and port), whichever accounts are there, and all replicas share it: what
one has learnt no other has to learn with messages of its own. It is read with the account's row, and written only when something
failed or a probe came back, so that a message that is sent costs nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from chassis.unit_of_work import UnitOfWork
from contracts.outreach.accounts import AutomationResumed, AutomationThrottled, ThrottleReason
from outreach.accounts import store, store_circuit
from outreach.accounts.domain_guard import TOLERANCE, Circuit


@dataclass(frozen=True, slots=True)
class Tried:
    """A provider was handed a message, and did not answer; or it was a probe, whatever came of it.

    Attributes:
        endpoint: which provider (`account.endpoint`).
        asked_at: when the message was claimed.
    """

    tenant: str
    endpoint: str
    asked_at: datetime
    answered: bool


async def hear(uow: UnitOfWork, tried: Sequence[Tried]) -> list[tuple[str, str]]:
    """Open and close circuits; returns the (tenant, endpoint) of providers whose messages are to be looked at anew.

    It is told when a circuit opens, and when it closes; not of each probe that fails in between.
    """
    changed = []
    of_provider = groupby(sorted(tried, key=_provider), key=_provider)
    for (tenant, endpoint), group in of_provider:
        before = breaker = await store_circuit.lock(uow, tenant, endpoint)
        for each in group:
            if each.answered:
                breaker = breaker.succeeded(each.asked_at)
            else:
                breaker = breaker.failed(each.asked_at, uow.now, TOLERANCE)
        if breaker == before:
            continue
        await store_circuit.keep(uow, tenant, endpoint, breaker)
        if breaker.circuit is before.circuit:
            continue
        changed.append((tenant, endpoint))
        if before.circuit is Circuit.CLOSED:
            for account_id in await store_circuit.accounts_at(uow, tenant, endpoint):
                throttled = AutomationThrottled(
                    account_id=account_id, reason=ThrottleReason.PROVIDER_AWAY, until=breaker.until, occurred_at=uow.now
                )
                uow.publish(tenant, throttled)
        elif breaker.circuit is Circuit.CLOSED:
            for account_id in await store.sending(uow, tenant, endpoint=endpoint):
                uow.publish(tenant, AutomationResumed(account_id=account_id, occurred_at=uow.now))
    return changed


def _provider(tried: Tried) -> tuple[str, str]:
    return tried.tenant, tried.endpoint
