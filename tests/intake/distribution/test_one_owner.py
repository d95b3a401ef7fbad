"""Whatever people, agents, outcomes and time do: a lead has one owner at most, nobody is given too much, and nothing is lost."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from chassis.schema import role_of
from chassis.unit_of_work import Database
from contracts.intake.distribution import (
    AssignLead,
    ClaimLead,
    CompleteWork,
    GetWorkload,
    LeadAssigned,
    LeadReassigned,
    LeadUnassigned,
    ListAgents,
    ReassignLead,
    RemoveAgent,
    SetTimeOff,
    UnassignLead,
)
from contracts.message import ProblemError, Request
from contracts.taxonomy import OutcomeType
from tests.intake.distribution.scene import Scene
from tests.platform import Platform

USERS = st.sampled_from(["ann", "bob", "cleo", "dan"])
WORKSPACES = {
    "desk": {"chain": [{"kind": "round_robin"}], "sla_minutes": 30, "on_absence": "return_to_queue", "ramp_hours": 0},
    "field": {"sla_minutes": 90, "max_reassignments": 1, "on_absence": "keep", "ramp_hours": 4},
}


class Desk(RuleBasedStateMachine):
    """A tenant at work. What is told of its leads is replayed, and must come to what the database holds."""

    run: Any
    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.scene = Scene(self.database, f"desk-{uuid4().hex[:12]}")
        self.leads: list[UUID] = []
        self.owners: dict[UUID, str] = {}
        self.versions: dict[UUID, int] = {}
        self.given: set[str] = set()
        self.settled = True
        self.run(self.scene.know())
        self.run(self.scene.publish(**WORKSPACES))
        self.run(self.scene.agent("ann", 3, workspaces=sorted(WORKSPACES)))
        self.run(self.scene.agent("bob", 2))

    def do(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do something, which may be refused, and hear what is told of it."""
        self.scene.told.clear()
        self.settled = False
        try:
            self.run(work)
        except ProblemError:
            self.scene.told.clear()  # its unit was rolled back
        self.given = set()
        for event in self.scene.told:
            if isinstance(event, LeadAssigned | LeadReassigned | LeadUnassigned):
                self.hear(event)

    def hear(self, event: LeadAssigned | LeadReassigned | LeadUnassigned) -> None:
        assert event.version > self.versions.get(event.lead_id, 0), "versions only grow"
        self.versions[event.lead_id] = event.version
        before = self.owners.pop(event.lead_id, None)
        if isinstance(event, LeadUnassigned):
            assert before == event.user_id
            return
        assert before == (event.from_user_id if isinstance(event, LeadReassigned) else None), "one owner at most"
        self.owners[event.lead_id] = event.user_id
        if event.assigned_by != "user":
            self.given.add(event.user_id)

    def ask(self, request: Request) -> None:
        self.do(self.scene.ask(request))

    def one(self, number: int) -> UUID:
        """Any lead."""
        return self.leads[number % len(self.leads)]

    def owned(self, number: int) -> UUID:
        """One that somebody owns, if there is any."""
        owned = [lead for lead in self.leads if lead in self.owners]
        return owned[number % len(owned)] if owned else self.one(number)

    @rule(count=st.integers(1, 4), workspace=st.sampled_from(["desk", "field", None]))
    def leads_come(self, count: int, workspace: str | None) -> None:
        async def come() -> None:
            self.leads += await self.scene.leads(count, workspace)
            await self.scene.fill(*WORKSPACES)

        self.do(come())

    @rule(
        user=USERS, capacity=st.integers(0, 4), active=st.sampled_from([True, True, True, False]),
        workspaces=st.sets(st.sampled_from(sorted(WORKSPACES)), min_size=1),
    )  # fmt: skip
    def an_agent_changes(self, user: str, capacity: int, active: bool, workspaces: set[str]) -> None:
        self.do(self.scene.agent(user, capacity, workspaces=sorted(workspaces), active=active))

    @rule(user=USERS)
    def an_agent_is_removed(self, user: str) -> None:
        self.ask(RemoveAgent(user_id=user))

    @rule(user=USERS, begins=st.integers(-1, 2), hours=st.integers(2, 6))
    def time_off(self, user: str, begins: int, hours: int) -> None:
        start = self.scene.now + timedelta(hours=begins)
        self.ask(SetTimeOff(user_id=user, starts_at=start, ends_at=start + timedelta(hours=hours)))

    @precondition(lambda self: self.leads)
    @rule(number=st.integers(0, 99), user=USERS, override=st.booleans())
    def a_person_assigns(self, number: int, user: str, override: bool) -> None:
        gift = AssignLead(lead_id=self.one(number), user_id=user, actor="boss", workspace="desk", override=override)
        self.ask(gift)

    @precondition(lambda self: self.leads)
    @rule(number=st.integers(0, 99), user=USERS)
    def an_agent_claims(self, number: int, user: str) -> None:
        self.ask(ClaimLead(lead_id=self.one(number), user_id=user, workspace="field"))

    @precondition(lambda self: self.leads)
    @rule(number=st.integers(0, 99), user=USERS, override=st.booleans())
    def a_person_reassigns(self, number: int, user: str, override: bool) -> None:
        self.ask(ReassignLead(lead_id=self.owned(number), user_id=user, actor="boss", override=override))

    @precondition(lambda self: self.leads)
    @rule(number=st.integers(0, 99))
    def a_person_puts_back(self, number: int) -> None:
        self.ask(UnassignLead(lead_id=self.owned(number), actor="boss"))

    @precondition(lambda self: self.leads)
    @rule(number=st.integers(0, 99))
    def an_agent_is_done(self, number: int) -> None:
        self.ask(CompleteWork(lead_id=self.owned(number), actor="boss"))

    @precondition(lambda self: self.leads)
    @rule(number=st.integers(0, 99), type_=st.sampled_from([OutcomeType.CONTACTED, OutcomeType.CLOSED_LOST]))
    def an_outcome_is_heard(self, number: int, type_: OutcomeType) -> None:
        self.do(self.scene.hear(self.scene.outcome(self.owned(number), type_)))

    @precondition(lambda self: self.leads)
    @rule(number=st.integers(0, 99))
    def a_message_is_sent(self, number: int) -> None:
        self.do(self.scene.hear(self.scene.sent(self.one(number))))

    @rule(minutes=st.sampled_from([10, 60, 300]))
    def time_passes(self, minutes: int) -> None:
        self.scene.pass_time(minutes=minutes)
        self.do(self.scene.minute())
        self.settled = True

    @invariant()
    def nothing_is_lost(self) -> None:
        """Every lead that is not closed is owned or waits, and what was told is what is kept."""
        work = self.run(self.scene.work())
        assert self.run(self.scene.owners()) == self.owners
        assert set(work) == set(self.leads)
        for lead, row in work.items():
            expected = {"assigned", "worked"} if lead in self.owners else {"unrouted", "routed", "closed"}
            assert row["status"] in expected

    @invariant()
    def nobody_was_given_too_much(self) -> None:
        """Whom no person gave a lead to is there, and has room for what they hold."""
        held = Counter(self.owners.values())
        for agent in self.run(self.scene.ask(ListAgents())).agents:
            if agent.user_id in self.given:
                assert agent.active
                assert held[agent.user_id] <= agent.capacity
                assert not [off for off in agent.time_off if off.starts_at <= self.scene.now]

    @invariant()
    def nobody_waits_beside_somebody_who_is_free(self) -> None:
        """Once time has had its say."""
        if not self.settled:
            return
        before = self.run(
            self.scene.rows(
                """select lead_id, array_agg(user_id) as users from assignment
                   where tenant_id = :tenant and end_reason in ('sla_missed', 'unassigned') group by lead_id"""
            )
        )
        passed_over = {row["lead_id"]: set(row["users"]) for row in before}
        work = self.run(self.scene.work())
        for workspace in WORKSPACES:
            seen = self.run(self.scene.ask(GetWorkload(workspace=workspace)))
            free = {agent.user_id for agent in seen.agents if agent.standing == "available"}
            for lead, row in work.items():
                if (row["status"], row["workspace"], row["kept_back"]) == ("routed", workspace, None):
                    assert free <= passed_over.get(lead, set())


def test_a_lead_has_one_owner_at_most_and_none_is_lost_whatever_happens(platform: Platform) -> None:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        database = Database("intake", platform.database_url(role_of("intake")))
        machine = type("Desk", (Desk,), {"run": staticmethod(runner.run), "database": database})
        try:
            run_state_machine_as_test(
                machine,
                settings=settings(max_examples=10, stateful_step_count=30, suppress_health_check=list(HealthCheck)),
            )
        finally:
            runner.run(database.close())
