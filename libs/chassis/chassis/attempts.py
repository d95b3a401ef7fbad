"""Which messages were begun and not survived: what takes a process down must be found without help from that process.

Everything here is noted in a transaction of its own, so that it outlives what the attempt may do to the process.
"""

from collections.abc import Sequence
from uuid import UUID

from chassis.unit_of_work import Database, UnitOfWork

_BEGIN = """
    insert into attempt (message_id, count) select distinct id, 1 from unnest(cast(:ids as uuid[])) as begun (id) order by id
    on conflict (message_id) do update
        set count = attempt.count + cast(attempt.message_id <> all (cast(:counted as uuid[])) as integer)
    returning count
"""
_NOT_SURVIVED = """
    select exists (
        select from attempt
        where message_id = any(cast(:ids as uuid[])) and message_id <> all (cast(:counted as uuid[]))
    )
"""
_FORGET = "delete from attempt where message_id = any(cast(:ids as uuid[]))"


class Attempts:
    """A process' account of its attempts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counted: set[UUID] = set()

    async def any_not_survived(self, ids: Sequence[UUID]) -> bool:
        """Whether a process began any of these messages and was not there afterwards to say that it survived."""
        async with self._database.begin() as uow:
            found = await uow.execute(_NOT_SURVIVED, ids=list(ids), counted=list(self._counted))
            return bool(found.scalar_one())

    async def begin(self, ids: Sequence[UUID]) -> int:
        """Note that messages are begun; returns how often one of them was, at most, and was not survived, now included.

        One process notes a message once: it may have survived an attempt when the database that should have noted
        that had not.
        """
        if not ids:
            return 0
        async with self._database.begin() as uow:
            counts = await uow.execute(_BEGIN, ids=list(ids), counted=list(self._counted))
            self._counted.update(ids)
            return max(int(count) for count in counts.scalars())

    async def survived(self, ids: Sequence[UUID]) -> None:
        """Whatever came of the attempt, an error that passes included, the process is still there."""
        if not ids:
            return
        async with self._database.begin() as uow:
            await uow.execute(_FORGET, ids=list(ids))
        self._counted.difference_update(ids)


async def forget(uow: UnitOfWork, message_id: UUID) -> None:
    """Forget a message's attempts together with what becomes of it in this unit of work."""
    await uow.execute(_FORGET, ids=[message_id])
