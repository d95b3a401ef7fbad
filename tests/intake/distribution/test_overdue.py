"""The time to first contact: a lead that is not contacted goes on, and in the end to a person."""

from datetime import datetime, timedelta

import pytest
from uuid_utils.compat import uuid7

from chassis.jobs import SomeTenantsFailedError
from chassis.unit_of_work import Database
from contracts.intake.distribution import AssignLead, GetWorkload, LeadReassigned, LeadSlaMissed, LeadUnassigned
from intake.distribution import jobs
from tests.intake.distribution.scene import BEGIN, Scene

PROMPT = {"chain": [{"kind": "load_balanced"}], "sla_minutes": 10, "max_reassignments": 1}


async def test_a_lead_that_is_not_contacted_in_time_goes_to_another_agent(scene: Scene) -> None:
    await scene.publish(desk=PROMPT)
    await scene.agent("a")
    (lead,) = await scene.leads(1)
    await scene.fill()
    await scene.agent("b")
    scene.pass_time(minutes=9)
    assert (await scene.minute())["overdue"] == 0
    scene.pass_time(minutes=1)
    assert (await scene.minute())["overdue"] == 1
    assert await scene.owners() == {lead: "b"}
    (missed,) = scene.events(LeadSlaMissed)
    assert (missed.lead_id, missed.user_id, missed.due_at, missed.missed) == (
        lead,
        "a",
        BEGIN + timedelta(minutes=10),
        1,
    )
    (moved,) = scene.events(LeadReassigned)
    assert (moved.from_user_id, moved.user_id, moved.reason, moved.assigned_by) == ("a", "b", "sla_missed", "system")
    assert moved.due_at == scene.now + timedelta(minutes=10)


async def test_after_so_many_reassignments_it_waits_for_a_person_who_may_still_assign_it(scene: Scene) -> None:
    await scene.publish(desk=PROMPT)
    for user in "abc":
        await scene.agent(user)
    (lead,) = await scene.leads(1)
    await scene.fill()
    for _ in range(2):
        scene.pass_time(minutes=10)
        await scene.minute()
    assert await scene.owners() == {}
    work = (await scene.work())[lead]
    assert (work["status"], work["kept_back"]) == ("routed", "not_contacted_in_time")
    assert [event.missed for event in scene.events(LeadSlaMissed)] == [1, 2]
    assert [event.reason for event in scene.events(LeadUnassigned)] == ["sla_missed"]
    scene.pass_time(minutes=10)
    assert await scene.minute() == {"returned": 0, "overdue": 0, "assigned": 0}
    seen = await scene.ask(GetWorkload(workspace="desk"))
    assert (seen.waiting, seen.kept_back) == (1, 1)
    await scene.ask(AssignLead(lead_id=lead, user_id="a", actor="boss"))
    assert await scene.owners() == {lead: "a"}
    assert (await scene.work())[lead]["kept_back"] is None


async def test_it_never_goes_back_to_one_who_missed_it(scene: Scene) -> None:
    await scene.publish(desk={**PROMPT, "max_reassignments": 9})
    for user in "abc":
        await scene.agent(user)
    (lead,) = await scene.leads(1)
    await scene.fill()
    for _ in range(4):
        scene.pass_time(minutes=10)
        await scene.minute()
    assert sorted(event.user_id for event in scene.events(LeadSlaMissed)) == ["a", "b", "c"]
    assert (await scene.work())[lead]["kept_back"] == "nobody_left"


async def test_while_nobody_else_is_there_it_waits_and_goes_on_when_somebody_is(scene: Scene) -> None:
    await scene.publish(desk=PROMPT)
    await scene.agent("a")
    (lead,) = await scene.leads(1)
    await scene.fill()
    await scene.agent("late", working_hours={"mon": [{"start": "12:00", "end": "18:00"}]}, time_zone="UTC")
    scene.pass_time(minutes=10)
    await scene.minute()
    assert await scene.owners() == {}
    scene.pass_time(hours=3)
    await scene.minute()
    assert await scene.owners() == {lead: "late"}


async def test_a_workspace_without_a_limit_waits_for_ever(scene: Scene) -> None:
    await scene.publish(desk={})
    await scene.agent("a")
    (lead,) = await scene.leads(1)
    await scene.fill()
    scene.pass_time(days=400)
    assert (await scene.minute())["overdue"] == 0
    assert await scene.owners() == {lead: "a"}


async def test_whoever_joins_is_given_what_everybody_else_had(scene: Scene) -> None:
    await scene.publish(desk={**PROMPT, "max_reassignments": 9})
    await scene.agent("a")
    (lead,) = await scene.leads(1)
    await scene.fill()
    scene.pass_time(minutes=10)
    await scene.minute()
    assert (await scene.work())[lead]["kept_back"] == "nobody_left"
    kind, trace = (await scene.traces(lead))[-1]
    assert (kind, trace) == ("kept_back", {"workspace": "desk", "reason": "nobody_left", "passed_over": ["a"]})
    await scene.agent("a", capacity=20)
    assert await scene.owners() == {}
    await scene.agent("new")
    assert await scene.owners() == {lead: "new"}


async def test_a_contact_that_was_told_of_and_not_heard_yet_is_waited_for(scene: Scene) -> None:
    """The lead was due at 9:10. The service heard of nothing since 9:05, and events wait for it."""
    await scene.publish(desk=PROMPT)
    await scene.agent("a")
    await scene.agent("b")
    (lead,) = await scene.leads(1)
    await scene.fill()
    ((_, owner),) = (await scene.owners()).items()
    scene.pass_time(minutes=5)
    await scene.rows(
        "delete from heard returning through"
    )  # what other tests' services heard is later than the scene's now
    await scene.hear(scene.sent(uuid7()))
    scene.pass_time(minutes=10)
    assert (await scene.every_minute(behind=3))["overdue"] == 0
    assert await scene.owners() == {lead: owner}
    assert (await scene.every_minute(behind=0))["overdue"] == 1


async def test_a_tenant_whose_leads_cannot_be_given_out_holds_up_no_other(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Scene(scene.database, f"{scene.tenant[:40]}-other")
    await other.know()
    for each in (scene, other):
        await each.publish(desk=PROMPT)
        await each.leads(1)
    done = []

    async def distribute_tenant(_: Database, tenant: str, by: datetime) -> dict[str, int]:
        if tenant == scene.tenant:
            raise ValueError("no")
        done.append(tenant)
        return {}

    monkeypatch.setattr(jobs, "distribute_tenant", distribute_tenant)

    async def behind() -> int:
        return 0

    with pytest.raises(SomeTenantsFailedError, match="1 tenant"):
        await jobs.distribute(scene.database, behind, scene.now)
    assert other.tenant in done
