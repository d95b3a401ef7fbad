"""An order waits for its lead, in order, for a day; nothing that waits is ever left behind."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from contracts.catalogue import EVENTS
from contracts.operations import JobRunView, RunJob
from contracts.outcomes import RecordOutcome, RecordOutcomesNow, Refusal
from contracts.values import LeadRef
from tests.outcomes.desk import Desk, accepted, duplicated, of_source, order, outcomes, rejected, spoilt, updated
from tests.platform import Platform

WAITS = {"waiting": True}


async def test_orders_wait_for_their_lead_and_are_carried_out_in_order_when_it_arrives(desk: Desk) -> None:
    lead = accepted()
    given = await desk.give(
        RecordOutcome(lead=of_source(), outcome=outcomes("contacted", notes="left a message")[0]),
        order(LeadRef(lead_id=lead.lead_id), "appointment_set", "closed_won"),
        order(of_source(submission_id=lead.submission_id), "closed_lost"),
    )
    assert await desk.verdicts(*given, **WAITS) == [["waiting"], ["waiting"] * 2, ["waiting"]]
    await desk.hear(lead)
    assert await desk.verdicts(*given) == [["recorded"], ["recorded"] * 2, ["blocked"]]
    events = await desk.recorded(at_least=3)
    assert [(event.type, event.sequence) for event in events] == [
        ("contacted", 1), ("appointment_set", 2), ("closed_won", 3),
    ]  # fmt: skip
    assert [event.command_id for event in events] == [given[0], given[1], given[1]]
    assert (await desk.history(lead.lead_id))[0].notes == "left a message"


async def test_an_order_waits_for_the_submission_it_names_and_later_ones_wait_behind_it(desk: Desk) -> None:
    lead = accepted(geo_key="dublin_oh")
    repeat = duplicated(lead)
    await desk.arrive(lead)
    front, behind = await desk.give(
        order(of_source(submission_id=repeat.submission_id), "closed_won"),
        order(LeadRef(lead_id=lead.lead_id), "closed_lost"),
    )
    assert await desk.verdicts(front, behind, **WAITS) == [["waiting"], ["waiting"]]
    [later] = await desk.give(order(of_source(), "closed_lost"))
    assert await desk.verdicts(later, **WAITS) == [["waiting"]]
    await desk.hear(updated(lead, geo_key="columbus_oh"))
    await desk.hear(repeat)
    assert await desk.verdicts(front, behind, later) == [["recorded"], ["blocked"], ["blocked"]]
    [won] = await desk.history(lead.lead_id)
    assert won.attribution.geo_key == "dublin_oh", "a repeated submission is seen as the version that it repeats"


async def test_who_waits_for_the_answer_does_not_wait_behind_orders_that_wait(desk: Desk) -> None:
    lead = accepted()
    await desk.arrive(lead)
    [waiting] = await desk.give(order(of_source(submission_id=uuid4()), "contacted"))
    await desk.verdicts(waiting, **WAITS)
    now = await desk.ask(RecordOutcomesNow(lead=of_source(), outcomes=outcomes("invalid")))
    assert [result.verdict for result in now.results] == ["recorded"]


async def test_an_order_is_refused_at_once_when_its_submission_or_its_source_s_lead_is_rejected(desk: Desk) -> None:
    bad = rejected()
    before = await desk.give(
        order(of_source(submission_id=bad.submission_id), "contacted"),
        order(of_source(), "closed_won", "closed_lost"),
        order(LeadRef(lead_id=uuid4(), submission_id=bad.submission_id), "invalid"),
        order(of_source(submission_id=uuid4()), "contacted"),
    )
    assert (await desk.verdicts(*before, **WAITS))[0] == ["waiting"]
    await desk.hear(bad)
    assert await desk.verdicts(*before[:3]) == [["refused"], ["refused"] * 2, ["refused"]]
    assert await desk.verdicts(before[3], **WAITS) == [["waiting"]], "another submission's verdict may still come"
    after = await desk.give(order(of_source(submission_id=bad.submission_id), "invalid"))
    assert await desk.verdicts(*after) == [["refused"]]
    assert {event.refusal for event in await desk.refused(at_least=5)} == {Refusal.LEAD_REJECTED}


async def test_a_rejected_submission_decides_nothing_about_orders_that_name_its_correction(desk: Desk) -> None:
    bad, corrected = rejected(), accepted()
    await desk.hear(bad)
    of_bad, of_corrected = await desk.give(
        order(of_source(submission_id=bad.submission_id), "contacted"),
        order(of_source(submission_id=corrected.submission_id), "closed_won"),
    )
    assert await desk.verdicts(of_bad) == [["refused"]]
    assert await desk.verdicts(of_corrected, **WAITS) == [["waiting"]]
    await desk.hear(corrected)
    assert await desk.verdicts(of_corrected) == [["recorded"]]
    [late] = await desk.give(order(of_source(submission_id=bad.submission_id), "contacted"))
    assert await desk.verdicts(late) == [["refused"]], "that there is a lead now does not make the row good"


async def test_an_order_for_a_source_that_was_rejected_is_refused_at_once_until_there_is_a_lead(desk: Desk) -> None:
    await desk.hear(rejected())
    [before] = await desk.give(order(of_source(), "contacted"))
    assert await desk.verdicts(before) == [["refused"]]
    await desk.arrive(accepted())
    [after] = await desk.give(order(of_source(), "contacted", idempotency_key="after"))
    assert await desk.verdicts(after) == [["recorded"]], "no rejection outlives an acceptance"


async def test_an_order_that_names_a_rejected_submission_of_a_lead_sees_the_lead_as_it_stayed(desk: Desk) -> None:
    lead = accepted(geo_key="dublin_oh")
    bad = spoilt(lead)
    await desk.arrive(lead)
    [before] = await desk.give(order(of_source(submission_id=bad.submission_id), "contacted"))
    assert await desk.verdicts(before, **WAITS) == [["waiting"]]
    moved = updated(lead, geo_key="columbus_oh")
    await desk.hear(bad, moved)
    after = await desk.give(
        order(of_source(submission_id=bad.submission_id), "appointment_set"),
        order(of_source(submission_id=moved.submission_id), "closed_won"),
    )
    assert await desk.verdicts(before, *after) == [["recorded"]] * 3
    seen = [view.attribution.geo_key for view in await desk.history(lead.lead_id)]
    assert seen == ["dublin_oh", "dublin_oh", "columbus_oh"]


async def test_an_order_that_has_its_verdict_keeps_it_when_the_inbox_forgot_the_order(desk: Desk) -> None:
    bad = rejected()
    await desk.hear(bad)
    refused = order(of_source(submission_id=bad.submission_id), "contacted")
    known, recorded = accepted("known"), order(of_source("known"), "contacted")
    await desk.arrive(known)
    ids = await desk.give(refused, recorded)
    verdicts = await desk.verdicts(*ids)
    assert verdicts == [["refused"], ["recorded"]]
    for id_, one in zip(ids, (refused, recorded), strict=True):
        await desk.give_again(id_, one)
    assert await desk.verdicts(*ids) == verdicts
    assert [event.command_id for event in await desk.refused(at_least=1)].count(ids[0]) == 1


async def test_an_order_is_refused_after_a_day_and_those_behind_it_get_their_turn(
    desk: Desk, running: Platform
) -> None:
    lead = accepted("known")
    await desk.arrive(lead)
    lost, behind, young = await desk.give(
        order(of_source("known", uuid4()), "closed_won"),
        order(of_source("known"), "closed_lost"),
        order(of_source("unknown"), "contacted"),
    )
    await desk.verdicts(lost, behind, young, **WAITS)
    await _give_up(desk)
    assert await desk.verdicts(lost, behind, young, **WAITS) == [["waiting"]] * 3
    await _a_day_passes(running, lost, behind)
    assert (await _give_up(desk)).counts == {"refused": 1}
    assert await desk.verdicts(lost, behind) == [["refused"], ["recorded"]]
    assert await desk.verdicts(young, **WAITS) == [["waiting"]]
    [refused] = await desk.refused(at_least=1)
    assert (refused.refusal, refused.lead_id, refused.command_id) == (Refusal.LEAD_UNKNOWN, lead.lead_id, lost)
    assert [view.type for view in await desk.history(lead.lead_id)] == ["closed_lost"]


async def test_no_order_is_given_up_while_events_are_unheard_that_may_tell_of_its_lead(
    desk: Desk, running: Platform
) -> None:
    [given] = await desk.give(order(of_source(), "contacted"))
    await desk.verdicts(given, **WAITS)
    await _a_day_passes(running, given)
    pause = f"$JS.API.CONSUMER.PAUSE.{EVENTS.name}.outcomes"
    until = {"pause_until": (datetime.now(UTC) + timedelta(minutes=1)).isoformat()}
    await running.operator.request(pause, json.dumps(until).encode())
    try:
        lead = accepted()
        await running.publish("intake", desk.tenant, lead)
        assert (await _give_up(desk)).counts == {"refused": 0}
    finally:
        await running.operator.request(pause, b"{}")
    assert await desk.verdicts(given) == [["recorded"]]


async def test_what_was_in_the_future_when_it_was_reported_is_refused_however_long_it_waited(
    desk: Desk, running: Platform
) -> None:
    [given] = await desk.give(order(of_source(), "contacted"))
    await desk.verdicts(given, **WAITS)
    lead = accepted()
    async with running.sql() as sql:
        heard = lead.created_at - timedelta(minutes=6)
        await sql.execute("update outcomes.waiting set heard_at = $1 where command_id = $2", heard, given)
    await desk.hear(lead)
    [[result]] = await desk.results(given)
    assert result.refusal is Refusal.IN_FUTURE


async def _give_up(desk: Desk) -> JobRunView:
    return await desk.platform.caller.ask(desk.tenant, RunJob(job="give_up_waiting"), of="outcomes")


async def _a_day_passes(running: Platform, *command_ids: UUID) -> None:
    async with running.sql() as sql:
        await sql.execute(
            "update outcomes.waiting set waits_until = waits_until - interval '1 day' where command_id = any($1)",
            list(command_ids),
        )
