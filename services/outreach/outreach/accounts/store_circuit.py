"""Every query about the circuit breakers of providers."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chassis.unit_of_work import UnitOfWork
from outreach.accounts.domain_guard import Breaker, Circuit

NOT_CLOSED = """(select jsonb_build_object('state', circuit.state, 'until', until, 'probed_at', probed_at, 'openings', openings)
    from circuit where circuit.tenant_id = account.tenant_id and circuit.endpoint = account.endpoint
                       and circuit.state <> 'closed')"""
"""The circuit of an account's provider, unless it is closed."""


async def lock(uow: UnitOfWork, tenant: str, endpoint: str) -> Breaker:
    """A provider's circuit, which nobody else changes until this unit of work ends."""
    await uow.execute(
        """insert into circuit (tenant_id, endpoint, state, failed_at, openings) values (:tenant, :endpoint, 'closed', '{}', 0)
           on conflict (tenant_id, endpoint) do nothing""",
        tenant=tenant, endpoint=endpoint,
    )  # fmt: skip
    rows = await uow.execute(
        """select state, failed_at, until, openings, probed_at from circuit
           where tenant_id = :tenant and endpoint = :endpoint for update""",
        tenant=tenant, endpoint=endpoint,
    )  # fmt: skip
    row = rows.mappings().one()
    return Breaker(Circuit(row["state"]), tuple(row["failed_at"]), row["until"], row["openings"], row["probed_at"])


async def keep(uow: UnitOfWork, tenant: str, endpoint: str, breaker: Breaker) -> None:
    await uow.execute(
        """update circuit set state = :state, failed_at = :failed_at, until = :until, openings = :openings, probed_at = :probed_at
           where tenant_id = :tenant and endpoint = :endpoint""",
        tenant=tenant, endpoint=endpoint, state=breaker.circuit.value, failed_at=list(breaker.failed_at), until=breaker.until,
        openings=breaker.openings, probed_at=breaker.probed_at,
    )  # fmt: skip


async def probe(uow: UnitOfWork, endpoints: Collection[tuple[str, str]], patience: timedelta) -> None:
    """What is claimed now is to show whether these (tenant, endpoint) work again, unless something else is already.

    One that somebody else changes at that moment is left to them, and waited for by nobody.
    """
    await uow.execute(
        """update circuit set state = 'half_open', until = null, probed_at = :now
           from (
               select tenant_id, endpoint from circuit
               join unnest(cast(:tenants as text[]), cast(:endpoints as text[])) as given (tenant_id, endpoint)
                   using (tenant_id, endpoint)
               where state = 'open' and until <= :now or state = 'half_open' and probed_at <= :lost
               for update of circuit skip locked
           ) as due
           where circuit.tenant_id = due.tenant_id and circuit.endpoint = due.endpoint""",
        tenants=[tenant for tenant, _ in endpoints], endpoints=[endpoint for _, endpoint in endpoints], now=uow.now,
        lost=uow.now - patience,
    )  # fmt: skip


async def accounts_at(uow: UnitOfWork, tenant: str, endpoint: str) -> list[UUID]:
    """The accounts that send by way of a provider, without those that were removed."""
    rows = await uow.execute(
        """select account_id from account where tenant_id = :tenant and endpoint = :endpoint and state <> 'removed'
           order by account_id""",
        tenant=tenant, endpoint=endpoint,
    )  # fmt: skip
    return list(rows.scalars())


def breaker_of(given: dict[str, Any] | None) -> Breaker | None:
    """What `NOT_CLOSED` finds."""
    if given is None:
        return None
    return Breaker(Circuit(given["state"]), (), _moment(given["until"]), given["openings"], _moment(given["probed_at"]))


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
