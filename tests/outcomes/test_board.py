"""The board has each lead in the column of where it stands, whatever was recorded, in whatever order, and taken back."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event
from uuid_utils.compat import uuid7

from chassis.schema import role_of
from chassis.unit_of_work import Database
from contracts.message import ProblemError
from contracts.outcomes import LeadBoard, LeadStates, RebuildLeadStates, VoidOutcome
from contracts.taxonomy import OutcomeType, Stage
from outcomes import board, store_board
from tests.outcomes.desk import Desk, accepted, of_source, order
from tests.outcomes.test_merged import merge
from tests.platform import Platform

BEGAN = datetime(2026, 1, 5, tzinfo=UTC)
LEADS = 12


async def column(desk: Desk, stage: Stage | None, limit: int) -> list[UUID]:
    """A whole column, page by page."""
    found, cursor = [], None
    while True:
        ask = LeadBoard(column=stage or "none", limit=limit, cursor=cursor)
        (page,) = (await desk.ask(ask)).columns
        found += [lead.lead_id for lead in page.leads]
        cursor = page.next_cursor
        if cursor is None:
            assert page.count == len(found) and not page.more
            return found


async def test_each_lead_is_in_the_column_of_its_state_the_last_outcome_first(desk: Desk) -> None:
    random = Random(7)
    leads = [accepted(str(number), lead_id=uuid7()) for number in range(LEADS)]
    await desk.arrive(*leads)
    given = [
        order(
            of_source(str(random.randrange(LEADS - 2))), random.choice(list(OutcomeType)), override_reason="it was so",
            occurred_at=BEGAN + timedelta(days=random.randrange(4)), idempotency_key=str(number),
        )
        for number in range(40)
    ]  # fmt: skip
    results = await desk.results(*await desk.give(*given))
    for [result], ordered in random.sample(list(zip(results, given, strict=True)), 12):
        lead_id = leads[int(str(ordered.lead.source_id))].lead_id
        await desk.ask(VoidOutcome(lead_id=lead_id, outcome_id=result.outcome_id))
    states = (await desk.ask(LeadStates(lead_ids=[*(lead.lead_id for lead in leads), uuid4()]))).states
    assert [state.lead_id for state in states] == [lead.lead_id for lead in leads]
    assert [state.stage for state in states] == [(await desk.state(lead.lead_id)).stage for lead in leads]
    for stage in (None, *Stage):
        there = [state for state in states if state.stage == stage]
        there.sort(key=lambda state: (state.last_outcome_at or BEGAN, state.lead_id), reverse=True)
        assert await column(desk, stage, 2) == [state.lead_id for state in there], stage
    assert len({state.stage for state in states}) >= 4
    whole = (await desk.ask(LeadBoard(limit=1))).columns
    assert [(each.stage, each.count) for each in whole] == [
        (stage, sum(state.stage == stage for state in states)) for stage in (None, *Stage)
    ]
    assert (await desk.ask(RebuildLeadStates())).different == 0


async def test_a_lead_that_another_stands_for_is_not_on_the_board(desk: Desk) -> None:
    gone, stands = accepted("1", lead_id=uuid7()), accepted("2", lead_id=uuid7())
    await desk.arrive(gone, stands)
    await desk.hear(*merge(stands, gone))
    await desk.arrive(accepted("last", lead_id=uuid7()))
    assert gone.lead_id not in await column(desk, None, 10)


async def test_a_wrong_stage_is_found_and_mended(desk: Desk) -> None:
    lead = accepted(lead_id=uuid7())
    await desk.arrive(lead)
    await desk.results(*await desk.give(order(of_source(), "closed_won")))
    async with desk.platform.sql() as sql:
        await sql.execute("update outcomes.lead set stage = 'lost' where tenant_id = $1", desk.tenant)
    assert (await desk.ask(RebuildLeadStates())).lead_ids == [lead.lead_id]
    assert await column(desk, Stage.WON, 10) == [lead.lead_id]


async def test_a_column_is_counted_so_far_and_no_further(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "MOST_COUNTED", 2)
    await desk.arrive(*(accepted(str(number), lead_id=uuid7()) for number in range(3)))
    (none,) = (await desk.ask(LeadBoard(column="none", limit=1))).columns
    assert (none.count, none.more, len(none.leads)) == (2, True, 1)


@pytest.mark.parametrize(
    "cursor", ["x", "2026-01-05~x", f"0001-01-01T00:00:00+14:00~{UUID(int=7)}", f"2026-01-05T00:00:00~{UUID(int=7)}"]
)
async def test_a_cursor_that_is_none_is_refused(desk: Desk, cursor: str) -> None:
    with pytest.raises(ProblemError, match="not a cursor"):
        await desk.ask(LeadBoard(column=Stage.WON, cursor=cursor))


async def test_a_column_is_read_out_of_the_index_in_its_order(platform: Platform, tenant: str) -> None:
    async with platform.sql() as sql:
        await sql.execute(
            """insert into outcomes.lead (tenant_id, lead_id, source_system, source_id, version, last_activity_at, stage, staged_at)
               select $1, gen_random_uuid(), 'web', n::text, 1, now(), case when n % 3 = 0 then 'won' end,
                      case when n % 3 = 0 then now() - n * interval '1 minute' end
               from generate_series(1, 20000) as n""",
            tenant,
        )
        await sql.execute("vacuum analyze outcomes.lead")
    plans: list[str] = []

    def explained(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> tuple[str, Any]:
        return f"explain {statement}", parameters

    database = Database("outcomes", platform.database_url(role_of("outcomes")))
    try:
        async with database.begin(tenant) as uow:
            connection = uow.connection.sync_connection
            assert connection is not None
            event.listen(connection, "before_cursor_execute", explained, retval=True)
            for stage in (None, Stage.WON):
                for after in (None, store_board.Place(BEGAN if stage else None, uuid4())):
                    rows: Sequence[Any] = await store_board.column(uow, tenant, stage, after, 16)
                    plans.append("\n".join(row["QUERY PLAN"] for row in rows))
                    assert after is None or "lead_id" in plans[-1].split("Index Cond")[1], plans[-1]
    finally:
        await database.close()
    for plan in plans:
        assert "using lead_board" in plan and "Sort  (" not in plan, plan
