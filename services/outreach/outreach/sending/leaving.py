"""The last look before a message is handed over: all gates are asked again, and what passes is committed as leaving."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from chassis.unit_of_work import Row, UnitOfWork
from contracts.outreach.sending import Gate
from outreach import locks
from outreach.sending import store_enrollments, store_queue
from outreach.sending.claiming import LATER, LEASE
from outreach.sending.domain_gates import GATES_OF_THE_MESSAGE, ask, binding, earliest
from outreach.sending.facts import Accounts, facts_of, limits_of
from outreach.sending.going_on import skip

_REFERENCE_END = "@leadloop>"
_NOTHING: Final[Mapping[UUID, tuple[Any, ...]]] = MappingProxyType({})


async def begin(
    uow: UnitOfWork, messages: Mapping[UUID, tuple[str, UUID]], within: Mapping[UUID, tuple[Any, ...]] = _NOTHING
) -> dict[UUID, Row]:
    """Of messages that are claimed, with their tenants and tokens, those that may be handed over once this has committed.

    What stops a message waits until then (`locks`); the others are put off, or skipped.

    Parameters:
        within: the limits within which they were claimed (`facts.limits_of`). Of an account whose limits still are these, what has left
            is not counted again: it is no more than they allow.
    """
    await locks.messages_leave(uow, {tenant for tenant, _ in messages.values()})
    rows = await store_queue.claimed(uow, messages)
    changed = {row["account_id"] for id_, row in rows.items() if within.get(id_) != limits_of(row)}
    accounts = await Accounts.read(uow, rows.values(), uncounted={row["account_id"] for row in rows.values()} - changed)
    leaving, skipped = [], []
    kept: list[tuple[Row, datetime | None, str]] = []
    for row in rows.values():
        facts = facts_of(row, accounts)
        if facts.account and facts.account.day_of(row["spent_at"]) != facts.account.day_of(uow.now):
            # It was claimed on the account's day before, and would leave uncounted on this one.
            kept.append((row, uow.now, Gate.ACCOUNT_CAPACITY.value))
            continue
        closed = binding(ask(facts, uow.now), uow.now)
        if closed is None:
            leaving.append(row)
        elif closed.final:
            skipped.append((row, closed.gate.value))
        else:
            # What keeps its whole lane is seen there; the message itself is due.
            opens = earliest(facts, uow.now, GATES_OF_THE_MESSAGE)
            if opens is None and closed.gate is Gate.SIXTY_DAYS:
                opens = uow.now + LATER
            kept.append((row, opens, closed.gate.value))
    if leaving:
        begun = await store_queue.begin(uow, leaving, [reference(row["message_id"]) for row in leaving], LEASE)
        leaving = [row for row in leaving if row["message_id"] in begun]
        # The gap that was drawn when they were claimed is kept from now on.
        gaps = {
            row["account_id"]: (row, row["account_next_at"] - row["spent_at"])
            for row in leaving
            if row["account_next_at"]
        }
        next_at = {account: uow.now + gap for account, (_, gap) in gaps.items() if gap > timedelta()}
        if next_at:
            await store_queue.mind_gap(uow, {account: row["tenant_id"] for account, (row, _) in gaps.items()}, next_at)
    if kept:
        await put_back(uow, kept)
    if skipped:
        await skip(uow, skipped)
    return {row["message_id"]: row for row in leaving}


async def put_back(uow: UnitOfWork, kept: Sequence[tuple[Row, datetime | None, str]], *, tried: bool = False) -> None:
    """Have messages that were claimed, or surely not sent, wait in the queue again; those of sequences that have ended meanwhile are
    skipped."""
    over = await store_enrollments.ended(uow, [row for row, _, _ in kept])
    if gone := [(row, over[row["enrollment_id"]]) for row, _, _ in kept if row["enrollment_id"] in over]:
        await skip_sent_back(uow, gone)
        kept = [each for each in kept if each[0]["enrollment_id"] not in over]
    if not kept:
        return
    await store_queue.put_back(uow, kept, tried=tried)
    await store_queue.wake_for(uow, [(row, due) for row, due, _ in kept])


async def skip_sent_back(uow: UnitOfWork, gone: Sequence[tuple[Row, str]]) -> None:
    """Skip messages that surely were not sent, or of which somebody says so, though they had begun to leave."""
    await store_queue.put_off(uow, [(row, None, reason) for row, reason in gone])
    await skip(uow, [({**row, "token": None}, reason) for row, reason in gone])


async def give_back(
    uow: UnitOfWork, rows: Sequence[Row], token: UUID, pause: timedelta = timedelta(), reason: str = "given_back"
) -> None:
    """Have messages that were claimed, and that their worker does not hand over, wait in the queue again."""
    claimed = await store_queue.claimed(uow, {row["message_id"]: (row["tenant_id"], token) for row in rows})
    if claimed:
        await put_back(uow, [(row, uow.now + pause, reason) for row in claimed.values()])


async def skip_unwritten(uow: UnitOfWork, tenant: str, reasons: Mapping[UUID, str], token: UUID) -> None:
    """Skip messages that were claimed and cannot be written, for these reasons."""
    claimed = await store_queue.claimed(uow, dict.fromkeys(reasons, (tenant, token)))
    await skip(uow, [(row, reasons[message]) for message, row in claimed.items()])


def reference(message_id: UUID) -> str:
    """What a message is known by wherever it goes, as a Message-ID (RFC 5322, 3.6.4)."""
    return f"<{message_id}{_REFERENCE_END}"


def message_of(reference: str) -> UUID | None:
    """The message that is known by a reference, or by its bare id as in an address; none if it is none of ours."""
    try:
        return UUID(reference.removeprefix("<").removesuffix(_REFERENCE_END))
    except ValueError:
        return None
