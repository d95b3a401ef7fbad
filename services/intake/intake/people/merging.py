"""Leads of one person are merged, by the tenant's policy or by hand, and parted again.

A lead's own values are never touched: merging writes what a lead is merged into, what the lead that stands says for the
others, and the versions by which everybody who keeps a copy follows.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.received import Received
from chassis.unit_of_work import Row, UnitOfWork
from contracts.gateway import TenantSettings
from contracts.intake import people as messages
from contracts.intake.leads import LeadUpdated
from contracts.message import Envelope, Event, ProblemCode, ProblemError
from contracts.taxonomy import MergePolicy
from intake import locks
from intake.distribution import succession
from intake.distribution.arriving import route
from intake.leads import store as leads
from intake.leads.domain_combined import Combined, effective
from intake.leads.problems import no_such_lead
from intake.leads.shown import snapshot
from intake.people import store_merges as store
from intake.people import store_review
from intake.people.domain_merge import (
    Group,
    changed_by,
    combine,
    in_precedence,
    part,
    to_merge,
)
from intake.routing.placing import Arrival
from intake.routing.published import published

MOST = 50
"""With more leads than that, what a person is known by is a number that many share, and nothing is merged by itself."""
Rows = Mapping[UUID, Row]
Told = tuple[Event, Envelope | None]
"""An event and what led to it."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What followed when leads were written.

    Attributes:
        told: what is to be told after the leads themselves, in this order.
        changed: the leads that are merged or say something else for others now, as they are then.
    """

    told: Sequence[Told] = ()
    changed: Rows = field(default_factory=dict)


async def follow(
    uow: UnitOfWork, tenant: str, settings: TenantSettings, written: Mapping[UUID, dict[str, Any]],
    causes: Mapping[UUID, Envelope],
) -> Followed:  # fmt: skip
    """Merge what the tenant's policy says is to be merged after leads were written, and renew what leads say for others.

    Args:
        written: the leads as they were written, which are not yet told of; what they are merged into and what they say
            for others is put in, so that what is told of them is true from the start.
        causes: what each was written for.

    Returns:
        What is to be told after the leads themselves, and the leads that changed by it.

    Raises:
        LostRaceError: another unit of work merged one of the leads at the same moment; try again.
    """
    policy, allowed = settings.merge, settings.metadata_allowed
    concerned = {
        row["merged_into"] or lead_id for lead_id, row in written.items() if row["merged_into"] or row["combined"]
    }
    persons = set() if policy is MergePolicy.KEEP_BOTH else {row["person_id"] for row in written.values()}
    if persons:
        persons = await store.with_few_leads(uow, tenant, persons, MOST)
    if not concerned and not persons:
        return Followed()
    rows = await store.groups(uow, tenant, concerned, persons)
    if not rows:
        return Followed()
    into = {lead_id: row["merged_into"] or lead_id for lead_id, row in rows.items()}
    groups = _groups(rows, into)
    apart = await store.kept_apart(uow, tenant, rows) if persons and len(groups) > 1 else {}
    merges = to_merge(groups, apart, policy) if persons else []
    await store.merge(uow, tenant, merges, f"policy:{policy}")
    renewed = _combined(rows, into, policy)
    moved = dict(merges)
    into = {lead_id: moved.get(standing_for, standing_for) for lead_id, standing_for in into.items()}
    after = _combined(rows, into, policy)
    gained: dict[UUID, list[UUID]] = {}
    for merged, survivor in merges:
        gained.setdefault(survivor, []).append(merged)
    cause_of = {into[lead_id]: causes[lead_id] for lead_id in written if lead_id in into}
    changes: list[Row] = []
    told: list[Told] = []
    for lead_id, row in rows.items():
        state = _state(row, into[lead_id], after[lead_id], uow.now)
        if lead_id in written:
            written[lead_id]["merged_into"] = state["merged_into"]
            written[lead_id]["combined"] = None if state["merged_into"] else renewed[lead_id]
        if lead_id in gained:
            state["version"] += 1
            told.append((_merged(state, allowed, gained[lead_id], f"policy:{policy}"), cause_of.get(lead_id)))
        elif not _differs(state, row):
            continue
        elif lead_id not in written:
            state["version"] += 1
            if state["merged_into"]:
                # Told before the lead that now stands for it, or somebody might be contacted by way of both.
                uow.publish(tenant, _updated(state, allowed, ["merged_into"]), cause_of.get(into[lead_id]))
            else:
                told.append((_updated(state, allowed, _renewed(row, state)), cause_of.get(lead_id)))
        changes.append(state)
    await store.keep_state(uow, tenant, changes)
    if merges:
        await succession.merge(uow, tenant, dict(merges))
    return Followed(told, {row["lead_id"]: row for row in changes})


async def merge(uow: UnitOfWork, request: Received[messages.MergeLeads], settings: TenantSettings) -> Row:
    """Merge two leads because somebody says so; returns the survivor.

    Raises:
        ProblemError: there is no such lead, or the one to be merged is merged into a third.
    """
    tenant, ask = request.tenant, request.body
    policy, allowed = settings.merge, settings.metadata_allowed
    await locks.merges(uow, tenant)
    await locks.published_routing(uow, tenant)
    rows = await store.groups(uow, tenant, [ask.survivor_id, ask.merged_id])
    for name in ("survivor_id", "merged_id"):
        if getattr(ask, name) not in rows:
            raise no_such_lead(name)
        if rows[getattr(ask, name)]["erased_at"]:
            raise ProblemError(ProblemCode.CONFLICT, "the lead's person was erased: nothing is left to merge", name)
    into = {lead_id: row["merged_into"] or lead_id for lead_id, row in rows.items()}
    survivor = into[ask.survivor_id]
    if into[ask.merged_id] == survivor:
        return rows[survivor]
    if into[ask.merged_id] != ask.merged_id:
        text = "the lead is merged into another one: merge that one, or unmerge this lead first"
        raise ProblemError(ProblemCode.CONFLICT, text, "merged_id")
    await store.merge(uow, tenant, [(ask.merged_id, survivor)], ask.actor)
    await store.allow_together(uow, tenant, rows)
    into = dict.fromkeys(rows, survivor)
    states = _next(rows, into, policy, uow.now)
    for lead_id, state in states.items():
        if lead_id != survivor:
            uow.publish(tenant, _updated(state, allowed, ["merged_into"]), request.envelope)
    uow.publish(tenant, _merged(states[survivor], allowed, [ask.merged_id], ask.actor), request.envelope)
    await store.keep_state(uow, tenant, list(states.values()))
    await succession.merge(uow, tenant, {ask.merged_id: survivor})
    await _route(uow, tenant, list(states.values()), request.envelope)
    return states[survivor]


async def unmerge(
    uow: UnitOfWork, request: Received[messages.UnmergeLead], settings: TenantSettings
) -> tuple[Row, Row]:
    """Part a lead from the one it is merged into; returns both as they are then.

    Raises:
        ProblemError: there is no such lead, or it never was merged.
    """
    tenant, lead_id, actor = request.tenant, request.body.lead_id, request.body.actor
    policy, allowed = settings.merge, settings.metadata_allowed
    await locks.merges(uow, tenant)
    await locks.published_routing(uow, tenant)
    rows = await store.groups(uow, tenant, [lead_id])
    if lead_id not in rows:
        raise no_such_lead("lead_id")
    survivor = rows[lead_id]["merged_into"]
    if survivor is None:
        last = await store.last_survivor(uow, tenant, lead_id)
        other = await leads.lead(uow, tenant, last) if last else None
        if other and other["merged_into"]:
            other = await leads.lead(uow, tenant, other["merged_into"])
        if other is None:
            raise ProblemError(ProblemCode.CONFLICT, "the lead is not merged into another one", "lead_id")
        return rows[lead_id], other
    merges = await store.survivors(uow, tenant, rows)
    await store.undo(uow, tenant, [lead_id], actor)
    parted = part(lead_id, merges)
    await store.keep_apart(uow, tenant, lead_id, rows.keys() - parted, actor)
    await store_review.compare_again(uow, tenant, parted)
    into = {each: lead_id if each in parted else survivor for each in rows}
    states = _next(rows, into, policy, uow.now)
    event = messages.LeadUnmerged(survivor_id=survivor, unmerged_by=actor, **snapshot(states[lead_id], allowed))
    uow.publish(tenant, event, request.envelope)
    for each, state in states.items():
        if each == survivor:
            uow.publish(
                tenant, _updated(state, allowed, ["merged_leads", *_renewed(rows[each], state)]), request.envelope
            )
        elif each != lead_id:
            uow.publish(tenant, _updated(state, allowed, ["merged_into"]), request.envelope)
    await store.keep_state(uow, tenant, list(states.values()))
    await succession.part(uow, tenant, lead_id, survivor, alone=states[survivor]["combined"] is None)
    await _route(uow, tenant, list(states.values()), request.envelope)
    return states[lead_id], states[survivor]


async def end_for_good(uow: UnitOfWork, tenant: str, erased: Collection[UUID], by: str) -> None:
    """End the merges of leads that are being erased, each with all that are merged with it, and compare their names no more.

    To be called under `locks.merges`, before the leads are emptied and told as erased.
    """
    store_review.drop_blocks(uow, tenant, erased)
    await store.undo(uow, tenant, await store.survivors(uow, tenant, erased), by)


async def _route(uow: UnitOfWork, tenant: str, states: Iterable[Row], cause: Envelope | None) -> None:
    """Route the leads that stand by what they say now."""
    standing = [state for state in states if not state["merged_into"]]
    if standing:
        arrivals = [Arrival(s["lead_id"], effective(s), uow.now, cause, changed=True) for s in standing]
        await route(uow, tenant, await published(uow, tenant), arrivals)


def _next(rows: Rows, into: Mapping[UUID, UUID], policy: MergePolicy, now: datetime) -> dict[UUID, dict[str, Any]]:
    """The next version of each lead that changes when leads are merged so."""
    states = {}
    for lead_id, combined in _combined(rows, into, policy).items():
        state = _state(rows[lead_id], into[lead_id], combined, now)
        if _differs(state, rows[lead_id]):
            states[lead_id] = {**state, "version": state["version"] + 1}
    return states


def _state(row: Row, into: UUID, combined: Combined | None, now: datetime) -> dict[str, Any]:
    return {
        **row, "merged_into": None if into == row["lead_id"] else into, "combined": combined, "updated_at": now
    }  # fmt: skip


def _differs(state: Row, row: Row) -> bool:
    return bool(state["merged_into"] != row["merged_into"] or state["combined"] != row["combined"])


def _combined(rows: Rows, into: Mapping[UUID, UUID], policy: MergePolicy) -> dict[UUID, Combined | None]:
    """What each lead says for others when each of them is merged into the one named for it."""
    others: dict[UUID, list[UUID]] = {lead_id: [] for lead_id in rows}
    for lead_id, survivor in into.items():
        if lead_id != survivor:
            others[survivor].append(lead_id)
    return {
        lead_id: combine([rows[each] for each in in_precedence(lead_id, merged, policy)])
        for lead_id, merged in others.items()
    }


def _groups(rows: Rows, into: Mapping[UUID, UUID]) -> list[Group]:
    members: dict[UUID, list[UUID]] = {}
    for lead_id, survivor in into.items():
        members.setdefault(survivor, []).append(lead_id)
    return [
        Group(survivor, frozenset(group), frozenset(rows[each]["person_id"] for each in group))
        for survivor, group in members.items()
    ]


def _merged(state: Row, allowed: Collection[str], merged: list[UUID], by: str) -> messages.LeadMerged:
    return messages.LeadMerged(merged_lead_ids=merged, merged_by=by, **snapshot(state, allowed))


def _updated(state: Row, allowed: Collection[str], changed: list[str]) -> LeadUpdated:
    return LeadUpdated(changed=changed, **snapshot(state, allowed))


def _renewed(row: Row, state: Row) -> list[str]:
    return changed_by(row["combined"], state["combined"]) or ["merged_leads"]
