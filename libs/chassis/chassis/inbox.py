"""What was handled already: a message id is handled once, however often and in whatever order it is delivered."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final
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
REUSED: Final = "the id was used before by a message with another body"
Admit = Callable[[UnitOfWork, Sequence[Received[Any]]], Awaitable[tuple[list[Received[Any]], list[Received[Any]]]]]
"""Tells of a batch which messages are to be handled, and which reuse the id of another message."""


async def admit(uow: UnitOfWork, messages: Sequence[Received[Any]]) -> tuple[list[Received[Any]], list[Received[Any]]]:
    """Remember the messages as handled, in the unit of work that handles them.

    Returns:
        The messages that are new, and those that reuse the id of another message with another body. What is in
        neither was handled before.
    """
    keys = [(message.tenant, message.id) for message in messages]
    first: dict[Key, Received[Any]] = {}
    for key, message in zip(keys, messages, strict=True):
        first.setdefault(key, message)
    digests = {key: message.wire.digest for key, message in first.items()}
    new = await newly(uow, _ADMIT, **_columns(digests), digests=list(digests.values()))
    if new is None and len(first) == len(messages):
        return list(messages), []
    new = set(first) if new is None else new
    again = [message for key, message in zip(keys, messages, strict=True) if first[key] is not message]
    known = [key for key in first if key not in new]
    if known:
        rows = await uow.execute(_DIGESTS, **_columns(known))
        digests.update({(row.tenant, row.message_id): row.digest for row in rows})
        again += [first[key] for key in known]
    reused = [message for message in again if message.wire.digest != digests[message.tenant, message.id]]
    return [message for key, message in first.items() if key in new], reused


async def newly(uow: UnitOfWork, insert: str, *others: str, ids: Sequence[UUID], **columns: Any) -> set[Key] | None:
    """Insert what is not there: the rows of `ids`, by a statement that returns the tenants and ids of those it inserts.

    Parameters:
        others: what it reads, or is written in the same turn; each ``name as (statement)``.

    Returns:
        Those; none where it inserted every one, as it does as a rule: to name them takes longer than to write them.
    """
    told = f"""
        with {", ".join((*others, f"put (tenant, id) as ({insert})"))}
        select case when count(*) < :given then coalesce(array_agg(tenant), '{{}}') end as tenants,
               case when count(*) < :given then coalesce(array_agg(id), '{{}}') end as ids
        from put"""
    put = (await uow.execute(told, ids=ids, given=len(ids), **columns)).one()
    return None if put.tenants is None else set(zip(put.tenants, put.ids, strict=True))


async def every_one(
    _: UnitOfWork, messages: Sequence[Received[Any]]
) -> tuple[list[Received[Any]], list[Received[Any]]]:
    """Admits all: for a service whose handlers keep each message under its id, so that they see themselves what they had before."""
    return list(messages), []


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


def _columns(keys: Iterable[Key]) -> dict[str, list[Any]]:
    pairs = list(keys)
    return {"tenants": [tenant for tenant, _ in pairs], "ids": [id_ for _, id_ in pairs]}
