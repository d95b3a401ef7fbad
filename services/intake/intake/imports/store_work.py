"""Every query about who works on an import and how far that is: a worker holds it by a token and until a moment."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping
from uuid_utils.compat import uuid7

from chassis.unit_of_work import UnitOfWork
from intake.imports.store import RUN

LEASE: Final = timedelta(seconds=15)
"""How long an import is a worker's that says nothing of it."""

# A tenant's imports come one after the other, in the order they were started: the later one has the last word about a lead. What only
# looks at a file waits for none.
_CLAIM = """
    with busy as (
        select distinct tenant_id from import_run
        where tenant_id = any(cast(:tenants as text[])) and state in ('running', 'reverting') and not (origin = 'commands' and state = 'running')
          and claimed_by is not null and due_at > now()
    ), due as (
        select run.tenant_id, run.run_id from import_run as run left join busy using (tenant_id)
        where run.tenant_id = any(cast(:tenants as text[])) and run.state in ('checking', 'running', 'reverting')
          and not (run.origin = 'commands' and run.state = 'running') and run.due_at <= now()
          and (busy.tenant_id is null or run.state = 'checking')
        order by run.due_at limit 1 for update of run skip locked
    )
    update import_run set claimed_by = :token, due_at = now() + cast(:lease as interval)
    from due where (import_run.tenant_id, import_run.run_id) = (due.tenant_id, due.run_id)
    returning import_run.tenant_id, import_run.run_id, import_run.state
"""
_HOLD = f"""
    update import_run set due_at = now() + cast(:lease as interval), noted_at = :now
    where tenant_id = :tenant and run_id = :run_id and claimed_by = :token and state = :state returning {RUN}
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """An import that a worker holds by its token, for as long as it stands so."""

    tenant: str
    run_id: UUID
    token: UUID
    state: str


async def claim(uow: UnitOfWork, tenants: Sequence[str]) -> Claim | None:
    """Take the import that waits longest, of a tenant that has no other under way."""
    token = uuid7()
    row = (await uow.execute(_CLAIM, tenants=list(tenants), token=token, lease=LEASE)).first()
    return Claim(row.tenant_id, row.run_id, token, row.state) if row else None


async def hold(uow: UnitOfWork, claim: Claim) -> RowMapping | None:
    """The import, locked and held on; none where it is not this worker's any more."""
    rows = await uow.execute(
        _HOLD, tenant=claim.tenant, run_id=claim.run_id, token=claim.token, state=claim.state, lease=LEASE, now=uow.now
    )
    return rows.mappings().first()


async def let_go(uow: UnitOfWork, claim: Claim, pause: timedelta) -> None:
    """Let go of the import, if it is still held; after the pause any worker goes on with it."""
    await uow.execute(
        """update import_run set claimed_by = null, due_at = now() + cast(:pause as interval)
           where tenant_id = :tenant and run_id = :run_id and claimed_by = :token""",
        tenant=claim.tenant, run_id=claim.run_id, token=claim.token, pause=pause,
    )  # fmt: skip


async def advance(uow: UnitOfWork, claim: Claim, **values: Any) -> None:
    """Keep how far an import that is held has come: values of its columns, counts as JSON."""
    kept = ", ".join(
        f"{name} = cast(:{name} as jsonb)" if name in ("counts", "check_counts", "reverted") else f"{name} = :{name}"
        for name in values
    )
    await uow.execute(
        f"update import_run set {kept} where tenant_id = :tenant and run_id = :run_id",
        tenant=claim.tenant, run_id=claim.run_id, **values,
    )  # fmt: skip


async def add_orders(uow: UnitOfWork, claim: Claim, orders: Sequence[tuple[UUID, int, int, Sequence[int]]]) -> None:
    """Keep orders to record outcomes until their verdicts are known: (command, row, line, places in the mapping)."""
    if orders:
        commands, rows, lines, places = (list(column) for column in zip(*orders, strict=True))
        await uow.execute(
            """insert into import_order (tenant_id, run_id, command_id, row_number, line, places)
               select :tenant, :run_id, command_id, row_number, line, cast(places as smallint[])
               from unnest(cast(:commands as uuid[]), cast(:rows as integer[]), cast(:lines as integer[]), cast(:places as text[]))
                    as given (command_id, row_number, line, places)
               on conflict do nothing""",
            tenant=claim.tenant, run_id=claim.run_id, commands=commands, rows=rows, lines=lines,
            places=["{" + ",".join(map(str, each)) + "}" for each in places],
        )  # fmt: skip


async def orders(uow: UnitOfWork, claim: Claim, limit: int, after: UUID | None = None) -> Sequence[RowMapping]:
    """Orders whose verdicts are not known, by their ids, from behind one."""
    rows = await uow.execute(
        """select command_id, row_number, line, places from import_order
           where tenant_id = :tenant and run_id = :run_id and (cast(:after as uuid) is null or command_id > :after)
           order by command_id limit :limit""",
        tenant=claim.tenant, run_id=claim.run_id, after=after, limit=limit,
    )  # fmt: skip
    return rows.mappings().all()


async def end_orders(uow: UnitOfWork, tenant: str, run_id: UUID, commands: Collection[UUID] | None = None) -> None:
    """Forget these orders of an import, or all."""
    await uow.execute(
        """delete from import_order where tenant_id = :tenant and run_id = :run_id
           and (cast(:commands as uuid[]) is null or command_id = any(cast(:commands as uuid[])))""",
        tenant=tenant, run_id=run_id, commands=None if commands is None else list(commands),
    )  # fmt: skip
