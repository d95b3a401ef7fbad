"""Distribution in a running service: over the bus, by request and by the clock."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from contracts.intake.distribution import (
    AgentView,
    ClaimLead,
    CompleteWork,
    GetWorkload,
    ListAssignments,
    SetTimeOff,
    UpsertAgent,
)
from contracts.intake.erasure import EraseLead, LiftSuppression
from contracts.intake.leads import SubmitLead, SubmitLeadNow
from contracts.intake.routing import (
    GetLeadDecisions,
    GetLeadStatus,
    GetRouting,
    LeadStatus,
    PublishRouting,
    RouteLead,
    SaveRoutingDraft,
)
from contracts.message import PLATFORM, ProblemCode, ProblemError
from contracts.operations import RunJob
from contracts.outcomes import OutcomeRecorded
from contracts.taxonomy import STAGE_OF, OutcomeType
from contracts.values import Attribution
from tests.intake.routing.desk import Desk
from tests.outreach.told import message_sent
from tests.platform import Platform
from tests.waiting import until


class Team:
    """One tenant's, with a workspace `desk` that every lead is routed to, unless another configuration is published."""

    def __init__(self, platform: Platform, tenant: str) -> None:
        self.platform, self.tenant = platform, tenant
        self.published: int | None = None

    async def ask(self, request: Any) -> Any:
        return await self.platform.caller.ask(self.tenant, request, seconds=30)

    async def publish(self, *rules: dict[str, Any], **workspaces: dict[str, Any]) -> None:
        configuration = {"rules": [*rules, {"name": "all", "workspace": "desk"}], "workspaces": workspaces}
        draft = SaveRoutingDraft.model_validate({"configuration": configuration, "actor": "boss"})
        version = (await self.ask(draft)).version
        await self.ask(PublishRouting(version=version, expected=self.published, actor="boss"))
        self.published = version

        async def caught_up() -> bool:
            return not (await self.ask(GetRouting())).catching_up

        await until(caught_up, what="every lead looked at under the published rules", seconds=60)

    async def agent(self, user: str, capacity: int = 10, **profile: Any) -> AgentView:
        return await self.ask(UpsertAgent(user_id=user, capacity=capacity, **{"workspaces": ["desk"], **profile}))

    async def submit(self, source_id: str, **fields: Any) -> UUID:
        submitted = await self.ask(SubmitLeadNow(source_system="web", source_id=source_id, full_name="Jo", **fields))
        return submitted.lead_id

    async def status(self, lead: UUID) -> LeadStatus:
        return await self.ask(GetLeadStatus(lead_id=lead))

    async def becomes(self, lead: UUID, status: str, owner: str | None) -> None:
        async def is_so() -> bool:
            now = await self.status(lead)
            return (now.status, now.owner) == (status, owner)

        await until(is_so, what=f"the lead {status}, of {owner}", seconds=30)

    async def loses(self, lead: UUID) -> None:
        now, type_ = datetime.now(UTC), OutcomeType.CLOSED_LOST
        lost = OutcomeRecorded(
            outcome_id=uuid7(), lead_id=lead, sequence=1, type=type_, stage=STAGE_OF[type_], occurred_at=now, recorded_at=now,
            recorded_by="ann", attribution=Attribution(),
        )  # fmt: skip
        await self.platform.publish("outcomes", self.tenant, lost)
        await self.becomes(lead, "closed", None)


@pytest.fixture
async def team(intake: Platform, tenant: str) -> Team:
    await intake.introduce(tenant, "intake")
    return Team(intake, tenant)


async def test_a_lead_is_received_routed_assigned_worked_and_closed(team: Team) -> None:
    early = await team.submit("early")
    assert (await team.status(early)).status == "received"
    await team.publish(desk={"chain": [{"kind": "round_robin"}], "sla_minutes": 60})
    assert (await team.status(early)).status == "routed"
    await team.agent("ann", 1)
    await team.becomes(early, "assigned", "ann")
    late = await team.submit("late")
    assert (await team.status(late)).status == "routed", "ann is full"
    await team.platform.publish("outreach", team.tenant, message_sent(early, datetime.now(UTC)))
    await team.becomes(early, "worked", "ann")
    await team.loses(early)
    await team.becomes(late, "assigned", "ann")
    kinds = [decision.kind for decision in (await team.ask(GetLeadDecisions(lead_id=early))).decisions]
    assert kinds == ["unassigned", "assigned", "routed"]


async def test_who_was_erased_and_came_back_is_worked_on_although_the_lead_had_been_closed(team: Team) -> None:
    await team.publish(desk={"chain": [{"kind": "round_robin"}]})
    lead = await team.submit("1", email="jo@example.com")
    await team.loses(lead)
    erased = await team.ask(EraseLead(lead_id=lead))
    await team.ask(LiftSuppression(erasure_id=erased.erasure_id, reason="came_back"))
    assert (await team.status(lead)).status == "closed"
    await team.agent("ann")
    assert await team.submit("1", email="jo@example.com") == lead
    await team.becomes(lead, "assigned", "ann")
    await team.platform.publish("outreach", team.tenant, message_sent(lead, datetime.now(UTC)))
    await team.becomes(lead, "worked", "ann")


