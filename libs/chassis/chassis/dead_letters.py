"""Messages that can never be handled: they lie sealed with their service until somebody looks into it.

What is told outside is an id, a type, a reason and a count; the content is opened only to handle it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis import paging
from chassis.ids import MessageIds
from chassis.keys import KeyService
from chassis.received import Wire
from chassis.unit_of_work import UnitOfWork
from contracts.catalogue import by_type
from contracts.message import PLATFORM
from contracts.operations import DeadLetterList, DeadLetterView, MessageDeadLettered

_KEEP = """
    insert into dead_letter (message_id, message_type, tenant, reason, size, digest, sealed, received_at)
    values (:id, :type, :tenant, :reason, :size, :digest, :sealed, :received)
    on conflict (message_id, digest) where redriven_at is null do nothing
    returning exists (select from tenant where tenant_id = :tenant) as tenant_known
"""
_OPEN = """
    select dead_letter_id, message_id, received_at, sealed from dead_letter
    where redriven_at is null and (cardinality(cast(:ids as bigint[])) = 0 or dead_letter_id = any(:ids))
        and (cast(:only as text) is null or tenant = :only)
    order by dead_letter_id limit 1000 for update skip locked
"""
_LISTED = """
    select dead_letter_id, tenant, message_id, message_type, reason, size, buried_at, redriven_at from dead_letter
    where (cast(:only as text) is null or tenant = :only)
        and (cast(:before as bigint) is null or dead_letter_id < :before)
    order by dead_letter_id desc limit :limit
"""
_COUNTED = """
    select reason, count(*) as n from dead_letter
    where redriven_at is null and (cast(:only as text) is null or tenant = :only)
    group by reason order by n desc, reason
"""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter, opened."""

    dead_letter_id: int
    message_id: UUID
    wire: Wire


class DeadLetters:
    """A service's dead letters, sealed by the key service itself: a poison message may name no tenant."""

    def __init__(self, keys: KeyService, ids: MessageIds) -> None:
        self._keys = keys
        self._ids = ids

    async def bury(self, uow: UnitOfWork, wire: Wire, reason: str) -> bool:
        """Keep a message that cannot be handled, and publish that it is here; false when it already lies here."""
        message_id = await self._ids.of(uow, wire)
        content = wire.packed()
        kept = await uow.execute(
            _KEEP,
            id=message_id, type=wire.type, tenant=wire.tenant, reason=reason, size=len(wire.body),
            digest=blake2b(content, digest_size=16).digest(), sealed=await self._keys.wrap(content, b"dead letter"),
            received=wire.received,
        )  # fmt: skip
        letter = kept.first()
        if letter is None:
            return False
        entry = by_type().get(wire.type)
        if entry is None or entry.message is not MessageDeadLettered:  # or a reader that fails on these would be told
            event = MessageDeadLettered(message_id=message_id, message_type=wire.type, reason=reason)
            uow.publish(wire.tenant if letter.tenant_known else PLATFORM, event)
        return True

    async def open(self, uow: UnitOfWork, ids: Sequence[int], tenant: str) -> list[DeadLetter]:
        """The given dead letters of a tenant's, or every one, not yet redriven, oldest first; locked until the unit of work ends."""
        rows = await uow.execute(_OPEN, ids=list(ids), only=_only(tenant))
        opened = []
        for row in rows.all():
            content = await self._keys.unwrap(row.sealed, b"dead letter")
            opened.append(DeadLetter(row.dead_letter_id, row.message_id, Wire.unpacked(content, row.received_at)))
        return opened


async def mark_redriven(uow: UnitOfWork, dead_letter_id: int) -> None:
    await uow.execute("update dead_letter set redriven_at = now() where dead_letter_id = :id", id=dead_letter_id)


async def sweep(uow: UnitOfWork, days: int) -> int:
    """Delete those buried longer ago than that, handled again or not; returns how many."""
    swept = await uow.execute(
        "delete from dead_letter where buried_at < now() - make_interval(days => :days)", days=days
    )
    return swept.rowcount


async def open_count(connection: AsyncConnection) -> int:
    """How many have not been redriven."""
    counted = await connection.execute(text("select count(*) from dead_letter where redriven_at is null"))
    return int(counted.scalar_one())


async def listing(uow: UnitOfWork, tenant: str, before: int | None, limit: int) -> DeadLetterList:
    """A tenant's dead letters, newest first, from before one of them, and how many are open per reason."""
    rows = await uow.execute(_LISTED, only=_only(tenant), before=before, limit=limit + 1)
    letters = [DeadLetterView.model_validate(dict(row)) for row in rows.mappings()]
    counts = await uow.execute(_COUNTED, only=_only(tenant))
    page, cursor = paging.cut(letters, limit, lambda letter: letter.dead_letter_id)
    return DeadLetterList(dead_letters=list(page), counts={row.reason: row.n for row in counts}, next_cursor=cursor)


def _only(tenant: str) -> str | None:
    """Whose alone: the installation's own name stands for everybody."""
    return None if tenant == PLATFORM else tenant
