"""A lead's history is told a page at a time, with what still waits, whatever is written in it."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.message import ProblemCode, ProblemError
from contracts.outcomes import Outcome, OutcomeHistory, OutcomeHistoryView, RecordOutcomes
from contracts.values import LeadRef
from outcomes.domain import HistoryPlace
from tests.outcomes.desk import CREATED_AT, Desk, accepted, of_source, order

LARGE = "\x01" * 20_000
"""The largest note there can be: each of its characters takes six bytes in a message."""


async def pages(desk: Desk, lead_id: UUID, **more: int) -> list[OutcomeHistoryView]:
    found: list[OutcomeHistoryView] = []
    cursor = None
    while True:
        found.append(await desk.ask(OutcomeHistory(lead_id=lead_id, cursor=cursor, **more)))
        if (cursor := found[-1].next_cursor) is None:
            return found


async def test_a_history_of_any_size_is_told_in_pages_that_fit_into_messages(desk: Desk) -> None:
    lead = accepted()
    await desk.arrive(lead)
    large = [
        RecordOutcomes(
            lead=of_source(),
            outcomes=[Outcome(type="contacted", notes=LARGE, occurred_at=CREATED_AT - timedelta(hours=hour))],
        )
        for hour in range(12)
    ]
    await desk.results(*await desk.give(*large))
    told = await pages(desk, lead.lead_id)
    assert len(told) > 1
    ones = [one for page in told for one in page.outcomes]
    assert [(one.sequence, one.notes) for one in ones] == [(number, LARGE) for number in range(12, 0, -1)]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 500])
async def test_the_pages_tell_each_outcome_once_what_waits_first(desk: Desk, limit: int) -> None:
    lead = accepted()
    await desk.arrive(lead)
    same_moment = [order(of_source(), "contacted", idempotency_key=str(number)) for number in range(3)]
    await desk.results(*await desk.give(*same_moment))
    submission = uuid4()
    waiting = await desk.give(
        order(of_source(submission_id=submission), "contacted", "appointment_set", notes="Her knee hurts."),
        order(LeadRef(lead_id=lead.lead_id, submission_id=submission), "closed_won", value=100, currency="USD"),
    )
    await desk.results(*waiting, waiting=True)
    told = await pages(desk, lead.lead_id, limit=limit)
    assert {len(page.waiting) + len(page.outcomes) for page in told[:-1]} <= {limit}
    waits = [one for page in told for one in page.waiting]
    assert [(one.verdict, one.type, one.notes) for one in waits] == [
        ("waiting", "contacted", "Her knee hurts."), ("waiting", "appointment_set", "Her knee hurts."),
        ("waiting", "closed_won", None),
    ]  # fmt: skip
    assert {(one.submission_id, one.recorded_by, one.waits_until > one.ordered_at) for one in waits} == {
        (submission, "user:7", True)
    }
    assert (waits[2].value, waits[2].currency) == (100, "USD")
    assert [one.sequence for page in told for one in page.outcomes] == [1, 2, 3]


async def test_what_waits_for_a_lead_is_told_before_the_lead_is_heard_of(desk: Desk) -> None:
    lead_id = uuid4()
    await desk.results(*await desk.give(order(LeadRef(lead_id=lead_id), "contacted")), waiting=True)
    (told,) = await pages(desk, lead_id)
    assert ([one.type for one in told.waiting], told.outcomes) == (["contacted"], [])


@pytest.mark.parametrize("cursor", ["x", "0", "-1", str(2**63), "waiting:1", "waiting:1:x", "waiting:1:2:3"])
async def test_a_cursor_that_is_none_is_refused(desk: Desk, cursor: str) -> None:
    lead = accepted()
    await desk.arrive(lead)
    with pytest.raises(ProblemError) as refused:
        await desk.ask(OutcomeHistory(lead_id=lead.lead_id, cursor=cursor))
    assert (refused.value.problem.code, refused.value.problem.field) == (ProblemCode.INVALID, "cursor")


POSITIONS = st.integers(1, 2**63 - 1)


@given(POSITIONS, POSITIONS)
def test_a_place_is_read_as_it_was_written(one: int, other: int) -> None:
    for place in (HistoryPlace(sequence=one), HistoryPlace((one, other))):
        assert HistoryPlace.read(str(place)) == place
