"""Leads that their sources name by an e-mail address or a telephone number.

Events name such a lead by a token, which intake knows; it is asked before anything is stored, and before any lock is taken. A number
may be a record's as well as a telephone's. Intake is asked about one only where a source is known to have such ids; otherwise
an order whose lead is not known waits under a hash of the number, with the number sealed, until the news of its lead tell
which it was.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace

from chassis.failures import LostRaceError, PeerUnavailableError
from chassis.keys import TenantKeys
from chassis.unit_of_work import UnitOfWork
from contracts.intake.leads import SourceIds, SourceRef, TokeniseSourceIds
from contracts.message import ProblemCode, ProblemError
from contracts.personal import is_contact, is_token, may_be_a_number
from contracts.values import LeadRef
from outcomes import store, store_orders
from outcomes.orders import Order, opened_id, put_away, waiting_name
from outcomes.store_orders import Source, System

Ask = Callable[[str, TokeniseSourceIds], Awaitable[SourceIds]]

_AT_ONCE = 1000


class Naming:
    """Gives leads the ids by which events name them.

    Parameters:
        ask: asks intake on behalf of a tenant.
    """

    def __init__(self, keys: TenantKeys, ask: Ask) -> None:
        self._keys = keys
        self._ask = ask

    async def name(self, uow: UnitOfWork, orders: Sequence[Order]) -> list[Order]:
        """The orders, each naming its lead as events do; the store is locked from then on.

        Raises:
            PeerUnavailableError: intake does not answer.
            LostRaceError: while it was asked, the news came that a source has such ids.
        """
        named = [_source(order.tenant, order.lead) for order in orders]
        doubtful = {source for source in named if source and may_be_a_number(source[2]) and not is_contact(source[2])}
        systems = _systems(doubtful)
        hiding = await store.systems_with_hidden_ids(uow, systems)
        contacts = {source for source in named if source and is_contact(source[2])}
        names = await self._names(contacts | {source for source in doubtful if source[:2] in hiding})
        keys = {tenant: await self._keys.of(uow, tenant) for tenant in sorted({source[0] for source in doubtful})}
        await store.lock(uow)
        if await store.systems_with_hidden_ids(uow, systems) != hiding:
            raise LostRaceError("a source's first id that is a contact was heard of a moment before")
        return [
            _renamed(order, names[source])
            if source in names and names[source] != source[2]
            else put_away(order, keys[order.tenant])
            if source in doubtful
            else order
            for order, source in zip(orders, named, strict=True)
        ]

    async def name_waiting(self, uow: UnitOfWork, news: Iterable[tuple[str, LeadRef]]) -> None:
        """Name what waits under a number's hash as the news of its lead do; the store is locked from then on.

        Raises:
            PeerUnavailableError: intake does not answer.
            LostRaceError: while it was asked, more began to wait.
        """
        sources = {source for tenant, lead in news if (source := _source(tenant, lead))}
        numbers = {source for source in sources if may_be_a_number(source[2])}
        tokens = _systems(source for source in sources if is_token(source[2]))
        systems = _systems(numbers) | tokens
        with_some = await store_orders.systems_put_away(uow, systems)
        names = await self._by_number(uow, {source for source in numbers if source[:2] in with_some})
        waiting = await store_orders.put_away(uow, tokens & with_some)
        names |= await self._by_token(uow, waiting)
        await store.lock(uow)
        more = await store_orders.systems_put_away(uow, systems) - with_some
        if more or await store_orders.put_away(uow, tokens & with_some) != waiting:
            raise LostRaceError("more began to wait a moment before")
        await store_orders.rename(uow, names)

    async def _by_number(self, uow: UnitOfWork, numbers: Iterable[Source]) -> dict[Source, str]:
        names = {}
        for tenant, system, id_ in numbers:
            names[tenant, system, waiting_name(id_, await self._keys.of(uow, tenant))] = id_
        return names

    async def _by_token(self, uow: UnitOfWork, waiting: Iterable[tuple[Source, bytes]]) -> dict[Source, str]:
        ids: dict[Source, Source] = {}
        for (tenant, system, name), sealed in waiting:
            ids[tenant, system, name] = (tenant, system, opened_id(sealed, await self._keys.of(uow, tenant)))
        names = await self._names(ids.values())
        return {source: names[id_] for source, id_ in ids.items() if is_token(names[id_])}

    async def _names(self, asked: Iterable[Source]) -> dict[Source, str]:
        by_tenant: dict[str, list[Source]] = {}
        for source in sorted(set(asked)):
            by_tenant.setdefault(source[0], []).append(source)
        names: dict[Source, str] = {}
        for tenant, sources in by_tenant.items():
            for start in range(0, len(sources), _AT_ONCE):
                some = sources[start : start + _AT_ONCE]
                request = TokeniseSourceIds(leads=[SourceRef(source_system=s, source_id=id_) for _, s, id_ in some])
                names.update(zip(some, (await self._answer(tenant, request)).source_ids, strict=True))
        return names

    async def _answer(self, tenant: str, request: TokeniseSourceIds) -> SourceIds:
        try:
            return await self._ask(tenant, request)
        except ProblemError as error:
            if error.problem.code is ProblemCode.UNAVAILABLE:
                raise PeerUnavailableError(f"intake: {error.problem.message}") from error
            raise


def _source(tenant: str, lead: LeadRef) -> Source | None:
    return (tenant, lead.source_system, lead.source_id) if lead.source_system and lead.source_id else None


def _systems(sources: Iterable[Source]) -> set[System]:
    return {(tenant, system) for tenant, system, _ in sources}


def _renamed(order: Order, source_id: str) -> Order:
    return replace(order, lead=order.lead.model_copy(update={"source_id": source_id}))
