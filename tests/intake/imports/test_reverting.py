"""An import is taken back: what nobody touched is withdrawn, its outcomes count no more, the rest stays and it is said why."""

from datetime import UTC, datetime
from functools import partial

import pytest

from contracts.intake import imports as messages
from contracts.intake.imports import ImportState, KeptFor
from contracts.intake.leads import GetLead, SubmitLead, SubmitLeadNow
from contracts.intake.routing import (
    GetLeadStatus,
    ListWorkQueue,
    NewRoutingConfiguration,
    PublishRouting,
    SaveRoutingDraft,
)
from contracts.message import ProblemCode, ProblemError
from contracts.outcomes import Outcome, OutcomeHistory, RecordOutcomesNow
from contracts.taxonomy import OutcomeType
from contracts.values import LeadRef
from tests.intake.imports.scene import ACTOR, Scene, file_of, row
from tests.outreach.told import message_sent
from tests.waiting import until


async def test_leads_that_nobody_touched_are_withdrawn_and_may_come_again(scene: Scene) -> None:
    content = file_of([row(number, outcome="contacted") for number in range(1, 4)])
    view = await scene.imported(content)
    before = await scene.leads()
    reverted = await scene.reverted(view.run_id)
    assert reverted.reverted
    assert (reverted.reverted.withdrawn, reverted.reverted.kept, reverted.reverted.outcomes_voided) == (3, 0, 3)
    assert await scene.leads() == {}
    assert await scene.outcomes() == []
    withdrawn = await scene.told("lead_withdrawn")
    assert {each["lead_id"] for each in withdrawn} == {str(lead["lead_id"]) for lead in before.values()}
    for table in ("vault", "person_key", "person_token", "name_block"):
        assert not await scene.rows(f"select from intake.{table} where tenant_id = $1"), table
    (told,) = await scene.told("import_reverted")
    assert told["reverted"] == {"withdrawn": 3, "kept": 0, "outcomes_voided": 3}

    async def forgotten() -> bool:
        names = await scene.rows("select names from outreach.lead where tenant_id = $1 and erased")
        return len(names) == 3 and not any(each["names"] for each in names)

    await until(forgotten, what="outreach forgetting whom it could reach")
    again = await scene.imported(content)
    assert again.counts.rejected == 0
    assert again.counts.accepted + again.counts.updated == 3
    assert set(await scene.leads()) == {"L-1", "L-2", "L-3"}
    assert again.counts.outcomes_recorded == 3
    assert await scene.outcomes() == [("L-1", "contacted"), ("L-2", "contacted"), ("L-3", "contacted")]
    reverted = await scene.reverted(again.run_id)
    assert reverted.reverted
    assert (reverted.reverted.withdrawn, reverted.reverted.kept) == (3, 0)
    assert await scene.leads() == {}


async def test_a_lead_that_comes_again_is_given_out_as_one_that_never_came_is(scene: Scene) -> None:
    rules = NewRoutingConfiguration.model_validate(
        {"rules": [{"name": "all", "workspace": "sales"}], "workspaces": {"sales": {}}}
    )
    draft = await scene.ask(SaveRoutingDraft(configuration=rules, actor=ACTOR))
    await scene.ask(PublishRouting(version=draft.version, expected=None, actor=ACTOR))
    content = file_of([row(1, outcome="closed_won")])
    view = await scene.imported(content)
    (lead,) = (await scene.leads()).values()

    async def is_(status: str) -> bool:
        return (await scene.ask(GetLeadStatus(lead_id=lead["lead_id"]))).status == status

    await until(partial(is_, "closed"), what="the outcome closing the lead")
    await scene.reverted(view.run_id)
    await scene.imported(file_of([row(1)]))
    assert await is_("routed")
    queue = await scene.ask(ListWorkQueue(workspace="sales"))
    assert [each.lead_id for each in queue.leads] == [lead["lead_id"]]


