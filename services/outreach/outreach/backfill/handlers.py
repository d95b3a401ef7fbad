"""What outreach does when it is handed what another system knows."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar
from uuid import UUID, uuid5

from chassis.keys import TenantKeys
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.outreach import backfill as messages
from contracts.outreach.backfill import RowResult, RowResults, RowVerdict
from outreach.backfill import pending, sent, store, suppressions
from outreach.backfill.persons import KNOWN, Ask, Person, identify

AnyRow = TypeVar("AnyRow", messages.SentRow, messages.PendingRow, messages.SuppressionRow)
_KIND: Final = "backfilled"
"""What the hashes of other systems' message ids are for."""
_MESSAGES: Final = UUID("6f1d0c2b-4f7a-4b8e-9a51-0b7d3c9e5a42")
"""The namespace of the ids of messages that are taken over: one that is tried again has the id it had, and its text is kept once."""


class Handlers:
    """The answers about what other systems know.

    Nothing is done of a trial but to judge the rows; intake is asked who the persons are before anything is locked.

    Parameters:
        ask: asks intake who persons are, and to keep texts.
    """

    def __init__(self, keys: TenantKeys, ask: Ask) -> None:
        self._keys = keys
        self._ask = ask

    async def backfill_sent(self, uow: UnitOfWork, request: Received[messages.BackfillSent]) -> RowResults:
        tenant, order = request.tenant, request.body
        keys = await self._source_keys(uow, tenant, order.source_system, order.rows)
        results, new = await _unknown(uow, tenant, store.SENT, keys)
        rows = {at: order.rows[at] for at in new}
        persons = await self._persons(uow, request, rows)
        results |= await sent.judge(uow, tenant, rows, persons)
        if not order.dry_run and (taking := _taken(rows, results)):
            results |= await sent.take(uow, tenant, taking, persons, keys, _messages(tenant, keys), request.envelope)
        return _in_order(results)

    async def backfill_pending(self, uow: UnitOfWork, request: Received[messages.BackfillPending]) -> RowResults:
        tenant, order = request.tenant, request.body
        keys = await self._source_keys(uow, tenant, order.source_system, order.rows)
        results, new = await _unknown(uow, tenant, store.PENDING, keys)
        rows = {at: order.rows[at] for at in new}
        persons = await self._persons(uow, request, rows)
        judged, planned = await pending.judge(uow, tenant, rows, persons, keys)
        results |= judged
        if not order.dry_run and planned:
            ids = _messages(tenant, keys)
            results |= await pending.take(uow, tenant, planned, keys, ids, self._ask, request.envelope)
        return _in_order(results)

    async def import_suppressions(self, uow: UnitOfWork, request: Received[messages.ImportSuppressions]) -> RowResults:
        tenant, order = request.tenant, request.body
        key = await self._keys.of(uow, tenant)
        rows = dict(enumerate(order.rows))
        persons = await self._persons(uow, request, rows)
        results = suppressions.judge(rows, persons)
        taking = _taken(rows, results)
        if order.dry_run:
            results |= dict.fromkeys(await suppressions.known(uow, tenant, taking, persons), KNOWN)
        elif taking:
            results |= await suppressions.take(uow, key, taking, persons, order.actor, request.envelope)
        return _in_order(results)

    async def _persons(self, uow: UnitOfWork, request: Received[Any], rows: Mapping[int, AnyRow]) -> dict[int, Person]:
        refs = {at: row.person for at, row in rows.items()}
        return await identify(uow, self._ask, request.tenant, refs, request.envelope)

    async def _source_keys(
        self, uow: UnitOfWork, tenant: str, system: str, rows: Sequence[messages.SentRow | messages.PendingRow]
    ) -> dict[int, str]:
        """What is kept of what the other system calls each message: it may hold an address."""
        key = await self._keys.of(uow, tenant)
        return {at: key.lasting_token(_KIND, f"{system}\0{row.source_key}") for at, row in enumerate(rows)}


async def _unknown(
    uow: UnitOfWork, tenant: str, kind: str, keys: Mapping[int, str]
) -> tuple[dict[int, RowResult], list[int]]:
    """What is said of rows that were taken before, or repeat another; and the places of all others."""
    taken = await store.taken(uow, tenant, kind, keys.values())
    first: dict[str, int] = {}
    for at, key in keys.items():
        first.setdefault(key, at)
    new = [at for key, at in first.items() if key not in taken]
    return {at: KNOWN for at in keys if at not in set(new)}, new


def _taken(rows: Mapping[int, AnyRow], results: Mapping[int, RowResult]) -> dict[int, AnyRow]:
    """Those of these rows of which nothing is wrong or known."""
    return {at: row for at, row in rows.items() if results[at].verdict is RowVerdict.TAKEN}


def _messages(tenant: str, keys: Mapping[int, str]) -> dict[int, UUID]:
    """What each message is called that is taken over as pending: an id of version 5, which no other message has."""
    return {at: uuid5(_MESSAGES, f"{tenant}/{key}") for at, key in keys.items()}


def _in_order(results: Mapping[int, RowResult]) -> RowResults:
    return RowResults(results=[results[at] for at in sorted(results)])
