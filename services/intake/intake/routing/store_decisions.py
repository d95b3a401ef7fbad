"""Every query about the decisions on leads, and about the manual queue, which shows the last of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import RowMapping
from uuid_utils.compat import uuid7

from chassis.unit_of_work import UnitOfWork
from contracts.intake.routing import DecisionKind
from intake.routing.domain_round import explain

_KEEP_GROUNDS = """
    insert into grounds (tenant_id, grounds_id, content)
    select :tenant, given.* from unnest(cast(:ids as uuid[]), cast(:contents as jsonb[])) as given
"""
_RECORD = """
    insert into decision (tenant_id, lead_id, decision_id, kind, decided_at, trace, route, round)
    select :tenant, lead_id, decision_id, kind, :now, trace, route, round
    from unnest(cast(:leads as uuid[]), cast(:ids as uuid[]), cast(:kinds as text[]), cast(:traces as jsonb[]),
                cast(:routes as uuid[]), cast(:rounds as uuid[]))
         as given (lead_id, decision_id, kind, trace, route, round)
"""
_DECISION = "decision_id, kind, decided_at, trace, route.content as route, round.content as round"
_GROUNDS = """
    left join grounds as route on route.tenant_id = :tenant and route.grounds_id = decision.route
    left join grounds as round on round.tenant_id = :tenant and round.grounds_id = decision.round
"""


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision about a lead, and what it was made by.

    Attributes:
        trace: what is its own.
        route: what the rules decided by, JSON; kept once for all decisions that are recorded together and have it in common.
        round: what the round of choices was made by, JSON (`domain_round`); kept once like a route. Of an assignment, and of a
            lead that waits because nobody could be given it.
        decision_id: its place among the decisions about the lead is that of its making, whenever it is written down.
    """

    lead_id: UUID
    kind: DecisionKind
    trace: dict[str, Any]
    route: str | None = None
    round: str | None = None
    decision_id: UUID = field(default_factory=uuid7)


def record(uow: UnitOfWork, tenant: str, decisions: Sequence[Decision]) -> None:
    """Keep decisions for good."""
    if not decisions:
        return
    grounds = {text: uuid7() for d in decisions for text in (d.route, d.round) if text}
    if grounds:
        uow.write(_KEEP_GROUNDS, tenant=tenant, ids=list(grounds.values()), contents=list(grounds))
    uow.write(
        _RECORD, tenant=tenant, now=uow.now, leads=[d.lead_id for d in decisions], ids=[d.decision_id for d in decisions],
        kinds=[d.kind.value for d in decisions], traces=[orjson.dumps(d.trace).decode() for d in decisions],
        routes=[grounds[d.route] if d.route else None for d in decisions],
        rounds=[grounds[d.round] if d.round else None for d in decisions],
    )  # fmt: skip


async def of_lead(uow: UnitOfWork, tenant: str, lead_id: UUID, before: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Decisions about a lead with their whole reasons, newest first, from before one."""
    rows = await uow.execute(
        f"""select {_DECISION} from decision {_GROUNDS}
            where decision.tenant_id = :tenant and lead_id = :lead_id
              and (cast(:before as uuid) is null or decision_id < :before)
            order by decision_id desc limit :limit""",
        tenant=tenant, lead_id=lead_id, before=before, limit=limit,
    )  # fmt: skip
    return [_explained(row) for row in rows.mappings()]


def _explained(row: RowMapping) -> dict[str, Any]:
    """A decision's row with its whole trace.

    A newcomer's route is in it under `route`; why nobody could be given a lead, beside what made it wait, under `nobody_took_it`.
    """
    decision = dict(row)
    route, round_ = decision.pop("route"), decision.pop("round")
    reasons = explain(round_, decision["trace"]) if round_ else decision["trace"]
    if round_ and decision["kind"] != DecisionKind.ASSIGNED:
        reasons.pop("eligible")
        refusal = {name: reasons.pop(name) for name in ("steps", "verdicts")}
        decision["trace"] = {**(route or reasons), "nobody_took_it": refusal}
    elif route:
        decision["trace"] = {**reasons, "route": route} if round_ else route
    else:
        decision["trace"] = reasons
    return decision


async def queue(
    uow: UnitOfWork, tenant: str, workspace: str | None, after: tuple[datetime, UUID] | None, limit: int
) -> list[dict[str, Any]]:
    """Leads that wait in a workspace, or unrouted, oldest first from behind one; each with the last decision about it."""
    place = "status = 'routed' and workspace = :workspace" if workspace else "status = 'unrouted' and workspace is null"
    since, lead_id = after or (None, None)
    rows = await uow.execute(
        f"""select waiting.*, decision.* from (
               select lead_id, status, workspace, sub_vertical, waiting_since, kept_back from work
               where tenant_id = :tenant and {place} and (cast(:lead_id as uuid) is null
                   or (waiting_since, lead_id) > (cast(:since as timestamptz), cast(:lead_id as uuid)))
               order by waiting_since, lead_id limit :limit
           ) as waiting left join lateral (
               select {_DECISION} from decision {_GROUNDS}
               where decision.tenant_id = :tenant and lead_id = waiting.lead_id order by decision_id desc limit 1
           ) as decision on true order by waiting_since, lead_id""",
        tenant=tenant, since=since, lead_id=lead_id, limit=limit, **({"workspace": workspace} if workspace else {}),
    )  # fmt: skip
    return [_explained(row) for row in rows.mappings()]
