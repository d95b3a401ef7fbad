"""Every query about orders: those that wait for their leads, and the verdicts on all."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import CursorResult, RowMapping

from chassis.keys import Resealed, TenantKey
from chassis.unit_of_work import UnitOfWork
from contracts.message import Envelope
from contracts.outcomes import OutcomeResult, RecordingView
from contracts.values import LeadRef
from outcomes.orders import ENTRIES, Order, entries_sealed_anew

System = tuple[str, str]
"""A tenant, and a source system of its."""
Source = tuple[str, str, str]
"""A tenant, a source system, and the id of a lead in it."""

_RESULTS = TypeAdapter(list[OutcomeResult])

_WAIT = """
    insert into waiting (tenant_id, command_id, command_type, correlation_id, traceparent, lead_id, source_system,
                         source_id, submission_id, recorded_by, heard_at, waits_until, entries, sealed_id)
    select tenant_id, command_id, command_type, correlation_id, traceparent, lead_id, source_system, source_id,
           submission_id, recorded_by, heard_at, :waits_until, entries, sealed_id
    from unnest(cast(:tenants as text[]), cast(:commands as uuid[]), cast(:types as text[]),
                cast(:correlations as uuid[]), cast(:traces as text[]), cast(:leads as uuid[]),
                cast(:systems as text[]), cast(:sources as text[]), cast(:submissions as uuid[]),
                cast(:actors as text[]), cast(:heard as timestamptz[]), cast(:entries as jsonb[]),
                cast(:sealed_ids as bytea[]))
         with ordinality as given (tenant_id, command_id, command_type, correlation_id, traceparent, lead_id,
                                   source_system, source_id, submission_id, recorded_by, heard_at, entries, sealed_id, n)
    order by n
"""
_WAITING = """
    tenant_id, position, command_id, command_type, correlation_id, traceparent, lead_id, source_system, source_id,
    submission_id, recorded_by, heard_at, cast(entries as text) as entries
"""
# Whatever a lead is named by, all that waits for it is found: by its own id, by its source's, by the submission.
_WAITING_FOR = f"""
    with named as materialized (
        select given.tenant_id, coalesce(given.lead_id, by_source.lead_id) as lead_id,
               coalesce(by_id.source_system, given.source_system) as source_system,
               coalesce(by_id.source_id, given.source_id) as source_id, given.submission_id
        from unnest(cast(:tenants as text[]), cast(:leads as uuid[]), cast(:systems as text[]),
                    cast(:sources as text[]), cast(:submissions as uuid[]))
             as given (tenant_id, lead_id, source_system, source_id, submission_id)
        left join lead as by_source
            on given.lead_id is null and by_source.tenant_id = given.tenant_id
           and by_source.source_system = given.source_system and by_source.source_id = given.source_id
        left join lead as by_id
            on by_id.tenant_id = given.tenant_id and by_id.lead_id = given.lead_id
    )
    select distinct on (position) found.*
    from named cross join lateral (
        select {_WAITING} from waiting
        where waiting.tenant_id = named.tenant_id and waiting.lead_id = named.lead_id
        union all
        select {_WAITING} from waiting
        where waiting.tenant_id = named.tenant_id and waiting.lead_id is null
          and waiting.source_system = named.source_system and waiting.source_id = named.source_id
        union all
        select {_WAITING} from waiting
        where waiting.tenant_id = named.tenant_id and waiting.submission_id = named.submission_id
    ) as found
    order by position
"""
_WAITING_ENTRIES = """
    with found as (
        select waiting.* from waiting where tenant_id = :tenant and lead_id = :lead_id
        union all
        select waiting.* from lead join waiting using (tenant_id, source_system, source_id)
        where tenant_id = :tenant and lead.lead_id = :lead_id and waiting.lead_id is null
    )
    select position, number, cast(entry as text) as entry, submission_id, recorded_by, heard_at, waits_until
    from found cross join lateral jsonb_array_elements(entries) with ordinality as one (entry, number)
    where (position, number) > (cast(:position as bigint), cast(:number as bigint))
    order by position, number limit :limit
