"""Outcomes are recorded once, with the attribution of that moment, for good; what contradicts is blocked."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import asyncpg
import pytest

from chassis.received import encode
from contracts.message import ProblemCode, ProblemError
from contracts.outcomes import (
    CountRecordings,
    LeadState,
    OutcomeHistory,
    RecordOutcome,
    RecordOutcomesNow,
    Refusal,
)
from contracts.values import LeadRef
from tests.outcomes.desk import CREATED_AT, Desk, accepted, of_source, order, outcomes, updated
from tests.platform import Platform


async def test_an_outcome_keeps_the_attribution_its_lead_had_though_the_lead_changes_later(desk: Desk) -> None:
    first = accepted(source_key="web", geo_key="dublin_oh", intent="seller", tier="A")
    second = updated(first, source_key="web", geo_key="columbus_oh", tier="B")
    await desk.arrive(first)
    await desk.verdicts(*await desk.give(order(of_source(), "contacted")))
    await desk.hear(second)
    seen_then = order(of_source(submission_id=first.submission_id), "appointment_set")
    seen_now = order(of_source(submission_id=second.submission_id), "closed_won", value=Decimal("350000.50"))
    latest = order(LeadRef(lead_id=first.lead_id), "contacted", occurred_at=datetime.now(UTC))
    await desk.verdicts(*await desk.give(seen_then, seen_now, latest))

    history = await desk.history(first.lead_id)
    assert [(view.sequence, view.type, view.attribution) for view in history] == [
        (1, "contacted", first.attribution),
        (2, "appointment_set", first.attribution),
        (3, "closed_won", second.attribution),
        (4, "contacted", second.attribution),
    ]
    assert {view.occurred_at for view in history[:3]} == {CREATED_AT}, "the default is when the lead was created"
    events = await desk.recorded(at_least=4)
    assert [event.attribution for event in events] == [view.attribution for view in history]
    assert (events[2].value, events[2].value_band, events[2].stage) == (Decimal("350000.50"), "300k-500k", "won")
    assert (history[2].value, history[2].value_band, history[2].recorded_by) == (
        Decimal("350000.50"), "300k-500k", "user:7",
    )  # fmt: skip


async def test_an_outcome_reported_again_is_the_same_outcome(desk: Desk) -> None:
    lead = accepted()
    await desk.arrive(lead)
    twice = order(of_source(), "contacted", "contacted")
    by_key = order(of_source(), "contacted", idempotency_key="the second call that day")
    one = RecordOutcome(lead=of_source(), outcome=outcomes("contacted")[0])
    first, again, alone, other = await desk.results(*await desk.give(twice, twice, one, by_key))
    assert [result.verdict for result in (*first, *again, *alone, *other)] == [
        "recorded", "duplicate", "duplicate", "duplicate", "duplicate", "recorded",
    ]  # fmt: skip
    assert {result.outcome_id for result in (*first, *again, *alone)} == {first[0].outcome_id}
    now = RecordOutcomesNow(lead=of_source(), outcomes=outcomes("contacted"))
    assert [result.outcome_id for result in (await desk.ask(now)).results] == [first[0].outcome_id]
    assert [view.sequence for view in await desk.history(lead.lead_id)] == [1, 2]


async def test_won_and_lost_block_each_other_unless_an_admin_gives_a_reason(desk: Desk) -> None:
    won, lost = accepted("won"), accepted("lost")
    await desk.arrive(won, lost)
    reason = "closed by mistake, says Jane Roe"
    lost_first, won_first, overridden = await desk.results(
        *await desk.give(
            order(of_source("lost"), "closed_lost", "closed_won"),
            order(of_source("won"), "closed_won", "closed_lost"),
            order(of_source("lost"), "closed_won", override_reason=reason),
        )
    )
    assert [(r.verdict, r.refusal) for r in lost_first] == [("recorded", None), ("blocked", Refusal.WON_AFTER_LOST)]
    assert [(r.verdict, r.refusal) for r in won_first] == [("recorded", None), ("blocked", Refusal.LOST_AFTER_WON)]
    assert [r.verdict for r in overridden] == ["recorded"]
    assert [view.overridden for view in await desk.history(lost.lead_id)] == [False, True]
    assert [(event.lead_id, event.refusal, event.occurred_at) for event in await desk.refused(at_least=2)] == [
        (lost.lead_id, Refusal.WON_AFTER_LOST, CREATED_AT),
        (won.lead_id, Refusal.LOST_AFTER_WON, CREATED_AT),
    ]
    state = await desk.state(lost.lead_id)
    assert (state.won, state.lost, state.last_outcome) == (True, True, "closed_won")


async def test_an_upstream_overrides_nothing_for_it_is_no_admin(desk: Desk) -> None:
    await desk.arrive(accepted("lost"))
    await desk.verdicts(*await desk.give(order(of_source("lost"), "closed_lost")))
    ids = [uuid4(), uuid4()]
    waits = order(of_source("later"), "closed_lost", "closed_won", override_reason="says who")
    async with desk.platform.upstream(desk.tenant) as upstream:
        for id_, command in zip(
            ids, (order(of_source("lost"), "closed_won", override_reason="says who"), waits), strict=True
        ):
            subject = command.topic.subject(desk.tenant)
            await upstream.jetstream().publish(subject, encode(command), headers={"ce-id": str(id_)})
    [blocked], _ = await desk.results(*ids, waiting=True)
    assert (blocked.verdict, blocked.refusal) == ("blocked", Refusal.WON_AFTER_LOST)
    await desk.arrive(accepted("later"))
    [_, later] = (await desk.results(*ids))[1]
    assert later.verdict == "blocked", "however long it waited"


async def test_the_state_follows_the_dates_and_then_the_recorded_order(desk: Desk) -> None:
    lead = accepted()
    await desk.arrive(lead)
    assert (await desk.state(lead.lead_id)).last_outcome is None
    late, early = CREATED_AT + timedelta(days=2), CREATED_AT + timedelta(days=1)
    await desk.verdicts(
        *await desk.give(
            order(of_source(), "appointment_set", "invalid", occurred_at=late),
            order(of_source(), "contacted", occurred_at=early),
        )
    )
    state = await desk.state(lead.lead_id)
    assert (state.last_outcome, state.stage, state.last_outcome_at, state.invalid) == ("invalid", "invalid", late, True)
    assert [(view.type, view.sequence, view.warnings) for view in await desk.history(lead.lead_id)] == [
        ("contacted", 3, ["after_invalid"]),
        ("appointment_set", 1, ["appointment_before_contacted"]),
        ("invalid", 2, []),
    ]


async def test_an_outcome_in_the_future_is_refused_and_those_beside_it_are_not(desk: Desk) -> None:
    lead = accepted()
    await desk.arrive(lead)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    asked = RecordOutcomesNow(
        lead=of_source(), outcomes=[*outcomes("contacted"), *outcomes("closed_won", occurred_at=tomorrow)]
    )
    results = (await desk.ask(asked)).results
    assert [(r.verdict, r.refusal) for r in results] == [("recorded", None), ("refused", Refusal.IN_FUTURE)]
    assert [(e.refusal, e.occurred_at) for e in await desk.refused(at_least=1)] == [(Refusal.IN_FUTURE, tomorrow)]


async def test_nobody_changes_or_deletes_an_outcome_not_even_the_owner_of_the_table(
    desk: Desk, running: Platform
) -> None:
    await desk.arrive(accepted())
    await desk.verdicts(*await desk.give(order(of_source(), "contacted")))
    for role, take_over in (("leadloop_outcomes", "reset role"), ("postgres", "set role leadloop_outcomes_owner")):
        async with running.sql(role) as sql:
            await sql.execute("set search_path to outcomes")
            await sql.execute(take_over)
            await sql.fetch("select set_config('app.tenants', $1, false)", f"{{{desk.tenant}}}")
            assert await sql.fetchval("select count(*) from outcome") == 1
            changes = ("update outcome set type = 'closed_won'", "update outcome set sealed = null, value = 1")
            for statement in (*changes, "delete from outcome", "truncate outcome"):
                with pytest.raises(asyncpg.PostgresError, match=r"append-only|permission denied for table outcome"):
                    await sql.execute(statement)


async def test_another_tenant_s_lead_does_not_exist(desk: Desk, other_desk: Desk) -> None:
    lead = accepted()
    await desk.arrive(lead)
    await desk.verdicts(*await desk.give(order(of_source(), "contacted")))
    reference = LeadRef(lead_id=lead.lead_id)
    for request in (
        RecordOutcomesNow(lead=reference, outcomes=outcomes("contacted")),
        RecordOutcomesNow(lead=of_source(), outcomes=outcomes("contacted")),
        OutcomeHistory(lead_id=lead.lead_id),
        LeadState(lead_id=lead.lead_id),
    ):
        with pytest.raises(ProblemError) as refused:
            await other_desk.ask(request)
        assert refused.value.problem.code is ProblemCode.NOT_FOUND
        assert refused.value.problem.field
    assert await other_desk.verdicts(*await other_desk.give(order(reference, "closed_won")), waiting=True) == [
        ["waiting"]
    ]
    assert len(await desk.history(lead.lead_id)) == 1


async def test_a_lead_without_the_submission_named_is_not_found_by_who_waits_for_the_answer(desk: Desk) -> None:
    await desk.arrive(accepted())
    with pytest.raises(ProblemError) as refused:
        await desk.ask(RecordOutcomesNow(lead=of_source(submission_id=uuid4()), outcomes=outcomes("contacted")))
    assert (refused.value.problem.code, refused.value.problem.field) == (ProblemCode.NOT_FOUND, "lead.submission_id")


async def test_free_text_is_sealed_everywhere_and_opened_in_the_history_only(desk: Desk, running: Platform) -> None:
    lead = accepted("known")
    await desk.arrive(lead)
    canaries = ("call 614-555-0142 after six", "Jane Roe closed it by mistake")
    for source_id, waits in (("known", False), ("unknown", True)):
        text = {"notes": canaries[0], "override_reason": canaries[1]}
        given = await desk.give(order(of_source(source_id), "closed_lost", "closed_won", "contacted", **text))
        await desk.verdicts(*given, waiting=waits)
    assert [view.notes for view in await desk.history(lead.lead_id)] == [canaries[0]] * 3

    clear = [*canaries, *(text.encode().hex() for text in canaries), "614-555-0142", "Jane Roe"]
    async with running.sql() as sql:
        tables = [row[0] for row in await sql.fetch("select tablename from pg_tables where schemaname = 'outcomes'")]
        places = {table: str(await sql.fetch(f"select t::text from outcomes.{table} as t")) for table in tables}
    assert {"outcome", "waiting", "outbox", "recording"} <= places.keys()
    places["events"] = str(await desk.stored("*", at_least=3))
    assert [(place, text) for place, content in places.items() for text in clear if text in content] == []


async def test_the_verdicts_of_a_run_are_counted_as_they_stand(desk: Desk) -> None:
    await desk.arrive(accepted())
    given = await desk.give(order(of_source(), "closed_won", "closed_won", "closed_lost", "contacted"))
    await desk.verdicts(*given)
    counts = (await desk.ask(CountRecordings(correlation_id=given[0]))).counts
    assert counts == {"recorded": 2, "duplicate": 1, "blocked": 1}
    assert (await desk.ask(CountRecordings(correlation_id=uuid4()))).counts == {}