async def test_a_lead_that_somebody_can_be_given_at_once_never_waits(team: Team) -> None:
    """Its one decision and its one event tell both where it went and to whom."""
    await team.publish(desk={"chain": [{"kind": "round_robin"}]})
    await team.agent("ann", 1)
    first, second = await team.submit("first"), await team.submit("second")
    status = await team.status(first)
    assert (status.status, status.owner, status.rule, status.routing_version) == ("assigned", "ann", "all", 1)
    (decision,) = (await team.ask(GetLeadDecisions(lead_id=first))).decisions
    assert decision.kind == "assigned"
    assert decision.trace["eligible"] == {"ann": "0/1"}
    assert decision.trace["route"]["rules"] == {"all": None}
    (decision,) = (await team.ask(GetLeadDecisions(lead_id=second))).decisions
    assert (decision.kind, decision.trace["rules"]) == ("routed", {"all": None})
    assert decision.trace["nobody_took_it"]["verdicts"] == {"full": ["ann"]}
    told = Desk(team.platform, team.tenant).told
    (assigned,) = await told("lead_assigned", 1)
    assert (assigned["lead_id"], assigned["rule"], assigned["routing_version"]) == (str(first), "all", 1)
    assert [event["lead_id"] for event in await told("lead_routed", 1)] == [str(second)]


async def test_leads_that_come_over_the_bus_are_given_out_in_the_same_breath(team: Team) -> None:
    await team.publish(
        {"name": "ohio", "priority": 1, "when": {"geo": ["*_oh"]}, "workspace": "field"}, desk={}, field={}
    )
    await team.agent("ann", 50)
    await team.agent("bob", 50, workspaces=["field"])
    async with team.platform.connect("operator") as client:
        for number in range(40):
            geo = "Dublin, OH" if number % 4 else "Paris"
            lead = SubmitLead(source_system="web", source_id=f"s{number}", full_name="Jo", geo=geo)
            await client.jetstream().publish(lead.topic.subject(team.tenant), lead.model_dump_json().encode())

    async def all_given() -> bool:
        seen = [await team.ask(GetWorkload(workspace=name)) for name in ("desk", "field")]
        return [workload.active_leads for workload in seen] == [10, 30]

    await until(all_given, what="every lead given out", seconds=30)


async def test_of_all_who_claim_at_once_one_gets_the_lead(team: Team) -> None:
    await team.publish(desk={"chain": [{"kind": "manual"}]})
    users = [f"u{number}" for number in range(6)]
    for user in users:
        await team.agent(user)
    lead = await team.submit("1")
    results = await asyncio.gather(
        *(team.ask(ClaimLead(lead_id=lead, user_id=user)) for user in users), return_exceptions=True
    )
    (won,) = [result.user_id for result in results if not isinstance(result, BaseException)]
    assert [result.problem.code for result in results if isinstance(result, ProblemError)] == [ProblemCode.CONFLICT] * 5
    assert (await team.status(lead)).owner == won
    assert len((await team.ask(ListAssignments(lead_id=lead))).assignments) == 1


async def test_a_lead_sent_somewhere_by_hand_is_given_out_there(team: Team) -> None:
    await team.publish(desk={"chain": [{"kind": "manual"}]}, field={})
    await team.agent("bob", workspaces=["field"])
    lead = await team.submit("1")
    await team.ask(RouteLead(lead_id=lead, workspace="field", actor="boss"))
    assert (await team.status(lead)).owner == "bob"


async def test_the_clock_finds_absences_that_have_begun(team: Team) -> None:
    await team.publish(desk={"on_absence": "return_to_queue"})
    await team.agent("ann")
    lead = await team.submit("1")
    assert (await team.status(lead)).owner == "ann"
    soon = datetime.now(UTC) + timedelta(milliseconds=300)
    await team.ask(SetTimeOff(user_id="ann", starts_at=soon))

    async def returned() -> bool:
        await team.platform.caller.ask(PLATFORM, RunJob(job="distribute"), of="intake", seconds=30)
        return (await team.status(lead)).owner is None

    await until(returned, what="the lead back in the queue", seconds=30)


async def test_submissions_claims_and_completions_at_once_end_with_one_owner_each(team: Team) -> None:
    await team.publish(desk={})
    users = [f"u{number}" for number in range(4)]
    for user in users:
        await team.agent(user, 3)
    leads: list[UUID] = []

    async def submit(lane: int) -> None:
        for number in range(10):
            leads.append(await team.submit(f"{lane}-{number}"))

    async def work(user: str) -> None:
        for _ in range(10):
            for assignment in (await team.ask(ListAssignments(user_id=user, active=True))).assignments[:1]:
                await team.ask(CompleteWork(lead_id=assignment.lead_id, actor=user))

    await asyncio.gather(*(submit(lane) for lane in range(3)), *(work(user) for user in users))
    seen = await team.ask(GetWorkload(workspace="desk"))
    assert all(agent.active_leads <= 3 for agent in seen.agents)
    states = [await team.status(lead) for lead in leads]
    assert all((state.owner is not None) == (state.status == "assigned") for state in states)
    waiting = sum(state.status == "routed" for state in states)
    assert waiting == seen.waiting
    assert waiting == 0 or all(agent.active_leads == 3 for agent in seen.agents)
