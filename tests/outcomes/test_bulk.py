"""One request records an outcome of each of thousands of leads; each row has its own verdict."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from time import perf_counter
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError

from chassis.received import encode
from contracts.message import ProblemCode, ProblemError
from contracts.outcomes import (
    MAX_BULK_ROWS,
    BulkResults,
    BulkRow,
    LeadFilter,
    Outcome,
    OutcomeVerdict,
    RecordOutcomesInBulk,
    RecordOutcomesNow,
)
from contracts.values import LeadRef
from outcomes import bulk
from tests.outcomes.desk import CREATED_AT, Desk, accepted, of_source, order, outcomes, rejected, updated
from tests.outcomes.test_merged import merge

CONTACTED = Outcome(type="contacted")


def rows(*leads: Any, **otherwise: Any) -> list[BulkRow]:
    return [BulkRow(lead_id=getattr(lead, "lead_id", lead), **otherwise) for lead in leads]


async def ask(desk: Desk, outcome: Outcome = CONTACTED, **fields: Any) -> BulkResults:
    request = RecordOutcomesInBulk(outcome=outcome, recorded_by="user:7", **fields)
    return await desk.platform.caller.ask(desk.tenant, request, seconds=60)


def said(results: BulkResults) -> list[tuple[Any, ...]]:
    return [(group.verdict, group.refusal, group.rows) for group in results.verdicts]


async def test_each_row_has_its_own_verdict_and_the_others_stand(desk: Desk) -> None:
    lost, fresh, odd, last = (accepted(str(number)) for number in range(4))
    await desk.hear(rejected("bad"))
    await desk.arrive(lost, fresh, odd, last)
    await desk.verdicts(*await desk.give(order(of_source("0"), "closed_lost")))
    results = await ask(
        desk,
        Outcome(type="closed_won", value=Decimal("350000"), currency="USD", notes="after the open house"),
        rows=[
            *rows(lost, fresh),
            BulkRow(source_system="crm", source_id="2", type="appointment_set", value=Decimal(0)),
            *rows(uuid4(), fresh),
            BulkRow(source_system="crm", source_id="bad"),
            *rows(last, occurred_at=datetime.now(UTC) + timedelta(days=1)),
            *rows(last, idempotency_key="mine", reason_code="price"),
        ],
    )
    assert results.counts == {"blocked": 1, "recorded": 3, "refused": 3, "duplicate": 1}
    assert said(results) == [
        ("blocked", "won_after_lost", [0]), ("recorded", None, [2]), ("refused", "lead_unknown", [3]),
        ("duplicate", None, [4]), ("refused", "lead_rejected", [5]), ("refused", "in_future", [6]),
    ]  # fmt: skip
    assert results.verdicts[1].warnings == ["appointment_before_contacted"]
    assert results.lead_ids == []
    (won,) = await desk.history(fresh.lead_id)
    assert (won.type, won.value, won.value_band, won.notes, won.recorded_by) == (
        "closed_won", 350000, "300k-500k", "after the open house", "user:7",
    )  # fmt: skip
    (appointment,) = await desk.history(odd.lead_id)
    assert (appointment.type, appointment.value, appointment.value_band) == ("appointment_set", 0, "<200k")
    (mine,) = await desk.history(last.lead_id)
    assert mine.reason_code == "price"
    assert {event.lead_id for event in await desk.recorded(at_least=4)} == {
        lost.lead_id, fresh.lead_id, odd.lead_id, last.lead_id,
    }  # fmt: skip


async def test_rows_that_are_all_the_same_are_recorded_once_however_many_pieces_they_make(desk: Desk) -> None:
    lead = accepted()
    await desk.arrive(lead)
    count = 2 * bulk._AT_ONCE + 1
    named = BulkRow(source_system="crm", source_id="1")
    results = await ask(desk, rows=[*rows(lead), named, *rows(lead) * (count - 2)])
    assert results.counts == {"recorded": 1, "duplicate": count - 1}
    assert len(await desk.history(lead.lead_id)) == 1
    keyed = [BulkRow(lead_id=lead.lead_id, idempotency_key=f"{number % 3}") for number in range(count)]
    assert (await ask(desk, rows=keyed)).counts == {"recorded": 3, "duplicate": count - 3}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"source_key": "web"}, "abd"), ({"geo_key": "dublin_oh"}, "bc"), ({"tier": "A"}, "ac"), ({"partner": "north"}, "d"),
        ({"source_key": "web", "tier": "B"}, "bd"), ({"source_key": "none"}, ""),
    ],
)  # fmt: skip
async def test_leads_are_chosen_by_what_they_are_now(desk: Desk, wanted: dict[str, str], found: str) -> None:
    leads = {
        "a": accepted("a", source_key="web", tier="A"),
        "b": accepted("b", source_key="mail", geo_key="dublin_oh", tier="B"),
        "c": accepted("c", source_key="mail", geo_key="dublin_oh", tier="A"),
        "d": accepted("d", source_key="web", partner="north", tier="B"),
    }
    await desk.arrive(*leads.values())
    await desk.arrive(updated(leads["b"], source_key="web", geo_key="dublin_oh", tier="B"))
    gone, stands = merge(leads["a"], accepted("e", source_key="web", tier="A"), source_key="web", tier="A")
    await desk.hear(gone, stands)
    await desk.arrive(accepted("last"))
    results = await ask(desk, leads=LeadFilter(**wanted))
    assert set(results.lead_ids) == {leads[name].lead_id for name in found}
    assert results.counts == ({"recorded": len(found)} if found else {})


async def test_another_tenant_s_leads_are_neither_chosen_nor_named(desk: Desk, other_desk: Desk) -> None:
    lead = accepted(source_key="web")
    await desk.arrive(lead)
    assert (await ask(other_desk, leads=LeadFilter(source_key="web"))).lead_ids == []
    assert said(await ask(other_desk, rows=rows(lead))) == [("refused", "lead_unknown", [0])]
    assert await desk.history(lead.lead_id) == []


async def test_a_filter_that_chooses_too_many_records_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MAX_BULK_ROWS", 2)
    leads = [accepted(str(number), source_key="web") for number in range(3)]
    await desk.arrive(*leads)
    with pytest.raises(ProblemError) as refused:
        await ask(desk, leads=LeadFilter(source_key="web"))
    assert (refused.value.problem.code, refused.value.problem.field) == (ProblemCode.INVALID, "leads")
    assert await desk.history(leads[0].lead_id) == []


def test_a_bulk_names_leads_one_way_and_at_most_ten_thousand() -> None:
    for wrong in (
        {}, {"rows": rows(uuid4()), "leads": LeadFilter(tier="A")}, {"rows": rows(uuid4()) * (MAX_BULK_ROWS + 1)},
    ):  # fmt: skip
        with pytest.raises(ValidationError):
            RecordOutcomesInBulk(outcome=CONTACTED, **wrong)
    with pytest.raises(ValidationError):
        LeadFilter()


async def test_ten_thousand_are_recorded_in_seconds_and_a_neighbour_does_not_wait_for_them(
    desk: Desk, other_desk: Desk
) -> None:
    """And all that is said of them fits into messages, also where every row is refused."""
    ids = await _leads(desk, MAX_BULK_ROWS)
    neighbour = accepted("neighbour")
    await other_desk.arrive(neighbour)
    request = RecordOutcomesInBulk(outcome=CONTACTED, rows=rows(*ids))
    assert len(encode(request)) < 900_000
    begun = perf_counter()
    asked = desk.platform.caller.ask(desk.tenant, request, seconds=60)
    waits = []
    whole = asyncio.ensure_future(asked)
    while not whole.done():
        start = perf_counter()
        now = outcomes("contacted", occurred_at=CREATED_AT + timedelta(seconds=len(waits)))
        await other_desk.ask(RecordOutcomesNow(lead=LeadRef(lead_id=neighbour.lead_id), outcomes=now))
        waits.append(perf_counter() - start)
    seconds = perf_counter() - begun
    results = await whole
    print(f"10,000 rows in {seconds:.1f} s; a neighbour waited {max(waits):.2f} s at most, {len(waits)} times")
    assert results.counts == {OutcomeVerdict.RECORDED: MAX_BULK_ROWS}
    assert results.verdicts == []
    assert max(waits) < seconds / 3, "nobody else waits for more than a piece of it"
    assert seconds < 30

    again = await ask(desk, leads=LeadFilter(source_key="web"))
    assert (again.counts, sorted(again.lead_ids)) == ({OutcomeVerdict.DUPLICATE: MAX_BULK_ROWS}, sorted(ids))
    assert len(encode(again)) < 600_000


async def _leads(desk: Desk, count: int) -> list[UUID]:
    """Leads that outcomes knows, put there at once."""
    async with desk.platform.sql() as sql:
        ids = await sql.fetch(
            """insert into outcomes.lead (tenant_id, lead_id, source_system, source_id, version, last_activity_at)
               select $1, gen_random_uuid(), 'web', n::text, 1, now() from generate_series(1, $2::int) as n
               returning lead_id""",
            desk.tenant, count,
        )  # fmt: skip
        await sql.execute(
            """insert into outcomes.lead_version (tenant_id, lead_id, version, attribution, created_at)
               select tenant_id, lead_id, 1, '{"source_key": "web"}', $2 from outcomes.lead where tenant_id = $1""",
            desk.tenant, CREATED_AT,
        )  # fmt: skip
    return [row["lead_id"] for row in ids]
