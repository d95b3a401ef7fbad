"""What was recorded by mistake is taken back by another event, or recorded anew in one; nothing is edited."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from contracts.message import ProblemCode, ProblemError
from contracts.outcomes import CorrectOutcome, Outcome, OutcomeHistory, VoidedRecordings, VoidOutcome, VoidRecordings
from contracts.taxonomy import OutcomeType
from tests.outcomes.desk import CREATED_AT, Desk, accepted, of_source, order, updated

WON, LOST = OutcomeType.CLOSED_WON, OutcomeType.CLOSED_LOST


async def recorded(desk: Desk, *types: str, **fields: Any) -> tuple[Any, list[Any]]:
    """A lead with these outcomes, and their ids."""
    lead = accepted(source_key="web", tier="A")
    await desk.arrive(lead)
    [results] = await desk.results(*await desk.give(order(of_source(), *types, **fields)))
    return lead, [result.outcome_id for result in results]


async def test_a_void_is_an_event_of_its_own_and_the_outcome_stays_as_it_was(desk: Desk) -> None:
    lead, [contacted, won] = await recorded(desk, "contacted", "closed_won", value=Decimal("350000"))
    ask = VoidOutcome(
        lead_id=lead.lead_id, outcome_id=won, reason_code="wrong_lead", reason="that was Jane Roe", voided_by="user:7"
    )
    done = await desk.ask(ask)
    assert (done.outcome_id, done.voided_by, done.corrected_by, done.already) == (won, "user:7", None, False)
    [event] = await desk.voided(at_least=1)
    assert event.attribution == lead.attribution
    assert (event.outcome_id, event.lead_id, event.type, event.occurred_at, event.voided_at) == (
        won, lead.lead_id, WON, CREATED_AT, done.voided_at,
    )  # fmt: skip
    assert (event.voided_by, event.reason_code, event.corrected_by) == ("user:7", "wrong_lead", None)

    first, second = await desk.history(lead.lead_id)
    assert (first.outcome_id, first.void) == (contacted, None)
    assert (second.outcome_id, second.type, second.value) == (won, WON, Decimal("350000"))
    assert second.void
    assert (second.void.voided_at, second.void.voided_by) == (done.voided_at, "user:7")
    assert (second.void.reason_code, second.void.reason) == ("wrong_lead", "that was Jane Roe")
    state = await desk.state(lead.lead_id)
    assert (state.won, state.last_outcome, state.stage) == (False, "contacted", "top_of_funnel")


async def test_a_void_of_what_is_voided_changes_nothing(desk: Desk) -> None:
    lead, [won] = await recorded(desk, "closed_won")
    first = await desk.ask(VoidOutcome(lead_id=lead.lead_id, outcome_id=won, voided_by="user:7"))
    again = await desk.ask(VoidOutcome(lead_id=lead.lead_id, outcome_id=won, voided_by="user:8", reason_code="other"))
    assert again == first.model_copy(update={"already": True})
    await desk.arrive(accepted("later"))
    assert len(await desk.voided(at_least=1)) == 1
    (view,) = await desk.history(lead.lead_id)
    assert view.void
    assert view.void.reason_code is None


async def test_what_is_voided_blocks_nothing_and_comes_back_under_another_key_only(desk: Desk) -> None:
    lead, [lost] = await recorded(desk, "closed_lost")
    await desk.ask(VoidOutcome(lead_id=lead.lead_id, outcome_id=lost))
    repeated, won, anew = await desk.results(
        *await desk.give(
            order(of_source(), "closed_lost"),
            order(of_source(), "closed_won"),
            order(of_source(), "closed_lost", idempotency_key="indeed", override_reason="both"),
        )
    )
    assert [(r.verdict, r.outcome_id, r.voided) for r in repeated] == [("duplicate", lost, True)]
    assert [(r.verdict, r.warnings) for r in won] == [("recorded", [])]
    assert [r.verdict for r in anew] == ["recorded"]
    assert [(view.sequence, view.overridden) for view in await desk.history(lead.lead_id)] == [
        (1, False), (2, False), (3, True),
    ]  # fmt: skip


async def test_what_was_taken_back_with_its_run_is_recorded_again_and_what_a_person_voided_is_not(desk: Desk) -> None:
    lead = accepted(source_key="web")
    await desk.arrive(lead)
    ids = []
    for _ in range(3):  # the corrected file may have to be taken back, too
        [order_id] = await desk.give(order(of_source(), "closed_lost", "contacted"))
        [[lost, contacted]] = await desk.results(order_id)
        assert (lost.verdict, contacted.verdict) == ("recorded", "recorded" if not ids else "duplicate")
        if not ids:
            await desk.ask(VoidOutcome(lead_id=lead.lead_id, outcome_id=contacted.outcome_id))
        ids.append(lost.outcome_id)
        done = await desk.ask(VoidRecordings(correlation_id=order_id, voided_by="user:7"))
        assert done == VoidedRecordings(voided=1, remaining=0)
    [[again, _], [repeated, _]] = await desk.results(
        *await desk.give(*[order(of_source(), "closed_lost", "contacted")] * 2)
    )
    assert (again.verdict, repeated.verdict, repeated.outcome_id) == ("recorded", "duplicate", again.outcome_id)
    history = await desk.history(lead.lead_id)
    assert [view.outcome_id for view in history if view.void is None] == [again.outcome_id]
    assert len({*ids, again.outcome_id}) == 4


async def test_a_correction_records_what_stands_in_the_other_s_stead_credited_as_it_was(desk: Desk) -> None:
    lead, [won] = await recorded(desk, "closed_won", value=Decimal("350000"), currency="USD")
    await desk.arrive(updated(lead, source_key="mail", tier="B"), accepted("last"))
    right = Outcome(type="closed_won", value=Decimal("250000.50"), currency="USD", notes="it was Jane Roe's half")
    ask = CorrectOutcome(
        lead_id=lead.lead_id, outcome_id=won, outcome=right, reason_code="typo", reason="a slip", recorded_by="user:7"
    )
    result = (await desk.ask(ask)).result
    assert (result.verdict, result.type) == ("recorded", WON)
    events = await desk.recorded(at_least=2)
    assert [(event.corrects, event.value, event.value_band) for event in events] == [
        (None, Decimal("350000"), "300k-500k"), (won, Decimal("250000.50"), "200k-300k"),
    ]  # fmt: skip
    assert events[1].attribution == lead.attribution, "as the first was, though the lead has changed since"
    assert events[1].occurred_at == CREATED_AT
    [voided] = await desk.voided(at_least=1)
    assert (voided.outcome_id, voided.corrected_by, voided.voided_by) == (won, result.outcome_id, "user:7")
    before, after = await desk.history(lead.lead_id)
    assert before.void
    assert (before.void.corrected_by, before.void.reason, before.value) == (after.outcome_id, "a slip", 350000)
    assert (after.corrects, after.notes, after.void) == (won, "it was Jane Roe's half", None)

    again = (await desk.ask(ask)).result
    assert (again.verdict, again.outcome_id) == ("duplicate", result.outcome_id)
    for other in (right.model_copy(update={"value": Decimal(1)}), Outcome(type="closed_lost")):
        with pytest.raises(ProblemError) as late:
            await desk.ask(ask.model_copy(update={"outcome": other}))
        assert (late.value.problem.code, late.value.problem.field) == (ProblemCode.CONFLICT, "outcome_id")
    assert len(await desk.history(lead.lead_id)) == 2
    await desk.ask(VoidOutcome(lead_id=lead.lead_id, outcome_id=result.outcome_id))
    with pytest.raises(ProblemError) as gone:
        await desk.ask(ask)
    assert gone.value.problem.code is ProblemCode.CONFLICT, "what stood in its stead stands no more"


async def test_a_correction_is_corrected_and_voided_like_any_outcome(desk: Desk) -> None:
    lead, [first] = await recorded(desk, "closed_won", value=Decimal(100), currency="USD")
    values, ids = [Decimal(200), Decimal(100)], [first]
    for value in values:  # the second says again what the first outcome said
        ask = CorrectOutcome(lead_id=lead.lead_id, outcome_id=ids[-1], outcome=Outcome(type="closed_won", value=value))
        result = (await desk.ask(ask)).result
        assert result.verdict == "recorded"
        ids.append(result.outcome_id)
    history = {view.outcome_id: view for view in await desk.history(lead.lead_id)}
    assert [history[id_].corrects for id_ in ids] == [None, *ids[:-1]]
    assert [void.corrected_by if (void := history[id_].void) else None for id_ in ids] == [*ids[1:], None]
    with pytest.raises(ProblemError) as late:
        await desk.ask(ask.model_copy(update={"outcome_id": first}))
    assert late.value.problem.code is ProblemCode.CONFLICT
    await desk.ask(VoidOutcome(lead_id=lead.lead_id, outcome_id=ids[-1]))
    assert (await desk.state(lead.lead_id)).won is False, "nothing comes back that was taken back before"


async def test_a_correction_to_what_is_recorded_already_changes_nothing(desk: Desk) -> None:
    lead, [contacted, _] = await recorded(desk, "contacted", "appointment_set", idempotency_key="one")
    other = Outcome(type="appointment_set", idempotency_key="one")
    with pytest.raises(ProblemError) as refused:
        await desk.ask(CorrectOutcome(lead_id=lead.lead_id, outcome_id=contacted, outcome=other))
    assert (refused.value.problem.code, refused.value.problem.field) == (ProblemCode.CONFLICT, "outcome")
    assert [view.void for view in await desk.history(lead.lead_id)] == [None, None]


async def test_a_correction_is_judged_as_if_the_first_had_never_been_and_changes_nothing_where_it_is_blocked(
    desk: Desk,
) -> None:
    lead, [invalid, lost] = await recorded(desk, "invalid", "closed_lost")
    blocked = CorrectOutcome(lead_id=lead.lead_id, outcome_id=invalid, outcome=Outcome(type="closed_won"))
    result = (await desk.ask(blocked)).result
    assert (result.verdict, result.refusal) == ("blocked", "won_after_lost")
    tomorrow = Outcome(type="contacted", occurred_at=datetime.now(UTC) + timedelta(days=1))
    refused = (await desk.ask(blocked.model_copy(update={"outcome": tomorrow}))).result
    assert (refused.verdict, refused.refusal) == ("refused", "in_future")
    assert [view.void for view in await desk.history(lead.lead_id)] == [None, None]
    swapped = CorrectOutcome(lead_id=lead.lead_id, outcome_id=lost, outcome=Outcome(type="closed_won"))
    assert (await desk.ask(swapped)).result.verdict == "recorded"
    freed = CorrectOutcome(lead_id=lead.lead_id, outcome_id=invalid, outcome=Outcome(type="contacted"))
    result = (await desk.ask(freed)).result
    assert (result.verdict, result.warnings) == ("recorded", []), "the invalid one that would be odd is gone"
    state = await desk.state(lead.lead_id)
    assert (state.won, state.lost, state.invalid) == (True, False, False)


async def test_another_tenant_s_outcome_and_one_that_never_was_are_not_found(desk: Desk, other_desk: Desk) -> None:
    lead, [won] = await recorded(desk, "closed_won")
    other = accepted("other")
    await desk.arrive(other)
    for asked, lead_id, outcome_id in (
        (other_desk, lead.lead_id, won), (desk, lead.lead_id, uuid4()), (desk, other.lead_id, won),
    ):  # fmt: skip
        for ask in (
            VoidOutcome(lead_id=lead_id, outcome_id=outcome_id),
            CorrectOutcome(lead_id=lead_id, outcome_id=outcome_id, outcome=Outcome(type="contacted")),
        ):
            with pytest.raises(ProblemError) as refused:
                await asked.ask(ask)
            assert (refused.value.problem.code, refused.value.problem.field) == (ProblemCode.NOT_FOUND, "outcome_id")
    assert [view.void for view in await desk.history(lead.lead_id)] == [None]


async def test_a_void_is_never_changed_and_its_words_are_sealed(desk: Desk) -> None:
    lead, [won] = await recorded(desk, "closed_won")
    await desk.ask(VoidOutcome(lead_id=lead.lead_id, outcome_id=won, reason="that was Jane Roe"))
    async with desk.platform.sql() as sql:
        kept = str(await sql.fetch("select v::text from outcomes.outcome_void as v"))
        for change in (
            "update outcomes.outcome_void set voided_by = 'user:9'", "delete from outcomes.outcome_void",
            "truncate outcomes.outcome_void",
        ):  # fmt: skip
            with pytest.raises(asyncpg.RestrictViolationError):
                await sql.execute(change)
    told = str(await desk.stored("*", at_least=2))
    assert [text for text in ("Jane Roe", b"Jane Roe".hex()) if text in kept + told] == []


async def test_the_attribution_of_today_is_told_beside_the_one_that_was_frozen(desk: Desk) -> None:
    lead, _ = await recorded(desk, "contacted")
    now = updated(lead, source_key="mail", tier="B")
    await desk.arrive(now, accepted("last"))
    asked = OutcomeHistory(lead_id=lead.lead_id, attribution_now=True)
    history = await desk.ask(asked)
    assert (history.outcomes[0].attribution, history.attribution_now) == (lead.attribution, now.attribution)
    assert (await desk.ask(OutcomeHistory(lead_id=lead.lead_id))).attribution_now is None
