"""The agents of workspaces as they are now: who is there, how much each can take, and how much each has to do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from contracts.intake.distribution import Standing, Workload
from contracts.intake.workspaces import WorkspaceConfiguration
from contracts.message import ProblemCode, ProblemError
from intake.distribution import store, store_agents
from intake.distribution.domain_availability import is_at_work, start_of_day
from intake.distribution.domain_capacity import capacity_score, effective_capacity
from intake.distribution.domain_choice import Candidate, Distributor
from intake.routing.domain_round import Round
from intake.routing.published import published

_AVERAGED = timedelta(days=30)

Workspaces = Mapping[str, WorkspaceConfiguration]
"""The published workspaces of a tenant, by name."""


@dataclass(frozen=True, slots=True)
class Staff:
    """Some agents of a tenant, with what they hold."""

    agents: Sequence[RowMapping]
    now: datetime

    @property
    def held(self) -> dict[str, int]:
        """How many leads each owns, in all workspaces."""
        return {agent["user_id"]: agent["held"] for agent in self.agents}

    def of(self, workspace: str, configuration: WorkspaceConfiguration) -> list[Candidate]:
        """The agents of a workspace, as its configuration has them."""
        return [candidate(a, configuration, self.now) for a in self.agents if workspace in a["workspaces"]]


async def distributors_of(uow: UnitOfWork, tenant: str, workspaces: Workspaces) -> tuple[Round, dict[str, Distributor]]:
    """A round of choices as of now, and who makes them in each of these workspaces."""
    staff = await staff_of(uow, tenant, workspaces)
    round_ = Round(staff.held)  # shared: who is given a lead of one workspace has less room for those of another
    standings = await store.rotations(uow, tenant, list(workspaces))
    distributors = {}
    for name, configuration in workspaces.items():
        candidates = staff.of(name, configuration)
        known = {c.user_id for c in candidates}
        standing = {user: place for user, place in standings.get(name, {}).items() if user in known}
        distributors[name] = Distributor(configuration.chain, candidates, round_, standing)
    return round_, distributors


async def workspaces_of(uow: UnitOfWork, tenant: str) -> Workspaces:
    """Those of the published routing configuration; none where none is published."""
    rules = await published(uow, tenant)
    return rules.configuration.workspaces if rules else {}


def no_such_workspace(workspaces: Workspaces) -> ProblemError:
    """A request names a workspace that is not published."""
    known = ", ".join(sorted(workspaces)) or "none"
    return ProblemError(
        ProblemCode.NOT_FOUND, f"the published routing has no such workspace; it has: {known}", "workspace"
    )


def longest_ramp(workspaces: Workspaces) -> timedelta:
    return max((_ramp(configuration) for configuration in workspaces.values()), default=timedelta())


async def staff_of(uow: UnitOfWork, tenant: str, workspaces: Workspaces) -> Staff:
    """Everybody who works in these workspaces."""
    ramp = longest_ramp(workspaces)
    return Staff(await store_agents.roster(uow, tenant, ramp, workspaces=list(workspaces)), uow.now)


def candidate(agent: RowMapping, configuration: WorkspaceConfiguration, now: datetime) -> Candidate:
    return Candidate(
        user_id=agent["user_id"],
        standing=presence(agent, now),
        capacity=effective_capacity(
            agent["capacity"], agent["held_at_return"], agent["returned_at"], now, _ramp(configuration)
        ),
        share=agent["capacity"] * agent["weight"],
        roles=frozenset(agent["roles"]),
        regions=tuple(agent["regions"]),
    )


def presence(agent: RowMapping, now: datetime) -> Standing:
    """Whether an agent is there, however much they hold."""
    if not agent["active"]:
        return Standing.INACTIVE
    if agent["away"]:
        return Standing.AWAY
    return Standing.AVAILABLE if is_at_work(agent["working_hours"], agent["time_zone"], now) else Standing.OFF_HOURS


def standing(agent: RowMapping, effective: int, now: datetime) -> Standing:
    """Whether an agent can be given work."""
    there = presence(agent, now)
    return Standing.FULL if there is Standing.AVAILABLE and agent["held"] >= effective else there


async def workloads(
    uow: UnitOfWork, tenant: str, agents: Sequence[RowMapping], workspaces: Workspaces
) -> dict[str, Workload]:
    """How much each of these agents has to do; their capacity is the least that any of their workspaces lets them have."""
    days = {agent["user_id"]: start_of_day(agent["time_zone"], uow.now) for agent in agents}
    done = await store_agents.completed(uow, tenant, days, uow.now - _AVERAGED)
    found = {}
    for agent in agents:
        configurations = [workspaces.get(name, WorkspaceConfiguration()) for name in agent["workspaces"]]
        effective = min(candidate(agent, configuration, uow.now).capacity for configuration in configurations)
        closed = done.get(agent["user_id"])
        found[agent["user_id"]] = Workload(
            standing=standing(agent, effective, uow.now),
            active_leads=agent["held"],
            effective_capacity=effective,
            capacity_score=capacity_score(agent["held"], effective),
            completed_today=closed["today"] if closed else 0,
            average_completion_seconds=float(closed["average_seconds"]) if closed else None,
        )
    return found


def _ramp(configuration: WorkspaceConfiguration) -> timedelta:
    return timedelta(hours=configuration.ramp_hours)
