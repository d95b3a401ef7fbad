"""Whatever is submitted, merged, parted, erased, let back and given to somebody, in any order: one owner at most, and nothing is lost."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from contracts.intake.distribution import AssignLead, CompleteWork, UnassignLead
from contracts.intake.erasure import EraseLead
from contracts.intake.leads import LeadVerdict, SubmissionResult, SubmitLead
from contracts.message import Envelope, ProblemError
from contracts.taxonomy import MergePolicy, OutcomeType
from intake.privacy import erasing, store_erasure
from intake.privacy.asking import Asker
from tests.intake.distribution.scene import Scene
from tests.intake.people.desk import Desk, lead
from tests.platform import Platform

AGENTS = ("ann", "bob")
OPEN = {"unrouted", "routed", "assigned", "worked"}
submissions = st.builds(
    lead,
    source_id=st.sampled_from("123456"),
    full_name=st.just("Jane Roe"),
    phone=st.none() | st.sampled_from(["+16145550101", "+16145550102"]),
    email=st.none() | st.sampled_from(["jane@example.com", "roe@example.com"]),
    geo=st.none() | st.sampled_from(["Dublin", "Columbus"]),
)
LEADS = """
    select lead.lead_id, lead.source_id, lead.person_id, lead.version, lead.merged_into, lead.erased_at, work.status,
           (select array_agg(user_id) from assignment
            where tenant_id = :tenant and lead_id = lead.lead_id and ended_at is null) as owners,
           exists (select from vault where tenant_id = :tenant and vault.lead_id = lead.lead_id) as sealed,
           exists (select from person_token where tenant_id = :tenant and person_id = lead.person_id) as reachable
    from lead left join work on work.tenant_id = :tenant and work.lead_id = lead.lead_id
    where lead.tenant_id = :tenant
"""
OVERDUE = """
    select lead_id from assignment
    where tenant_id = :tenant and ended_at is null and contacted_at is null and due_at <= :now
