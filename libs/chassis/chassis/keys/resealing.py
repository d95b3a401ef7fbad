"""Sealing anew, after a rotation, what lies sealed under older keys of a tenant; then the older keys are dropped.

What is sealed begins with the id of its key. So the rows themselves tell what is left to do: the work can be interrupted
anywhere, begun again, and done twice. A key is dropped only when nothing is left and every replica must have heard of the
newest one: none can be sealing with the old one still.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from string import Formatter
from typing import Any, Protocol

from tink import TinkError

from chassis.failures import TenantKeyError
from chassis.jobs import Counts, report
from chassis.keys import tenant_keys
from chassis.keys.tenant_keys import TenantKey, TenantKeys
from chassis.logs import get_logger
from chassis.unit_of_work import Database, UnitOfWork

log = get_logger("keys")

_BATCH = 500
_ROTATED = "select tenant_id from tenant_key where split_part(purpose, '/', 1) = 'seal' group by 1 having count(*) > 1"
_SEALING_KEYS = """
    select purpose, extract(epoch from clock_timestamp() - created_at)::float as age from tenant_key
    where tenant_id = :tenant and split_part(purpose, '/', 1) = 'seal'
    order by cast(coalesce(nullif(split_part(purpose, '/', 2), ''), '1') as integer) desc
"""


@dataclass(frozen=True, slots=True)
class Resealed:
    """What was done with some rows: how many were sealed anew, and how many nothing opens; `last` is where to go on."""

    done: int
    unopened: int
    last: Any


class Sealed(Protocol):
    """Something of a service's that is sealed under the tenants' keys."""

    async def left(self, uow: UnitOfWork, key: TenantKey) -> int:
        """How many rows are sealed with an older key of the tenant's than `key` seals with."""

    async def reseal(self, uow: UnitOfWork, key: TenantKey, after: Any, limit: int) -> Resealed | None:
        """Seal the next of them anew, after the row `after`, or from the first; none when there are no more."""


class ResealedColumn:
    """A column whose values are sealed under the tenants' keys.

    Parameters:
        table: its primary key begins with tenant_id.
        column: of type bytea, with null where nothing is sealed.
        key: the other columns of the primary key, with their types.
        context: in which `TenantKey.seal` sealed a row's value; columns of the row stand in braces.
        read, write: where the column holds more than that: SQL that takes the sealed bytes out of it, and that gives the
            column's new value, made of `given.sealed`.
    """

    def __init__(
        self,
        table: str,
        column: str,
        *,
        key: Mapping[str, str],
        context: str,
        read: str = "",
        write: str = "given.sealed",
    ) -> None:
        read = read or column
        self.table, self.column = table, column
        self._key = tuple(key)
        self._context = context
        fields = {name for _, name, _, _ in Formatter().parse(context) if name}
        names = ", ".join(key)
        ours = f"tenant_id = :tenant and substr({read}, 1, 5) <> :sealed_with"
        self._count = f"select count(*) from {table} where {ours}"
        self._first, self._next = (
            f"""select {", ".join(sorted({*key, *fields}))}, {read} as sealed from {table}
                where {ours}{beyond} order by {names} limit :limit for update"""
            for beyond in ("", f" and ({names}) > ({', '.join(f'cast(:{n} as {type_})' for n, type_ in key.items())})")
        )
        arrays = ", ".join(f"cast(:{name} as {type_}[])" for name, type_ in key.items())
        self._keep = f"""
            update {table} set {column} = {write}
            from unnest({arrays}, cast(:sealed as bytea[])) as given ({names}, sealed)
            where {table}.tenant_id = :tenant and {" and ".join(f"{table}.{name} = given.{name}" for name in key)}"""

    async def left(self, uow: UnitOfWork, key: TenantKey) -> int:
        counted = await uow.execute(self._count, tenant=key.tenant, sealed_with=key.sealed_with)
        return int(counted.scalar_one())

    async def reseal(self, uow: UnitOfWork, key: TenantKey, after: Any, limit: int) -> Resealed | None:
        found = await uow.execute(
            self._next if after else self._first,
            tenant=key.tenant, sealed_with=key.sealed_with, limit=limit, **(after or {}),
        )  # fmt: skip
        rows = found.mappings().all()
        if not rows:
            return None
        sealed = [sealed_anew(key, row["sealed"], self._context.format_map(dict(row))) for row in rows]
        kept = [(row, anew) for row, anew in zip(rows, sealed, strict=True) if anew]
        await uow.execute(
            self._keep, tenant=key.tenant, sealed=[anew for _, anew in kept],
            **{name: [row[name] for row, _ in kept] for name in self._key},
        )  # fmt: skip
        return Resealed(len(kept), len(rows) - len(kept), {name: rows[-1][name] for name in self._key})


