"""What may leave is claimed: every gate is asked, and what one of them keeps is put off to when it may open."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.unit_of_work import Row, UnitOfWork
from contracts.outreach.campaigns import Variant
from contracts.outreach.sending import Gate
from outreach import locks
from outreach.accounts import domain_limits, store_circuit
from outreach.accounts.domain_guard import TOLERANCE
from outreach.sending import store_enrollments, store_queue
from outreach.sending.domain_gates import (
    GATES_OF_THE_LANE,
    GATES_OF_THE_MESSAGE,
    REST,
    Facts,
    ask,
    binding,
    earliest,
)
from outreach.sending.facts import Accounts, facts_of, step_of
from outreach.sending.going_on import skip
from outreach.sending.queueing import variant_of

LEASE = timedelta(minutes=4)
"""How long a claim holds, and how long after the hand-over began a result is waited for."""
LOOKED_AT = 25
"""Lanes looked at in one unit of work, at most."""
_LEAST_PER_LANE = 2
"""Messages looked at of each lane, at least: behind one that a gate keeps there may be one that can leave."""
LATER = timedelta(days=1)
"""When is looked again at a message of which a gate has no date."""
AGAIN = timedelta(seconds=5)
"""When is looked again at a message whose person somebody else took at the same moment."""
_ASKED_AGAIN = {Gate.SIXTY_DAYS}
"""Gates without a date that nobody tells of when they open: the daily refresh of who may be contacted (tasklist, 2)."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """Messages that a worker may hand over now, under its token, once each has been looked at again."""

    token: UUID
    messages: Sequence[Row] = ()
    looked_at: int = 0
    """How many lanes were looked at."""


@dataclass(slots=True)
class _Sorted:
    """What is to be done with the candidates."""

    claimed: list[Row] = field(default_factory=list)
    kept: list[tuple[Row, datetime | None, str]] = field(default_factory=list)
    skipped: list[tuple[Row, str]] = field(default_factory=list)
    wanting: list[Row] = field(default_factory=list)
    """Those claimed whose sequences do not hold their persons yet."""
    probes: list[tuple[UUID, tuple[str, str]]] = field(default_factory=list)
    """Those claimed that are to show whether a (tenant, provider) works again."""


async def claim(
    uow: UnitOfWork, tenants: Sequence[str], most: int, chance: Random, token: UUID | None = None
) -> Claimed:
    """Claim messages of these tenants, of every account as many as may leave it now, under a token that nobody had before."""
    token = token or uuid7()
    concerned = await store_queue.tenants_with_ready_lanes(uow, tenants, LOOKED_AT)
    if not concerned:
        return Claimed(token)
    await uow.act_for(concerned)
    await locks.accounts_are_chosen(uow, concerned)  # what is skipped may queue the next message, when lanes are locked
    lanes = await store_queue.ready_lanes(uow, concerned, LOOKED_AT)
    if not lanes:
        return Claimed(token)
    accounts = await Accounts.read(uow, lanes)
    per_lane = max(_LEAST_PER_LANE, most // len(lanes))
    rows = await store_queue.candidates(uow, [(lane, per_lane) for lane in lanes])
    of_lane: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        of_lane.setdefault(store_queue.lane_of(row), []).append(row)
    done = _Sorted()
    rests: list[tuple[Row, datetime | None]] = []
    next_at: dict[UUID, datetime] = {}
    for lane in lanes:
        floor = _sort(uow, of_lane.get(store_queue.lane_of(lane), []), accounts, done, most, chance, next_at)
        rests.append((lane, floor))
    await _reserve(uow, done)
    if done.claimed:
        await store_queue.claim(uow, done.claimed, token, LEASE)
        claimed = {row["message_id"] for row in done.claimed}
        if probes := [provider for message_id, provider in done.probes if message_id in claimed]:
            await store_circuit.probe(uow, probes, TOLERANCE.patience)
    if done.kept:
        await store_queue.put_off(uow, done.kept)
    if done.skipped:
        await skip(uow, done.skipped)
    tenant_of = {lane["account_id"]: lane["tenant_id"] for lane in lanes}
    if next_at:
        await store_queue.mind_gap(uow, tenant_of, next_at)
    await store_queue.rest_lanes(uow, rests)
    return Claimed(token, await _written(uow, done.claimed), len(lanes))


def _sort(
    uow: UnitOfWork,
    rows: Sequence[Row],
    accounts: Accounts,
    done: _Sorted,
    most: int,
    chance: Random,
    next_at: dict[UUID, datetime],
) -> datetime | None:
    """Sort a lane's candidates; returns before when the lane need not be looked at again, if nothing is due earlier, none if it
    is to rest until it is woken."""
    for row in rows:
        facts = facts_of(row, accounts)
        own = binding(ask(facts, uow.now, GATES_OF_THE_MESSAGE), uow.now)
        if own is not None:
            if own.final:
                done.skipped.append((row, own.gate.value))
            else:
                opens = earliest(facts, uow.now, GATES_OF_THE_MESSAGE)
                if opens is None and own.gate in _ASKED_AGAIN:
                    opens = uow.now + LATER
                done.kept.append((row, opens, own.gate.value))
            continue
        shared = binding(ask(facts, uow.now, GATES_OF_THE_LANE), uow.now)
        if shared is not None:
            return shared.opens_at
        if len(done.claimed) >= most:
            return uow.now
        done.claimed.append(row)
        if not row["holds"]:
            done.wanting.append(row)
        if facts.account and facts.account.breaker:
            done.probes.append((row["message_id"], accounts.probe(facts.account.account_id)))
        _leave(uow, facts, accounts, chance, next_at)
    return uow.now


def _leave(uow: UnitOfWork, facts: Facts, accounts: Accounts, chance: Random, next_at: dict[UUID, datetime]) -> None:
    """Count a message as having left its account, and draw the gap behind it."""
    account, spent = facts.account, facts.spent
    assert account and spent
    spent.add(facts.kind, facts.campaign.campaign_id)
    settings = account.settings
    if gap := domain_limits.gap(chance, settings.least_gap_minutes, settings.most_gap_minutes):
        next_at[account.account_id] = uow.now + gap
        accounts.waits_until(account.account_id, uow.now + gap)


async def _reserve(uow: UnitOfWork, done: _Sorted) -> None:
    """Have the sequences of what is claimed hold their persons; what cannot is not claimed."""
    if not done.wanting:
        return
    wanted = [(row["tenant_id"], row["enrollment_id"], row["names"]) for row in done.wanting]
    held = await store_queue.take_holds(uow, wanted, REST)
    refused = [row for row in done.wanting if row["enrollment_id"] not in held]
    if not refused:
        return
    over = await store_enrollments.ended(uow, refused)
    done.skipped += [(row, over[row["enrollment_id"]]) for row in refused if row["enrollment_id"] in over]
    late = {row["message_id"] for row in refused}
    # Somebody else has them since a moment ago: what that means for it is seen when it is looked at next.
    again = uow.now + AGAIN
    done.kept += [
        (row, again, Gate.SIXTY_DAYS.value)
        for row in done.claimed
        if row["message_id"] in late and row["enrollment_id"] not in over
    ]
    done.claimed = [row for row in done.claimed if row["message_id"] not in late]


async def _written(uow: UnitOfWork, rows: Sequence[Row]) -> list[Row]:
    """Messages with the variants that they are written by: what was to be by one that was stopped since is by another of the step."""
    others: dict[UUID, Variant] = {}
    for row in rows:
        given = step.variants if row["variant"] and (step := step_of(row)) else ()
        if any(
            not each.weight and (each.template_id, each.version) == (row["variant"], row["variant_version"])
            for each in given
        ):
            other = variant_of(given, row["step"], row["enrollment_id"])
            assert other
            others[row["message_id"]] = other
    if not others:
        return list(rows)
    anew = [row for row in rows if row["message_id"] in others]
    await store_queue.write_by(
        uow, [(row, (other := others[row["message_id"]]).template_id, other.version) for row in anew]
    )
    return [
        {**row, "variant": other.template_id, "variant_version": other.version} if (other := others.get(row["message_id"])) else row
        for row in rows
    ]  # fmt: skip
