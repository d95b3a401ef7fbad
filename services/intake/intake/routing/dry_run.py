"""Rules tried on leads that came already, beside the published ones: what would go where, and what would move."""

from collections import Counter
from uuid import UUID

from chassis.unit_of_work import UnitOfWork
from contracts.intake.routing import DryRun, Move, MovingLead, RoutingConfiguration
from intake.routing import store
from intake.routing.domain_rules import Route, Rules
from intake.routing.placing import follows_rules
from intake.routing.published import published

_BATCH = 2000
"""Some tens of milliseconds of work, for which whatever else the process does waits."""
_NOWHERE = Rules(RoutingConfiguration())


async def dry_run(
    uow: UnitOfWork, tenant: str, configuration: RoutingConfiguration, *, last: int, sample: int
) -> DryRun:
    """Try rules on the last leads that came, a batch at a time: memory holds no more of them than one.

    A lead moves where the rules tried put it elsewhere than the published ones do, whatever became of it meanwhile: so
    the numbers tell of the change of rules and of nothing else.
    """
    tried, rules = Rules(configuration), await published(uow, tenant) or _NOWHERE
    moves: Counter[tuple[str | None, str | None]] = Counter()
    moving = moving_now = 0
    shown: list[MovingLead] = []
    before: UUID | None = None
    while (left := last - moves.total()) > 0:
        rows = await store.recent_leads(uow, tenant, before, min(left, _BATCH))
        for row in rows:
            old, new = rules.route(row), tried.route(row)
            moves[old.workspace, new.workspace] += 1
            if (old.workspace, old.sub_vertical) != (new.workspace, new.sub_vertical):
                moving += 1
                moving_now += row["status"] is None or follows_rules(row, tried)
                if len(shown) < sample:
                    shown.append(_moving(row["lead_id"], old, new))
        if len(rows) < min(left, _BATCH):
            break
        before = rows[-1]["lead_id"]
    unrouted = sum(leads for (_, target), leads in moves.items() if target is None)
    return DryRun(
        leads=moves.total(),
        matched=moves.total() - unrouted,
        unrouted=unrouted,
        moving=moving,
        moving_now=moving_now,
        moves=[Move(source=old, target=new, leads=leads) for (old, new), leads in moves.most_common()],
        sample=shown,
    )


def _moving(lead_id: UUID, old: Route, new: Route) -> MovingLead:
    return MovingLead(
        lead_id=lead_id, source=old.workspace, source_sub_vertical=old.sub_vertical, target=new.workspace,
        target_sub_vertical=new.sub_vertical, rule=new.rule.name if new.rule else None, trace=new.trace,
    )  # fmt: skip
