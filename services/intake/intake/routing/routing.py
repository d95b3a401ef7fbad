"""Leads are routed: by the published rules as they come and when these change, or by hand."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from chassis.unit_of_work import UnitOfWork
from contracts.intake.routing import DecisionKind, LeadRouted, LeadUnrouted, WorkStatus
from contracts.message import Envelope
from intake.distribution import store as owners
from intake.distribution.assigning import Newcomer, fill, give_out
from intake.routing import store, store_decisions, store_versions
from intake.routing.domain_rules import Route, Rules
from intake.routing.published import published
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
    facts: Mapping[str, Any]
    since: datetime
    cause: Envelope | None = None
    changed: bool = False


async def route(uow: UnitOfWork, tenant: str, arrivals: Iterable[Arrival]) -> None:
    """Route leads that came or changed, by the version that is published while they are stored, and give out what waits there.

    One that is assigned, worked or closed stays where it is, whatever it has become; so does one that was routed by hand.
    One that came and can be given to somebody at once never waits.
    A tenant without published rules costs two short queries; its arrivals are not even looked at.
    """
    await store_versions.hold_published(uow, tenant)
    rules = await published(uow, tenant)
    if rules is None:
        return
    await owners.lock(uow, tenant)
    given = list(arrivals)
    changed = [arrival.lead_id for arrival in given if arrival.changed]
    work = await store.lock_work(uow, tenant, changed) if changed else {}
    routes = _routes(rules, given, work)
    new = [way for way in routes if way.found.rule and not way.arrival.changed]
    # What changed waits already, or is to before others are given out: its place in the queue is an older one.
    placed = await _settle(uow, tenant, [way for way in routes if way.arrival.changed], work)
    workspaces = {way.found.workspace for way in (*placed, *new) if way.found.workspace}
    owned = await give_out(
        uow, tenant, {name: rules.configuration.workspaces[name] for name in sorted(workspaces)},
        newcomers=[_newcomer(way) for way in new],
        causes={way.arrival.lead_id: way.arrival.cause for way in placed if way.arrival.cause}, by_place=bool(placed),
    ) if workspaces else set()  # fmt: skip
    rest = [way for way in routes if not way.arrival.changed and way.arrival.lead_id not in owned]
    await _settle(uow, tenant, rest, work)


async def apply(
    uow: UnitOfWork, tenant: str, rules: Rules, arrivals: Iterable[Arrival], work: Mapping[UUID, Mapping[str, Any]]
) -> dict[UUID, Route]:
    """Place each of these leads where the rules say, if that is new; returns where those went that were placed.

    Args:
        work: the work on those of them that make some already, locked.
    """
    placed = await _settle(uow, tenant, _routes(rules, arrivals, work), work)
    return {way.arrival.lead_id: way.found for way in placed}


class _Way(NamedTuple):
    """What the rules say of a lead, where that is news."""

    arrival: Arrival
    found: Route


def _routes(rules: Rules, arrivals: Iterable[Arrival], work: Mapping[UUID, Mapping[str, Any]]) -> list[_Way]:
    ways = []
    for arrival in arrivals:
        before = work.get(arrival.lead_id)
        if before is not None and not follows_rules(before, rules):
            continue
        found = rules.route(arrival.facts)
        if before is None or _is_news(before, arrival, found):
            ways.append(_Way(arrival, found))
    return ways


async def _settle(
    uow: UnitOfWork, tenant: str, ways: Sequence[_Way], work: Mapping[UUID, Mapping[str, Any]]
) -> list[_Way]:
    """Have leads wait where the rules say, write down why and publish it; returns those that do."""
    if not ways:
        return []
    placed = await _place(uow, tenant, ways, work)
    decided = [way for way in ways if way.arrival.lead_id in placed]
    await store_decisions.record(uow, tenant, [_decision(*way) for way in decided])
    for arrival, found in decided:
        uow.publish(tenant, _event(uow, arrival.lead_id, found), arrival.cause)
    return decided


def _newcomer(way: _Way) -> Newcomer:
    return Newcomer(_placement(*way), way.arrival.facts["geo_key"], way.found.decision, way.arrival.cause)


async def _place(
    uow: UnitOfWork, tenant: str, routes: Iterable[_Way], work: Mapping[UUID, Mapping[str, Any]]
) -> set[UUID]:
    """Where work on a lead turns up that was not there a moment ago, who saw the lead's change last has the say."""
    ours, anyones = [], []
    for arrival, found in routes:
        last_to_see = arrival.changed or arrival.lead_id in work
        (ours if last_to_see else anyones).append(_placement(arrival, found))
    return await store.place(uow, tenant, ours) | await store.place(uow, tenant, anyones, replace=False)


async def route_by_hand(
    uow: UnitOfWork, tenant: str, lead_id: UUID, workspace: str, sub_vertical: str | None, actor: str, rules: Rules
) -> bool:
    """Send a lead to a workspace; whether it could be, which it cannot once it is assigned, worked or closed."""
    await owners.lock(uow, tenant)
    placement = Placement(lead_id, WorkStatus.ROUTED, workspace, sub_vertical, None, rules.version, uow.now)
    if not await store.place(uow, tenant, [placement]):
        return False
    trace = {"routing_version": rules.version, "workspace": workspace, "sub_vertical": sub_vertical, "by": actor}
    await store_decisions.record(uow, tenant, [Decision(lead_id, DecisionKind.ROUTED_BY_HAND, trace)])
    event = LeadRouted(
        lead_id=lead_id, workspace=workspace, sub_vertical=sub_vertical, routing_version=rules.version,
        routed_by=actor, occurred_at=uow.now,
    )  # fmt: skip
    uow.publish(tenant, event)
    await fill(uow, tenant, [workspace])
    return True


def follows_rules(work: Mapping[str, Any], rules: Rules) -> bool:
    """Whether rules may place it: it waits, and nobody sent it by hand to a workspace that exists."""
    if work["status"] not in WAITING:
        return False
    by_hand = work["status"] == WorkStatus.ROUTED and work["rule"] is None
    return not by_hand or work["workspace"] not in rules.configuration.workspaces


def _is_news(work: Mapping[str, Any], arrival: Arrival, found: Route) -> bool:
    """Whether the lead goes elsewhere, by another rule, or has other reasons to go nowhere."""
    if found.rule is None:
        return arrival.changed or (work["status"], work["routing_version"]) != (WorkStatus.UNROUTED, found.version)
    return (work["workspace"], work["sub_vertical"], work["rule"]) != (
        found.workspace,
        found.sub_vertical,
        found.rule.name,
    )


def _placement(arrival: Arrival, found: Route) -> Placement:
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
    return Decision(arrival.lead_id, DecisionKind.ROUTED if found.rule else DecisionKind.UNROUTED, {}, found.decision)


def _event(uow: UnitOfWork, lead_id: UUID, found: Route) -> LeadRouted | LeadUnrouted:
    if found.rule is None:
        return LeadUnrouted(lead_id=lead_id, routing_version=found.version, reasons=found.trace, occurred_at=uow.now)
    return LeadRouted(
        lead_id=lead_id, workspace=found.rule.workspace, sub_vertical=found.rule.sub_vertical, rule=found.rule.name,
        routing_version=found.version, occurred_at=uow.now,
    )  # fmt: skip
