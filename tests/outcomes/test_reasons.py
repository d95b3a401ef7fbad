"""A tenant may say which reason codes there are; an outcome with another one is refused, by whatever way it comes."""

import pytest

from contracts.message import ProblemCode, ProblemError
from contracts.outcomes import (
    BulkRow,
    Outcome,
    OutcomeReasonRefused,
    RecordOutcomesInBulk,
    RecordOutcomesNow,
    VoidOutcome,
)
from contracts.values import LeadRef
from tests.outcomes.desk import CREATED_AT, Desk, accepted, of_source, order, outcomes


async def test_a_reason_code_that_the_tenant_has_not_is_refused_by_name(desk: Desk) -> None:
    lead = accepted()
    await desk.arrive(lead)
    any_code = order(of_source(), "closed_lost", reason_code="whim")
    [[before]] = await desk.results(*await desk.give(any_code))
    assert before.verdict == "recorded", "a tenant without a list takes any code"
    await desk.change_settings(reason_codes={"price", "duplicate"})

    again, unknown, known, none = await desk.results(
        *await desk.give(
            any_code,
            order(of_source(), "contacted", "invalid", reason_code="whims"),
            order(of_source(), "contacted", reason_code="price"),
            order(of_source(), "contacted", idempotency_key="none"),
        )
    )
    assert [result.verdict for result in again] == ["duplicate"], "what was recorded is not judged anew"
    assert [(r.verdict, r.refusal, r.refused_for) for r in unknown] == [("refused", None, "reason_code_unknown")] * 2
    assert [result.verdict for result in (*known, *none)] == ["recorded"] * 2
    events = [
        OutcomeReasonRefused.model_validate_json(body)
        for body in await desk.stored("outcome_reason_refused", at_least=2)
    ]
    assert [(e.lead_id, e.type, e.occurred_at, e.reason_code) for e in events] == [
        (lead.lead_id, "contacted", CREATED_AT, "whims"), (lead.lead_id, "invalid", CREATED_AT, "whims"),
    ]  # fmt: skip

    named = LeadRef(lead_id=lead.lead_id)
    asked = await desk.ask(RecordOutcomesNow(lead=named, outcomes=outcomes("invalid", reason_code="whim")))
    assert asked.results[0].refused_for == "reason_code_unknown"
    row = BulkRow(lead_id=lead.lead_id, reason_code="whim")
    bulk = await desk.ask(RecordOutcomesInBulk(outcome=Outcome(type="invalid"), rows=[row]))
    assert [(group.verdict, group.refused_for) for group in bulk.verdicts] == [("refused", "reason_code_unknown")]

    void = VoidOutcome(lead_id=lead.lead_id, outcome_id=before.outcome_id, reason_code="whim")
    with pytest.raises(ProblemError) as refused:
        await desk.ask(void)
    assert (refused.value.problem.code, refused.value.problem.field) == (ProblemCode.INVALID, "reason_code")
    assert refused.value.problem.message == "not one of the tenant's reason codes: duplicate, price"
    assert not (await desk.ask(void.model_copy(update={"reason_code": "duplicate"}))).already