"""
_OVERDUE = f"""
    select {_WAITING} from waiting
    where tenant_id = any(cast(:tenants as text[])) and waits_until <= :by order by position limit :limit
"""
_END_WAIT = """
    delete from waiting using unnest(cast(:tenants as text[]), cast(:positions as bigint[])) as given (tenant_id, n)
    where waiting.tenant_id = given.tenant_id and waiting.position = given.n
"""
_SEALED = """
    from waiting
    where tenant_id = :tenant and exists (
        select from jsonb_array_elements(entries) as entry
        where substr(decode(translate(entry ->> 'sealed', '-_', '+/'), 'base64'), 1, 5) <> :sealed_with
    )
"""
_KEEP_RESULTS = """
    insert into recording (tenant_id, command_id, correlation_id, results)
    select * from unnest(cast(:tenants as text[]), cast(:commands as uuid[]), cast(:correlations as uuid[]),
                         cast(:results as jsonb[]))
    on conflict (tenant_id, command_id) do update
        set correlation_id = excluded.correlation_id, results = excluded.results
"""


async def wait(uow: UnitOfWork, orders: Sequence[Order], until: datetime) -> None:
    """Let orders wait behind those that wait already."""
    if orders:
        await uow.execute(
            _WAIT,
            tenants=[order.tenant for order in orders],
            commands=[order.command_id for order in orders],
            types=[order.cause.type for order in orders],
            correlations=[order.cause.correlation_id for order in orders],
            traces=[order.cause.traceparent for order in orders],
            leads=[order.lead.lead_id for order in orders],
            systems=[order.lead.source_system for order in orders],
            sources=[order.put_away[0] if order.put_away else order.lead.source_id for order in orders],
            sealed_ids=[order.put_away[1] if order.put_away else None for order in orders],
            submissions=[order.lead.submission_id for order in orders],
            actors=[order.recorded_by for order in orders],
            heard=[order.heard_at for order in orders],
            entries=[ENTRIES.dump_json(list(order.entries), exclude_defaults=True).decode() for order in orders],
            waits_until=until,
        )


async def waiting_for(uow: UnitOfWork, leads: Iterable[tuple[str, LeadRef]]) -> list[Order]:
    """All that waits for these leads or submissions of tenants, in the order it came."""
    named = list(leads)
    rows = await uow.execute(
        _WAITING_FOR,
        tenants=[tenant for tenant, _ in named],
        leads=[lead.lead_id for _, lead in named],
        systems=[lead.source_system for _, lead in named],
        sources=[lead.source_id for _, lead in named],
        submissions=[lead.submission_id for _, lead in named],
    )
    return _orders(rows)


async def waiting_entries(
    uow: UnitOfWork, tenant: str, lead_id: UUID, after: tuple[int, int], limit: int
) -> Sequence[RowMapping]:
    """What waits to be recorded of a lead, entry by entry, in the order it came, from behind (position, number) of one."""
    rows = await uow.execute(
        _WAITING_ENTRIES, tenant=tenant, lead_id=lead_id, position=after[0], number=after[1], limit=limit
    )
    return rows.mappings().all()


async def overdue(uow: UnitOfWork, tenants: Sequence[str], by: datetime, limit: int) -> list[Order]:
    """What was to wait until `by` at most, in the order it came."""
    return _orders(await uow.execute(_OVERDUE, tenants=list(tenants), by=by, limit=limit))


async def systems_put_away(uow: UnitOfWork, systems: Collection[System]) -> set[System]:
    """Those of these sources for some of whose leads something waits under a number's hash."""
    if not systems:
        return set()
    rows = await uow.execute(
        """select named.tenant_id, system
           from unnest(cast(:tenants as text[]), cast(:systems as text[])) as named (tenant_id, system)
           where exists (select from waiting where waiting.tenant_id = named.tenant_id and source_system = system
                                               and sealed_id is not null)""",
        **_named(systems),
    )  # fmt: skip
    return {(row.tenant_id, row.system) for row in rows}


