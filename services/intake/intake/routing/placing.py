"""Leads wait where the rules say: what these say of each, whether it is news, and what is written down and told of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from chassis.unit_of_work import Row, UnitOfWork
from contracts.intake.routing import DecisionKind, LeadRouted, LeadUnrouted, WorkStatus
from contracts.message import Envelope
from intake.routing import store, store_decisions
from intake.routing.domain_rules import Route, Rules
from intake.routing.store import Placement
from intake.routing.store_decisions import Decision

WAITING = (WorkStatus.UNROUTED, WorkStatus.ROUTED)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A lead to be routed.

    Attributes:
        facts: what rules see of it, see `Rules.route`.
        since: when it began to wait, if it is placed for the first time.
        cause: what led to it.
        changed: whether it came before with other values, and may make work already.
    """

    lead_id: UUID
    facts: Row
    since: datetime
    cause: Envelope | None = None
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nobody can be given a lead.

    Attributes:
        trace: what is its own.
        round: what the round of choices was made by, JSON (`domain_round`).
    """

    trace: dict[str, Any]
    round: str


class Way(NamedTuple):
    """What the rules say of a lead, where that is news."""

    arrival: Arrival
    found: Route


def ways_of(rules: Rules, arrivals: Iterable[Arrival], work: Mapping[UUID, Row]) -> list[Way]:
    """What the rules say of those of these leads that they may place, where it is news."""
    ways = []
    for arrival in arrivals:
        before = work.get(arrival.lead_id)
        if before is not None and not follows_rules(before, rules):
            continue
        found = rules.route(arrival.facts)
        if before is None or _is_news(before, arrival, found):
            ways.append(Way(arrival, found))
    return ways


async def settle(
    uow: UnitOfWork, tenant: str, ways: Sequence[Way], work: Mapping[UUID, Row]
) -> tuple[list[Way], list[Decision]]:
    """Have leads wait where the rules say, and publish it; returns those that do, and the decisions, to be written down.

    Args:
        work: the work on those of them that make some already, locked.
    """
    if not ways:
        return [], []
    placed = await _place(uow, tenant, ways, work)
    decided = [way for way in ways if way.arrival.lead_id in placed]
    for arrival, found in decided:
        uow.publish(tenant, _event(uow, arrival.lead_id, found), arrival.cause)
    return decided, [_decision(*way) for way in decided]


def write_down(uow: UnitOfWork, tenant: str, decisions: Iterable[Decision], refusals: Mapping[UUID, Refusal]) -> None:
    """Keep decisions by which leads wait, each with why nobody could be given the lead, where somebody was looked for."""
    store_decisions.record(uow, tenant, [_refused(each, refusals.get(each.lead_id)) for each in decisions])


def _refused(decision: Decision, refusal: Refusal | None) -> Decision:
    if refusal is None:
        return decision
    return replace(decision, trace={**decision.trace, **refusal.trace}, round=refusal.round)


async def _place(uow: UnitOfWork, tenant: str, routes: Iterable[Way], work: Mapping[UUID, Row]) -> set[UUID]:
    """Where work on a lead turns up that was not there a moment ago, who saw the lead's change last has the say."""
    ours: list[Placement] = []
    anyones: list[Placement] = []
    for arrival, found in routes:
        last_to_see = arrival.changed or arrival.lead_id in work
        (ours if last_to_see else anyones).append(placement(arrival, found))
    return await store.place(uow, tenant, ours) | await store.place(uow, tenant, anyones, replace=False)


def follows_rules(work: Row, rules: Rules) -> bool:
    """Whether rules may place it: it waits, and nobody sent it by hand to a workspace that exists."""
    if work["status"] not in WAITING:
        return False
    by_hand = work["status"] == WorkStatus.ROUTED and work["rule"] is None
    return not by_hand or work["workspace"] not in rules.configuration.workspaces


def _is_news(work: Row, arrival: Arrival, found: Route) -> bool:
    """Whether the lead goes elsewhere, by another rule, or has other reasons to go nowhere."""
    if found.rule is None:
        return arrival.changed or (work["status"], work["routing_version"]) != (WorkStatus.UNROUTED, found.version)
    return (work["workspace"], work["sub_vertical"], work["rule"]) != (
        found.workspace,
        found.sub_vertical,
        found.rule.name,
    )


def placement(arrival: Arrival, found: Route) -> Placement:
    return Placement(
        arrival.lead_id,
        WorkStatus.ROUTED if found.rule else WorkStatus.UNROUTED,
        found.workspace,
        found.sub_vertical,
        found.rule.name if found.rule else None,
        found.version,
        arrival.since,
    )


def _decision(arrival: Arrival, found: Route) -> Decision:
    kind = DecisionKind.ROUTED if found.rule else DecisionKind.UNROUTED
    return Decision(arrival.lead_id, kind, {}, found.decision)


def _event(uow: UnitOfWork, lead_id: UUID, found: Route) -> LeadRouted | LeadUnrouted:
    if found.rule is None:
        return LeadUnrouted(lead_id=lead_id, routing_version=found.version, reasons=found.trace, occurred_at=uow.now)
    return LeadRouted(
        lead_id=lead_id, workspace=found.rule.workspace, sub_vertical=found.rule.sub_vertical, rule=found.rule.name,
        routing_version=found.version, occurred_at=uow.now,
    )  # fmt: skip
