"""Refusals are counted; whoever is refused again and again within some minutes is told of, once an hour."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from chassis.limits.counters import Counters
from chassis.unit_of_work import Database
from contracts.gateway.access import AccessRefused, RefusedFor
from contracts.message import PLATFORM, Envelope
from gateway import store
from gateway.identity import store_audit

MOST: Final = 10
"""How many refusals of one user or key, or of nobody known, are taken for mistakes."""
WINDOW_SECONDS: Final = 600
_PAUSE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Refusals:
    """Counts refusals, in memory: what is refused writes nothing until there is something to tell."""

    counters: Counters
    database: Database

    async def note(
        self, cause: Envelope, refused_for: RefusedFor, actor: str | None = None, *, elsewhere: bool = False
    ) -> None:
        """Count a refusal of one whom the tenant knows, or of nobody it knows; `elsewhere`, at an address that is not the tenant's."""
        tenant, who = cause.tenant, f"{'elsewhere' if elsewhere else refused_for}|{actor or ''}"
        granted, _ = await self.counters.take(tenant, who, 1, MOST)
        if granted:
            return
        async with self.database.begin(tenant) as uow:
            if tenant != PLATFORM and await store.registered_tenant(uow, tenant) is None:
                return
            if await store_audit.tell_refusals(uow, tenant, who, _PAUSE):
                event = AccessRefused(
                    refused_for=refused_for, actor=actor, limit=MOST, window_seconds=WINDOW_SECONDS,
                    occurred_at=uow.now, elsewhere=elsewhere,
                )  # fmt: skip
                uow.publish(tenant, event, cause)
