"""What was handled already: a message id is handled once, however often and in whatever order it is delivered."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from chassis.received import Received, Wire
from chassis.unit_of_work import UnitOfWork

_ADMIT = """
    insert into inbox (tenant, message_id, digest)
    select * from unnest(cast(:tenants as text[]), cast(:ids as uuid[]), cast(:digests as bytea[]))
    on conflict do nothing
    returning tenant, message_id
"""
_DIGESTS = """
    select tenant, message_id, digest from inbox
    where (tenant, message_id) in (select * from unnest(cast(:tenants as text[]), cast(:ids as uuid[])))
"""
Key = tuple[str, UUID]
"""A message's identity: its sender chose the id, and one tenant must not be able to use up another's."""


async def admit(uow: UnitOfWork, messages: Sequence[Received[Any]]) -> tuple[list[Received[Any]], list[Received[Any]]]:
    """Remember the messages as handled, in the unit of work that handles them.

    Returns:
        The messages that are new, and those that reuse the id of another message with another body. What is in
        neither was handled before.
    """
    first: dict[Key, Received[Any]] = {}
    again = []
    for message in messages:
        if _key(message) in first:
            again.append(message)
        else:
            first[_key(message)] = message
    digests = {key: message.wire.digest for key, message in first.items()}
    rows = await uow.execute(_ADMIT, **_columns(digests), digests=list(digests.values()))
    new = {(row.tenant, row.message_id) for row in rows}
    known = [key for key in first if key not in new]
    if known:
        rows = await uow.execute(_DIGESTS, **_columns(known))
        digests.update({(row.tenant, row.message_id): row.digest for row in rows})
        again += [first[key] for key in known]
    reused = [message for message in again if message.wire.digest != digests[_key(message)]]
    return [message for key, message in first.items() if key in new], reused


async def forget(uow: UnitOfWork, message_id: UUID, wire: Wire) -> None:
    """Let this message be handled again; another that was handled under its id stays handled."""
    await uow.execute(
        "delete from inbox where tenant = :tenant and message_id = :id and digest = :digest",
        tenant=wire.tenant, id=message_id, digest=wire.digest,
    )  # fmt: skip


async def drop(uow: UnitOfWork, tenant: str, ids: Sequence[UUID]) -> None:
    """Keep nothing of these messages, not even a digest of their bodies; their handler must know them if they come again."""
    await uow.execute(
        "delete from inbox where tenant = :tenant and message_id = any(cast(:ids as uuid[]))",
        tenant=tenant, ids=list(ids),
    )  # fmt: skip


async def sweep(uow: UnitOfWork, days: int) -> int:
    """Forget what was handled longer ago than the stream keeps it and anyone publishes it again."""
    result = await uow.execute("delete from inbox where handled_at < now() - make_interval(days => :days)", days=days)
    return result.rowcount


def _key(message: Received[Any]) -> Key:
    return message.tenant, message.id


def _columns(keys: Iterable[Key]) -> dict[str, list[Any]]:
    pairs = list(keys)
    return {"tenants": [tenant for tenant, _ in pairs], "ids": [id_ for _, id_ in pairs]}