def sealed_anew(key: TenantKey, sealed: bytes, context: str) -> bytes | None:
    """The same, sealed with the tenant's newest key; none where none of these keys opens it."""
    if not key.knows(sealed):
        return None
    try:
        return key.seal(key.open(sealed, context), context)
    except TinkError:
        return None


class Resealing:
    """The job that seals anew what a service holds.

    Parameters:
        sealed: all that is; from where rows move on to another place, that one first.
    """

    def __init__(
        self,
        database: Database,
        keys: TenantKeys,
        sealed: Sequence[Sealed],
    ) -> None:
        self._database = database
        self._keys = keys
        self._sealed = sealed

    async def run(self, _: datetime) -> Counts:
        """Seal anew, for every tenant whose keys were rotated, and drop the keys that nothing needs any more."""
        async with self._database.begin() as uow:
            tenants = (await uow.execute(_ROTATED)).scalars().all()
        counts = {"resealed": 0, "left": 0, "unopened": 0, "keys_dropped": 0}
        keys: dict[str, TenantKey] = {}
        for tenant in tenants:
            try:
                async with self._database.begin(tenant) as uow:
                    keys[tenant] = await self._keys.of(uow, tenant, fresh=True)
                    counts["left"] += await self._left(uow, keys[tenant])
            except TenantKeyError:  # it was logged; other tenants' rows are no worse for it
                continue
        for key in keys.values():
            await self._reseal(key, counts)
            counts["keys_dropped"] += await self._drop(key.tenant)
        if counts["unopened"]:
            log.warning("some of what is sealed opens with no key of its tenant; the older keys are kept",
                        count=counts["unopened"])  # fmt: skip
        return counts

    async def _reseal(self, key: TenantKey, counts: Counts) -> None:
        for sealed in self._sealed:
            after: Any = None
            while True:
                async with self._database.begin(key.tenant) as uow:
                    done = await sealed.reseal(uow, key, after, _BATCH)
                if done is None:
                    break
                after = done.last
                counts["resealed"] += done.done
                counts["unopened"] += done.unopened
                counts["left"] = max(0, counts["left"] - done.done)
                await report(counts)

    async def _left(self, uow: UnitOfWork, key: TenantKey) -> int:
        return sum([await sealed.left(uow, key) for sealed in self._sealed])

    async def _drop(self, tenant: str) -> int:
        """Drop the older keys, if nothing is sealed with one and nobody can be sealing with one; returns how many."""
        async with self._database.begin(tenant) as uow:
            newest, *older = (await uow.execute(_SEALING_KEYS, tenant=tenant)).all()
            if not older or newest.age < tenant_keys.HEARD_OF_SECONDS:
                return 0
            # Looked up after the newest one above: after a rotation in between, all would count as left.
            if await self._left(uow, await self._keys.of(uow, tenant, fresh=True)):
                return 0
            await uow.execute(
                "delete from tenant_key where tenant_id = :tenant and purpose = any(cast(:older as text[]))",
                tenant=tenant, older=[row.purpose for row in older],
            )  # fmt: skip
        self._keys.forget(tenant)
        return len(older)