async def put_away(uow: UnitOfWork, systems: Collection[System]) -> set[tuple[Source, bytes]]:
    """Under which hashes something waits for leads of these sources, and the numbers, sealed."""
    if not systems:
        return set()
    rows = await uow.execute(
        """select distinct on (waiting.tenant_id, source_system, source_id)
                  waiting.tenant_id, source_system, source_id, sealed_id
           from waiting join unnest(cast(:tenants as text[]), cast(:systems as text[])) as named (tenant_id, system)
             on waiting.tenant_id = named.tenant_id and source_system = system
           where sealed_id is not null
           order by waiting.tenant_id, source_system, source_id, position""",
        **_named(systems),
    )  # fmt: skip
    return {((row.tenant_id, row.source_system, row.source_id), row.sealed_id) for row in rows}


async def rename(uow: UnitOfWork, names: Mapping[Source, str]) -> None:
    """Have what waits for leads under hashes wait for them by their ids."""
    if names:
        await uow.execute(
            """update waiting set source_id = given.name, sealed_id = null
               from unnest(cast(:tenants as text[]), cast(:systems as text[]), cast(:ids as text[]),
                           cast(:names as text[])) as given (tenant_id, system, id, name)
               where waiting.tenant_id = given.tenant_id and waiting.lead_id is null
                 and waiting.source_system = given.system and waiting.source_id = given.id""",
            tenants=[tenant for tenant, _, _ in names], systems=[system for _, system, _ in names],
            ids=[id_ for _, _, id_ in names], names=list(names.values()),
        )  # fmt: skip


def _named(systems: Collection[System]) -> dict[str, list[str]]:
    ordered = sorted(systems)
    return {"tenants": [tenant for tenant, _ in ordered], "systems": [system for _, system in ordered]}


async def end_wait(uow: UnitOfWork, orders: Sequence[Order]) -> None:
    """Let these orders wait no longer; those that never did do not matter."""
    waited = [order for order in orders if order.position is not None]
    if waited:
        await uow.execute(
            _END_WAIT, tenants=[order.tenant for order in waited], positions=[order.position for order in waited]
        )


async def keep_results(uow: UnitOfWork, results: Sequence[tuple[Order, list[OutcomeResult]]]) -> None:
    """Keep the verdicts on orders, in place of earlier ones."""
    if results:
        await uow.execute(
            _KEEP_RESULTS,
            tenants=[order.tenant for order, _ in results],
            commands=[order.command_id for order, _ in results],
            correlations=[order.cause.correlation_id for order, _ in results],
            results=[_RESULTS.dump_json(found, exclude_defaults=True).decode() for _, found in results],
        )


async def recordings(uow: UnitOfWork, tenant: str, command_ids: Sequence[UUID]) -> list[RecordingView]:
    rows = await uow.execute(
        """select command_id, correlation_id, results from recording
           where tenant_id = :tenant and command_id = any(cast(:ids as uuid[]))""",
        tenant=tenant, ids=list(command_ids),
    )  # fmt: skip
    return [RecordingView.model_validate(dict(row)) for row in rows.mappings()]


async def count_verdicts(uow: UnitOfWork, tenant: str, correlation_id: UUID) -> dict[str, int]:
    """How many outcomes of the orders with this correlation id got each verdict."""
    rows = await uow.execute(
        """select result ->> 'verdict' as verdict, count(*) as n
           from recording, jsonb_array_elements(results) as result
           where tenant_id = :tenant and correlation_id = :correlation_id group by 1""",
        tenant=tenant, correlation_id=correlation_id,
    )  # fmt: skip
    return {row.verdict: row.n for row in rows}


