"""Every query about imports, their files and errors, but for what a worker does to them (`store_work`)."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.keys import TenantKey
from chassis.unit_of_work import UnitOfWork
from contracts.intake.imports import ImportOrigin, ImportState
from intake.imports import contents

RUN = (
    "run_id, state, origin, actor, ordered_by, file_name, mapping, bytes, bytes_read, again, read_all, rows_done, rows_sent, "
    "counts, checked, check_counts, reverted, after_lead, failure, cause, created_at, started_at, ended_at, reverted_at"
)
_CHANGED = f"where tenant_id = :tenant and run_id = :run_id returning {RUN}"


async def insert(
    uow: UnitOfWork, tenant: str, run: Mapping[str, Any], state: ImportState, origin: ImportOrigin, size: int = 0
) -> bool:
    """A new import (run_id, file_name, actor, cause); false where there is one of its id."""
    inserted = await uow.execute(
        """insert into import_run (tenant_id, run_id, state, origin, actor, ordered_by, file_name, bytes, cause, created_at,
                                   started_at, noted_at)
           values (:tenant, :run_id, :state, :origin, :actor, :actor, :file_name, :size, cast(:cause as jsonb), :now,
                   cast(:started as timestamptz), :now)
           on conflict (tenant_id, run_id) do nothing""",
        tenant=tenant, state=state, origin=origin, size=size, now=uow.now,
        started=uow.now if state is ImportState.RUNNING else None, **{**run, "cause": json.dumps(run["cause"])},
    )  # fmt: skip
    return bool(inserted.rowcount)


async def run(uow: UnitOfWork, tenant: str, run_id: UUID, *, lock: bool = False) -> RowMapping | None:
    rows = await uow.execute(
        f"select {RUN} from import_run where tenant_id = :tenant and run_id = :run_id" + (" for update" if lock else ""),
        tenant=tenant, run_id=run_id,
    )  # fmt: skip
    return rows.mappings().first()


async def page(
    uow: UnitOfWork, tenant: str, state: ImportState | None, before: tuple[datetime, UUID] | None, limit: int
) -> Sequence[RowMapping]:
    """Imports, newest first, from before a (created_at, run_id)."""
    at, id_ = before or (None, None)
    rows = await uow.execute(
        f"""select {RUN} from import_run
            where tenant_id = :tenant and (cast(:state as text) is null or state = :state)
              and (cast(:at as timestamptz) is null or (created_at, run_id) < (:at, cast(:id as uuid)))
            order by created_at desc, run_id desc limit :limit""",
        tenant=tenant, state=state, at=at, id=id_, limit=limit,
    )  # fmt: skip
    return rows.mappings().all()


async def add_chunk(
    uow: UnitOfWork, tenant: str, run_id: UUID, number: int, size: int, token: str, sealed: bytes
) -> str | None:
    """Keep a chunk of a locked import; returns the token of the content that is there already, if any is."""
    added = await uow.execute(
        """insert into import_chunk (tenant_id, run_id, number, size, token, sealed)
           values (:tenant, :run_id, :number, :size, :token, :sealed) on conflict do nothing""",
        tenant=tenant, run_id=run_id, number=number, size=size, token=token, sealed=sealed,
    )  # fmt: skip
    if added.rowcount:
        await uow.execute(
            """update import_run set bytes = bytes + :size, noted_at = :now
               where tenant_id = :tenant and run_id = :run_id""",
            tenant=tenant, run_id=run_id, size=size, now=uow.now,
        )  # fmt: skip
        return None
    return await token_of(uow, tenant, run_id, number)


async def token_of(uow: UnitOfWork, tenant: str, run_id: UUID, number: int) -> str | None:
    """The token of a chunk's content, if it is here."""
    rows = await uow.execute(
        "select token from import_chunk where tenant_id = :tenant and run_id = :run_id and number = :number",
        tenant=tenant, run_id=run_id, number=number,
    )  # fmt: skip
    token: str | None = rows.scalar_one_or_none()
    return token


async def chunk(uow: UnitOfWork, tenant: str, run_id: UUID, number: int) -> bytes | None:
    """A chunk, sealed."""
    rows = await uow.execute(
        "select sealed from import_chunk where tenant_id = :tenant and run_id = :run_id and number = :number",
        tenant=tenant, run_id=run_id, number=number,
    )  # fmt: skip
    sealed: bytes | None = rows.scalar_one_or_none()
    return sealed


async def chunks(uow: UnitOfWork, tenant: str, runs: Sequence[UUID]) -> dict[UUID, int]:
    """How many chunks each of these imports has, the first to the last without a gap."""
    rows = await uow.execute(
        """select run_id, coalesce(min(number) filter (where number <> place), count(*)) as chunks
           from (select run_id, number, row_number() over (partition by run_id order by number) - 1 as place
                 from import_chunk where tenant_id = :tenant and run_id = any(cast(:runs as uuid[]))) as chunk
           group by run_id""",
        tenant=tenant, runs=list(runs),
    )  # fmt: skip
    found = {row.run_id: int(row.chunks) for row in rows}
    return {run_id: found.get(run_id, 0) for run_id in runs}


async def shorter_chunks(uow: UnitOfWork, tenant: str, run_id: UUID, size: int, before: int) -> Sequence[int]:
    """Those chunks before one that hold less than all but the last must."""
    rows = await uow.execute(
        """select number from import_chunk
           where tenant_id = :tenant and run_id = :run_id and number < :before and size <> :size order by number""",
        tenant=tenant, run_id=run_id, size=size, before=before,
    )  # fmt: skip
    return rows.scalars().all()


