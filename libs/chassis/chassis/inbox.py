"""What was handled already: a message id is handled once, however often and in whatever order it is delivered."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis.received import Received, Wire
from chassis.unit_of_work import UnitOfWork

_ADMIT = """
    insert into inbox (message_id, digest)
    select * from unnest(cast(:ids as uuid[]), cast(:digests as bytea[]))
    on conflict do nothing
    returning message_id
"""
_DIGESTS = "select message_id, digest from inbox where message_id = any(cast(:ids as uuid[]))"


async def admit(uow: UnitOfWork, messages: Sequence[Received[Any]]) -> tuple[list[Received[Any]], list[Received[Any]]]:
    """Remember the messages as handled, in the unit of work that handles them.

    Returns:
        The messages that are new, and those that reuse the id of another message with another body. What is in
        neither was handled before.
    """
    first: dict[UUID, Received[Any]] = {}
    again = []
    for message in messages:
        if message.id in first:
            again.append(message)
        else:
            first[message.id] = message
    digests = {id_: message.wire.digest for id_, message in first.items()}
    rows = await uow.execute(_ADMIT, ids=list(digests), digests=list(digests.values()))
    new = {row.message_id for row in rows}
    known = [id_ for id_ in first if id_ not in new]
    if known:
        rows = await uow.execute(_DIGESTS, ids=known)
        digests.update({row.message_id: row.digest for row in rows})
        again += [first[id_] for id_ in known]
    reused = [message for message in again if message.wire.digest != digests[message.id]]
    return [message for id_, message in first.items() if id_ in new], reused


async def forget(uow: UnitOfWork, message_id: UUID, wire: Wire) -> None:
    """Let this message be handled again; another that was handled under its id stays handled."""
    await uow.execute(
        "delete from inbox where message_id = :id and digest = :digest", id=message_id, digest=wire.digest
    )


async def sweep(uow: UnitOfWork, days: int) -> int:
    """Forget what was handled longer ago than the stream keeps it and anyone publishes it again."""
    result = await uow.execute("delete from inbox where handled_at < now() - make_interval(days => :days)", days=days)
    return result.rowcount