async def recorded_by_run(
    uow: UnitOfWork, tenant: str, correlation_id: UUID, limit: int
) -> list[tuple[UUID, list[OutcomeResult]]]:
    """Some orders of a run, with the verdicts on their outcomes."""
    rows = await uow.execute(
        """select command_id, results from recording
           where tenant_id = :tenant and correlation_id = :correlation_id order by command_id limit :limit""",
        tenant=tenant, correlation_id=correlation_id, limit=limit,
    )  # fmt: skip
    return [(row.command_id, _RESULTS.validate_python(row.results)) for row in rows]


async def forget(uow: UnitOfWork, tenant: str, commands: Sequence[UUID]) -> None:
    """Forget the verdicts on orders, and let those that wait wait no longer."""
    for table in ("recording", "waiting"):
        await uow.execute(
            f"delete from {table} where tenant_id = :tenant and command_id = any(cast(:commands as uuid[]))",
            tenant=tenant, commands=list(commands),
        )  # fmt: skip


async def waiting_among(uow: UnitOfWork, tenant: str, leads: Collection[UUID]) -> set[UUID]:
    """Those of these leads of which something waits to be recorded."""
    rows = await uow.execute(
        """select lead.lead_id from lead
           where lead.tenant_id = :tenant and lead.lead_id = any(cast(:leads as uuid[])) and exists (
               select from waiting where waiting.tenant_id = :tenant
                 and (waiting.lead_id = lead.lead_id
                      or waiting.lead_id is null and waiting.source_system = lead.source_system
                         and waiting.source_id = lead.source_id))""",
        tenant=tenant, leads=list(leads),
    )  # fmt: skip
    return set(rows.scalars())


class SealedOrders:
    """The free text of orders that wait, to be sealed anew after a rotation of the tenant's keys (`chassis.keys`)."""

    async def left(self, uow: UnitOfWork, key: TenantKey) -> int:
        counted = await uow.execute(f"select count(*) {_SEALED}", tenant=key.tenant, sealed_with=key.sealed_with)
        return int(counted.scalar_one())

    async def reseal(self, uow: UnitOfWork, key: TenantKey, after: Any, limit: int) -> Resealed | None:
        rows = await uow.execute(
            f"""select position, cast(entries as text) as entries {_SEALED} and position > :after
                order by position limit :limit for update""",
            tenant=key.tenant, sealed_with=key.sealed_with, after=after or 0, limit=limit,
        )  # fmt: skip
        found = [(row.position, ENTRIES.validate_json(row.entries)) for row in rows]
        if not found:
            return None
        kept = [(position, anew) for position, entries in found if (anew := entries_sealed_anew(entries, key))]
        await uow.execute(
            """update waiting set entries = given.entries
               from unnest(cast(:positions as bigint[]), cast(:entries as jsonb[])) as given (position, entries)
               where waiting.tenant_id = :tenant and waiting.position = given.position""",
            tenant=key.tenant, positions=[position for position, _ in kept],
            entries=[ENTRIES.dump_json(entries, exclude_defaults=True).decode() for _, entries in kept],
        )  # fmt: skip
        return Resealed(len(kept), len(found) - len(kept), found[-1][0])


def _orders(rows: CursorResult[tuple[object, ...]]) -> list[Order]:
    return [
        Order(
            cause=Envelope(
                row.command_id, row.command_type, row.tenant_id, row.heard_at, row.correlation_id,
                traceparent=row.traceparent,
            ),
            lead=LeadRef(
                lead_id=row.lead_id, source_system=row.source_system, source_id=row.source_id,
                submission_id=row.submission_id,
            ),
            recorded_by=row.recorded_by,
            heard_at=row.heard_at,
            entries=ENTRIES.validate_json(row.entries),
            position=row.position,
        )
        for row in rows
    ]  # fmt: skip