async def set_state(uow: UnitOfWork, tenant: str, run_id: UUID, state: ImportState, **values: Any) -> RowMapping:
    """Have an import stand so, in nobody's hands, due at once; returns it.

    Parameters:
        values: of further columns.
    """
    more = "".join(f", {name} = :{name}" for name in values)
    rows = await uow.execute(
        f"""update import_run set state = :state, claimed_by = null, due_at = now(), noted_at = :now{more} {_CHANGED}""",
        tenant=tenant, run_id=run_id, state=state, now=uow.now, **values,
    )  # fmt: skip
    return rows.mappings().one()


async def set_mapping(uow: UnitOfWork, tenant: str, run_id: UUID, mapping: bytes) -> RowMapping:
    rows = await uow.execute(
        f"update import_run set mapping = :mapping, checked = false, check_counts = null, noted_at = :now {_CHANGED}",
        tenant=tenant, run_id=run_id, mapping=mapping, now=uow.now,
    )  # fmt: skip
    return rows.mappings().one()


async def note(uow: UnitOfWork, tenant: str, run_id: UUID, bytes_read: int, counts: str) -> RowMapping:
    """How far an import is whose rows come as commands."""
    rows = await uow.execute(
        f"""update import_run set bytes_read = :bytes_read, counts = cast(:counts as jsonb), noted_at = :now {_CHANGED}""",
        tenant=tenant, run_id=run_id, bytes_read=bytes_read, counts=counts, now=uow.now,
    )  # fmt: skip
    return rows.mappings().one()


async def add_errors(
    uow: UnitOfWork, key: TenantKey, run_id: UUID, first: int, errors: Sequence[tuple[int, int, str, str]]
) -> None:
    """Keep errors (row, line, field, reason) behind the first so many; those that are there stay as they are."""
    if errors:
        rows, lines, fields, reasons = (list(column) for column in zip(*errors, strict=True))
        sealed = [contents.seal_reason(key, run_id, number, reason) for number, reason in enumerate(reasons, first + 1)]
        await uow.execute(
            """insert into import_error (tenant_id, run_id, number, row_number, line, field, reason)
               select :tenant, :run_id, :first + place, row_number, line, field, reason
               from unnest(cast(:rows as integer[]), cast(:lines as integer[]), cast(:fields as text[]), cast(:reasons as bytea[]))
                    with ordinality as given (row_number, line, field, reason, place)
               on conflict do nothing""",
            tenant=key.tenant, run_id=run_id, first=first, rows=rows, lines=lines, fields=fields, reasons=sealed,
        )  # fmt: skip


async def errors(uow: UnitOfWork, tenant: str, run_id: UUID, after: int, limit: int) -> Sequence[RowMapping]:
    """An import's errors behind one, in the order they were found; what is said of each is sealed."""
    rows = await uow.execute(
        """select number, row_number as row, line, field, reason from import_error
           where tenant_id = :tenant and run_id = :run_id and number > :after order by number limit :limit""",
        tenant=tenant, run_id=run_id, after=after, limit=limit,
    )  # fmt: skip
    return rows.mappings().all()


async def drop_errors(uow: UnitOfWork, tenant: str, run_id: UUID) -> None:
    await uow.execute(
        "delete from import_error where tenant_id = :tenant and run_id = :run_id", tenant=tenant, run_id=run_id
    )


async def kept(uow: UnitOfWork, tenant: str, run_id: UUID, after: UUID | None, limit: int) -> Sequence[RowMapping]:
    """The leads of a reverted import that stay, by their ids, from behind one."""
    rows = await uow.execute(
        """select lead_id, kept_for from import_kept
           where tenant_id = :tenant and run_id = :run_id and (cast(:after as uuid) is null or lead_id > :after)
           order by lead_id limit :limit""",
        tenant=tenant, run_id=run_id, after=after, limit=limit,
    )  # fmt: skip
    return rows.mappings().all()


async def drop_file(uow: UnitOfWork, tenant: str, run_id: UUID) -> None:
    """Keep nothing of an import's file."""
    await uow.execute(
        "delete from import_chunk where tenant_id = :tenant and run_id = :run_id", tenant=tenant, run_id=run_id
    )


async def left_alone(uow: UnitOfWork, tenant: str, kept: timedelta, silent: timedelta) -> Sequence[RowMapping]:
    """Imports that nobody started, or went on with, for so long, though their files are here; and those whose rows were to
    come as commands and of which nothing is told any more. They are locked."""
    rows = await uow.execute(
        f"""select {RUN} from import_run
            where tenant_id = :tenant and (
                origin = 'upload' and state in ('uploading', 'ready', 'failed', 'cancelled') and noted_at < cast(:now as timestamptz) - cast(:kept as interval)
                    and (state in ('uploading', 'ready') or exists (
                        select from import_chunk where import_chunk.tenant_id = :tenant and import_chunk.run_id = import_run.run_id))
                or origin = 'commands' and state = 'running' and noted_at < cast(:now as timestamptz) - cast(:silent as interval))
            order by run_id limit 100 for update skip locked""",
        tenant=tenant, now=uow.now, kept=kept, silent=silent,
    )  # fmt: skip
    return rows.mappings().all()