async def test_leads_that_somebody_touched_stay_and_it_is_said_why(scene: Scene) -> None:
    view = await scene.imported(
        file_of([row(number, outcome="contacted" if number == 2 else "") for number in range(1, 6)])
    )
    leads = {source_id: lead["lead_id"] for source_id, lead in (await scene.leads()).items()}
    changed = SubmitLead(source_system="crm", source_id="L-1", full_name="Ada 1", email="ada1@example.com", tier="B")
    await scene.ask(SubmitLeadNow(**changed.model_dump()))
    await scene.ask(
        RecordOutcomesNow(
            lead=LeadRef(lead_id=leads["L-2"]), outcomes=[Outcome(type=OutcomeType.APPOINTMENT_SET)], recorded_by=ACTOR
        )
    )
    await scene.rows(
        "insert into intake.progress (tenant_id, lead_id, messaged_at) values ($1, $2, now())", leads["L-3"]
    )
    await scene.rows(
        """insert into intake.assignment (tenant_id, assignment_id, lead_id, user_id, workspace, version, assigned_at, assigned_by)
           values ($1, gen_random_uuid(), $2, 'ada', 'sales', 1, now(), 'user')""",
        leads["L-4"],
    )
    reverted = await scene.reverted(view.run_id)
    assert reverted.reverted
    assert (reverted.reverted.withdrawn, reverted.reverted.kept, reverted.reverted.outcomes_voided) == (1, 4, 1)
    page = await scene.ask(messages.ListKeptLeads(run_id=view.run_id))
    assert {each.lead_id: each.kept_for for each in page.leads} == {
        leads["L-1"]: KeptFor.CHANGED,
        leads["L-2"]: KeptFor.OUTCOME,
        leads["L-3"]: KeptFor.CONTACTED,
        leads["L-4"]: KeptFor.ASSIGNED,
    }
    assert set(await scene.leads()) == {"L-1", "L-2", "L-3", "L-4"}
    history = await scene.ask(OutcomeHistory(lead_id=leads["L-2"]))
    assert [(each.type, each.void is not None) for each in history.outcomes] == [
        (OutcomeType.CONTACTED, True),
        (OutcomeType.APPOINTMENT_SET, False),
    ]
    assert history.outcomes[0].void
    assert history.outcomes[0].void.voided_by == ACTOR


async def test_leads_that_were_there_before_stay_as_they_are(scene: Scene) -> None:
    await scene.imported(file_of([row(1)]))
    second = await scene.imported(file_of([row(1, tier="B"), row(2)]))
    reverted = await scene.reverted(second.run_id)
    assert reverted.reverted
    assert reverted.reverted.withdrawn == 1
    assert set(await scene.leads()) == {"L-1"}


async def test_what_is_under_way_is_cancelled_first_and_a_revert_done_twice_is_one(scene: Scene) -> None:
    run_id = await scene.uploaded(file_of([row(1)]))
    with pytest.raises(ProblemError) as refused:
        await scene.ask(messages.RevertImport(run_id=run_id, actor=ACTOR))
    assert refused.value.problem.code is ProblemCode.CONFLICT
    await scene.started(run_id)
    await scene.reverted(run_id)
    assert (await scene.ask(messages.RevertImport(run_id=run_id, actor=ACTOR))).state is ImportState.REVERTED
    assert len(await scene.told("lead_withdrawn")) == 1


async def test_a_lead_that_was_messaged_is_known_to_be(scene: Scene) -> None:
    """The mark that keeps it: an import's own outcomes leave none."""
    view = await scene.imported(file_of([row(1, outcome="contacted"), row(2)]))
    leads = {source_id: lead["lead_id"] for source_id, lead in (await scene.leads()).items()}
    assert (await scene.ask(GetLead(lead_id=leads["L-2"]))).lead_id == leads["L-2"]
    await scene.platform.publish("outreach", scene.tenant, message_sent(leads["L-2"], datetime.now(UTC)))

    async def marked() -> bool:
        rows = await scene.rows("select lead_id from intake.progress where tenant_id = $1 and messaged_at is not null")
        return [each["lead_id"] for each in rows] == [leads["L-2"]]

    await until(marked, what="the message being noted")
    await scene.reverted(view.run_id)
    assert set(await scene.leads()) == {"L-2"}
