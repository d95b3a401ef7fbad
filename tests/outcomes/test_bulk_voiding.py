"""Many outcomes are taken back in one request: those that are named, or all that a bulk recorded."""

from uuid import uuid4

import pytest
from pydantic import ValidationError

from contracts.message import ProblemCode, ProblemError
from contracts.outcomes import (
    MAX_VOIDED_ROWS,
    BulkRow,
    BulkVoidResults,
    LeadFilter,
    ListBulks,
    Outcome,
    OutcomeRef,
    RecordOutcomesInBulk,
    VoidOutcomesInBulk,
)
from outcomes import voiding
from tests.outcomes.desk import Desk, accepted, of_source, order


async def void(desk: Desk, **fields: object) -> BulkVoidResults:
    request = VoidOutcomesInBulk(**{"voided_by": "user:7", **fields})  # type: ignore[arg-type]
    return await desk.platform.caller.ask(desk.tenant, request, seconds=30)


def ref(lead: object, outcome: object) -> OutcomeRef:
    return OutcomeRef(lead_id=getattr(lead, "lead_id", lead), outcome_id=outcome)  # type: ignore[arg-type]


async def test_all_that_a_bulk_recorded_is_voided_at_once_and_nothing_else(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voiding, "_AT_ONCE", 2)
    leads = [accepted(str(number), source_key="web", tier="A") for number in range(5)]
    await desk.arrive(*leads)
    await desk.verdicts(*await desk.give(order(of_source("0"), "contacted")))
    record = RecordOutcomesInBulk(
        outcome=Outcome(type="invalid"), leads=LeadFilter(source_key="web"), recorded_by="user:7"
    )
    done = await desk.ask(record)
    assert done.counts == {"recorded": 5}
    assert done.bulk_id
    (bulk,) = (await desk.ask(ListBulks())).bulks
    assert (bulk.bulk_id, bulk.types, bulk.recorded_by) == (done.bulk_id, {"invalid": 5}, "user:7")
    assert bulk.voided_at is None

    voided = await void(desk, bulk_id=done.bulk_id, reason_code="wrong_list", reason="Jane Roe's list")
    assert (voided.counts, voided.verdicts) == ({"voided": 5}, [])
    events = await desk.voided(at_least=5)
    assert {event.lead_id for event in events} == {lead.lead_id for lead in leads}
    assert {(event.reason_code, event.voided_by, event.attribution.tier) for event in events} == {
        ("wrong_list", "user:7", "A")
    }
    contacted, taken_back = await desk.history(leads[0].lead_id)
    assert contacted.void is None
    assert taken_back.void
    assert taken_back.void.reason == "Jane Roe's list"
    assert [(await desk.state(lead.lead_id)).invalid for lead in leads] == [False] * 5
    (bulk,) = (await desk.ask(ListBulks())).bulks
    assert bulk.voided_by == "user:7"

    again = await void(desk, bulk_id=done.bulk_id, voided_by="user:8")
    assert again.counts == {"already": 5}
    assert (await desk.ask(ListBulks())).bulks == [bulk]
    assert len(await desk.voided(at_least=5)) == 5


async def test_each_named_outcome_has_its_own_verdict(desk: Desk, other_desk: Desk) -> None:
    lead, other = accepted("a"), accepted("b")
    await desk.arrive(lead, other)
    [[contacted, won]] = await desk.results(*await desk.give(order(of_source("a"), "contacted", "closed_won")))
    rows = [
        ref(lead, won.outcome_id), ref(lead, uuid4()), ref(other, contacted.outcome_id), ref(lead, won.outcome_id),
        ref(lead, contacted.outcome_id),
    ]  # fmt: skip
    nobodys = await void(other_desk, rows=rows)
    assert nobodys.counts == {"unknown": 5}
    done = await void(desk, rows=rows)
    assert done.counts == {"voided": 2, "unknown": 2, "already": 1}
    assert [(group.verdict, group.rows) for group in done.verdicts] == [("already", [3]), ("unknown", [1, 2])]
    assert (await desk.state(lead.lead_id)).last_outcome is None


async def test_a_bulk_that_recorded_nothing_is_none_and_another_tenants_is_not_found(
    desk: Desk, other_desk: Desk
) -> None:
    lead = accepted()
    await desk.arrive(lead)
    nothing = await desk.ask(RecordOutcomesInBulk(outcome=Outcome(type="contacted"), rows=[BulkRow(lead_id=uuid4())]))
    assert nothing.bulk_id is None
    assert (await desk.ask(ListBulks())).bulks == []
    done = await desk.ask(RecordOutcomesInBulk(outcome=Outcome(type="contacted"), rows=[BulkRow(lead_id=lead.lead_id)]))
    for who, bulk_id in ((other_desk, done.bulk_id), (desk, uuid4())):
        with pytest.raises(ProblemError) as refused:
            await void(who, bulk_id=bulk_id)
        assert (refused.value.problem.code, refused.value.problem.field) == (ProblemCode.NOT_FOUND, "bulk_id")
    await desk.change_settings(reason_codes=["price"])
    with pytest.raises(ProblemError) as unknown:
        await void(desk, bulk_id=done.bulk_id, reason_code="typo")
    assert unknown.value.problem.field == "reason_code"
    assert (await desk.state(lead.lead_id)).last_outcome == "contacted"


def test_outcomes_are_named_one_way_and_at_most_five_thousand() -> None:
    one = OutcomeRef(lead_id=uuid4(), outcome_id=uuid4())
    for wrong in ({}, {"rows": [one], "bulk_id": uuid4()}, {"rows": [one] * (MAX_VOIDED_ROWS + 1)}):
        with pytest.raises(ValidationError):
            VoidOutcomesInBulk(**wrong)
