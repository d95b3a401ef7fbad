"""Leads come, change or are sent to a workspace by hand: they are routed, and given out at once as far as somebody is there."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from chassis.unit_of_work import Row, UnitOfWork
from contracts.intake.routing import DecisionKind, LeadRouted, WorkStatus
from intake import locks
from intake.distribution import store_progress
from intake.distribution.assigning import BATCH, Newcomer, fill, give_out
from intake.routing import store
from intake.routing.domain_rules import Rules
from intake.routing.placing import Arrival, Way, placement, settle, ways_of, write_down
from intake.routing.store import Placement
from intake.routing.store_decisions import Decision


async def route(uow: UnitOfWork, tenant: str, rules: Rules | None, arrivals: Iterable[Arrival]) -> None:
    """Route leads that came or changed, by the version that is published while they are stored, and give out what waits there.

    One that is assigned, worked or closed stays where it is, whatever it has become; so does one that was routed by hand.
    One that came and can be given to somebody at once never waits.
    The arrivals of a tenant without published rules are not even looked at.

    Args:
        rules: the published ones, read under `locks.published_routing`, which is taken before the leads' rows are.
    """
    if rules is None:
        return
    await locks.distribution(uow, tenant)
    given = list(arrivals)
    changed = [arrival.lead_id for arrival in given if arrival.changed]
    work = await store.lock_work(uow, tenant, changed) if changed else {}
    routes = ways_of(rules, given, work)
    new = [way for way in routes if way.found.rule and not way.arrival.changed]
    # What changed waits already, or is to before others are given out: its place in the queue is an older one.
    placed, decisions = await settle(uow, tenant, [way for way in routes if way.arrival.changed], work)
    workspaces = {way.found.workspace for way in (*placed, *new) if way.found.workspace}
    owned, refusals = await give_out(
        uow, tenant, {name: rules.configuration.workspaces[name] for name in sorted(workspaces)},
        newcomers=[_newcomer(way) for way in new], sought=[way.arrival.lead_id for way in placed],
        causes={way.arrival.lead_id: way.arrival.cause for way in placed if way.arrival.cause}, by_place=bool(placed),
    ) if workspaces else (set(), {})  # fmt: skip
    rest = [way for way in routes if not way.arrival.changed and way.arrival.lead_id not in owned]
    _, others = await settle(uow, tenant, rest, work)
    write_down(uow, tenant, [*decisions, *others], refusals)


async def begin_anew(uow: UnitOfWork, tenant: str, leads: Sequence[UUID]) -> None:
    """Forget how far leads came that were erased or withdrawn, and are there again: to rules they are new, whatever had closed them.

    To be called before anything else is done about their work.
    """
    await locks.whose_work(uow, tenant)
    await store.drop_work(uow, tenant, leads)
    await store_progress.forget(uow, tenant, leads)


async def place_anew(
    uow: UnitOfWork, tenant: str, rules: Rules, arrivals: Iterable[Arrival], work: Mapping[UUID, Row]
) -> tuple[list[UUID], set[UUID]]:
    """Have leads that were there before wait where the rules say, if that is news, and give out what waits there.

    The tenant must be locked (`locks.distribution`). What waits for an agent of its place is not gone through.

    Args:
        work: the work on those of them that make some already, locked.

    Returns:
        The leads that were placed, and those that were given to somebody.
    """
    placed, decisions = await settle(uow, tenant, ways_of(rules, arrivals, work), work)
    leads = [way.arrival.lead_id for way in placed]
    await store_progress.close_unowned(uow, tenant, leads)
    workspaces = {way.found.workspace for way in placed if way.found.workspace}
    given, refusals = await give_out(
        uow, tenant, {name: rules.configuration.workspaces[name] for name in sorted(workspaces)}, BATCH + len(leads),
        sought=leads, by_place=False,
    ) if workspaces else (set(), {})  # fmt: skip
    write_down(uow, tenant, decisions, refusals)
    return leads, given


async def route_by_hand(
    uow: UnitOfWork, tenant: str, lead_id: UUID, workspace: str, sub_vertical: str | None, actor: str, rules: Rules
) -> bool:
    """Send a lead to a workspace; whether it could be, which it cannot once it is assigned, worked or closed."""
    await locks.distribution(uow, tenant)
    sent = Placement(lead_id, WorkStatus.ROUTED, workspace, sub_vertical, None, rules.version, uow.now)
    if not await store.place(uow, tenant, [sent]):
        return False
    trace = {"routing_version": rules.version, "workspace": workspace, "sub_vertical": sub_vertical, "by": actor}
    decision = Decision(lead_id, DecisionKind.ROUTED_BY_HAND, trace)
    event = LeadRouted(
        lead_id=lead_id, workspace=workspace, sub_vertical=sub_vertical, routing_version=rules.version,
        routed_by=actor, occurred_at=uow.now,
    )  # fmt: skip
    uow.publish(tenant, event)
    _, refusals = await fill(uow, tenant, [workspace], sought=[lead_id])
    write_down(uow, tenant, [decision], refusals)
    return True


def _newcomer(way: Way) -> Newcomer:
    return Newcomer(placement(*way), way.arrival.facts["geo_key"], way.found.decision, way.arrival.cause)