"""
SLA = timedelta(hours=1)


def test_a_person_has_one_owner_at_most_and_nothing_is_lost_whatever_happens(platform: Platform) -> None:
    class Machine(Life):
        installation = platform

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=10,
            stateful_step_count=25,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


class Life(RuleBasedStateMachine):
    """One tenant, looked at whole after each step, by what is stored and by what is told. It runs on a loop of its own."""

    installation: Platform

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self.passed = timedelta()
        self.closed: set[UUID] = set()
        self.erased: set[UUID] = set()
        self.erasures: list[UUID] = []
        self.leads: dict[UUID, Any] = {}

    @initialize(policy=st.sampled_from(MergePolicy))
    def open(self, policy: MergePolicy) -> None:
        self.desk = Desk(self.installation, f"life-{uuid4().hex}")
        self.runner.run(self.desk.open(policy))
        self.scene = Scene(self.desk.database, self.desk.tenant)
        self.desk.unit = self.scene.unit  # type: ignore[method-assign]
        rules = [{"name": "all", "workspace": "desk"}]
        self.runner.run(self.scene.publish(rules, desk={"sla_minutes": SLA // timedelta(minutes=1)}))
        for agent in AGENTS:
            self.do(self.scene.agent(agent, 2))

    def teardown(self) -> None:
        if hasattr(self, "desk"):
            self.runner.run(self.desk.close())
        self.runner.close()

    @property
    def now(self) -> datetime:
        """The time, as all that is done has it."""
        return datetime.now(UTC) + self.passed

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do something, which may be refused, and look at everything; returns what came of it."""
        self.scene.now = self.now
        try:
            done = self.runner.run(work)
        except ProblemError:
            done = None
        self.look()
        return done

    @rule(batch=st.lists(submissions, min_size=1, max_size=3))
    def submit(self, batch: list[SubmitLead]) -> None:
        for verdict in self.do(self._submit(batch)):
            assert verdict.lead_id is None or verdict.lead_id in self.leads, "a lead that was accepted is there"

    async def _submit(self, batch: list[SubmitLead]) -> list[SubmissionResult]:
        verdicts = await self.desk.submit(*batch)
        back = {each.lead_id for each in verdicts if each.verdict is LeadVerdict.UPDATED} & self.erased
        self.erased -= back
        self.closed -= back
        return verdicts

    @precondition(lambda self: len(self.leads) > 1)
    @rule(data=st.data())
    def merge(self, data: st.DataObject) -> None:
        survivor, merged = data.draw(st.permutations(sorted(self.leads)))[:2]
        self.do(self.desk.merge(survivor, merged))

    @precondition(lambda self: self.leads)
    @rule(data=st.data())
    def unmerge(self, data: st.DataObject) -> None:
        merged = sorted(lead_id for lead_id, row in self.leads.items() if row["merged_into"])
        self.do(self.desk.unmerge(data.draw(st.sampled_from(merged)) if merged else self.one(data)))

    @precondition(lambda self: self.leads)
    @rule(data=st.data())
    def erase(self, data: st.DataObject) -> None:
        self.do(self._erase(self.one(data)))

    async def _erase(self, lead_id: UUID) -> None:
        cause = Envelope(uuid4(), "intake.request.erase_lead.v1", self.desk.tenant, datetime.now(UTC), uuid4())
        async with self.desk.unit() as uow:
            who = Asker("operator", None, None)
            erased = await erasing.erase(uow, self.desk.key, EraseLead(lead_id=lead_id), who, cause)
        assert erased
        self.erased.update(erased.lead_ids)
        self.erasures.append(erased.erasure_id)

    @precondition(lambda self: self.erasures)
    @rule(data=st.data(), again=submissions)
    def come_back(self, data: st.DataObject, again: SubmitLead) -> None:
        lead_id = data.draw(st.sampled_from(sorted(self.erased) or sorted(self.leads)))
        self.do(self._let_back())
        self.submit([again.model_copy(update={"source_id": self.leads[lead_id]["source_id"]})])

    async def _let_back(self) -> None:
        async with self.desk.unit() as uow:
            while self.erasures:
                await store_erasure.lift(uow, self.desk.tenant, self.erasures.pop(), "operator", "came_back")

    @precondition(lambda self: self.leads)
    @rule(data=st.data(), agent=st.sampled_from(AGENTS))
    def assign(self, data: st.DataObject, agent: str) -> None:
        order = AssignLead(lead_id=self.one(data), user_id=agent, actor="boss", workspace="desk", override=True)
        self.do(self.scene.ask(order))

    @precondition(lambda self: self.leads)
    @rule(data=st.data())
    def put_back(self, data: st.DataObject) -> None:
        self.do(self.scene.ask(UnassignLead(lead_id=self.one(data), actor="boss")))

    @precondition(lambda self: self.leads)
    @rule(data=st.data(), by_outcome=st.booleans())
    def close(self, data: st.DataObject, by_outcome: bool) -> None:
        lead_id = self.one(data)
        self.closed.add(self.leads[lead_id]["merged_into"] or lead_id)
        if by_outcome:
            self.do(self.scene.hear(self.scene.outcome(lead_id, OutcomeType.CLOSED_LOST, self.now)))
        else:
            self.do(self.scene.ask(CompleteWork(lead_id=lead_id, actor="boss")))

    @rule()
    def a_minute_passes(self) -> None:
        self.do(self.scene.minute())

    @rule()
    def an_sla_passes(self) -> None:
        self.passed += SLA
        self.do(self.scene.minute())
        overdue = self.runner.run(self.scene.rows(OVERDUE, now=self.scene.now))
        assert overdue == [], "whoever contacts nobody in time keeps no lead"

    def one(self, data: st.DataObject) -> UUID:
        return data.draw(st.sampled_from(sorted(self.leads)))

    def look(self) -> None:
        before, rows = self.leads, self.runner.run(self.scene.rows(LEADS))
        self.leads = {row["lead_id"]: row for row in rows}
        assert before.keys() <= self.leads.keys(), "no lead vanishes"
        for lead_id, row in self.leads.items():
            owners = row["owners"] or []
            assert len(owners) <= 1
            assert row["sealed"] == (lead_id not in self.erased)
            if lead_id in self.erased:
                assert row["erased_at"]
                assert (row["merged_into"], owners, row["reachable"]) == (None, [], False)
                assert row["status"] not in OPEN
            elif row["merged_into"]:
                standing = self.leads[row["merged_into"]]
                assert (standing["merged_into"], standing["erased_at"]) == (None, None)
                assert (owners, row["status"] in OPEN) == ([], False), (
                    "a merged lead is worked on where it is merged into"
                )
            else:
                assert row["status"] in OPEN or lead_id in self.closed, "an open lead waits or is owned"
                assert bool(owners) == (row["status"] in {"assigned", "worked"})
        self.listen()

    def listen(self) -> None:
        """Whoever keeps the highest versions that were told knows leads and owners as they are."""
        told = self.runner.run(self.desk.told())
        leads: dict[str, tuple[int, Any]] = {}
        owners: dict[str, tuple[int, str | None]] = {}
        for name, body in told:
            if name in {"lead_accepted", "lead_updated", "lead_merged", "lead_unmerged", "lead_erased"}:
                version = leads.get(body["lead_id"], (0, None))[0]
                assert body["version"] > version, "versions of a lead only grow"
                leads[body["lead_id"]] = body["version"], body.get("merged_into")
            elif name in {"lead_assigned", "lead_reassigned", "lead_unassigned"}:
                before = owners.get(body["lead_id"], (-1, None))
                assert body["version"] > before[0], "versions of an ownership only grow"
                assert (before[1] is None) == (name == "lead_assigned"), "one owner at most"
                owner = None if name == "lead_unassigned" else body["user_id"]
                owners[body["lead_id"]] = body["version"], owner
        for lead_id, row in self.leads.items():
            merged_into = str(row["merged_into"]) if row["merged_into"] else None
            assert leads[str(lead_id)] == (row["version"], merged_into)
            assert owners.get(str(lead_id), (0, None))[1] == (row["owners"] or [None])[0]
