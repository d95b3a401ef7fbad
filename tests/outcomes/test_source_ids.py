"""Outcomes of leads that their sources name by e-mail or telephone: found under the token, and nowhere stored in clear."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from contracts.intake.leads import SubmitLead, SubmitLeadNow
from contracts.message import ProblemCode, ProblemError
from contracts.outcomes import RecordOutcomesNow
from tests.outcomes.desk import Desk, accepted, of_source, order, outcomes
from tests.platform import Platform
from tests.waiting import until

EMAIL, PHONE, DIGITS = "Jane.Roe@example.com", "(614) 555-0134", "6145550134"


@pytest.fixture
async def known(running: Platform, desk: Desk) -> AsyncIterator[Desk]:
    """Intake runs as well, and knows the tenant."""
    async with running.running("intake"):
        await desk.platform.introduce(desk.tenant, "intake")
        yield desk


def lead(source_id: str, phone: str | None = PHONE) -> SubmitLead:
    return SubmitLead(source_system="crm", source_id=source_id, full_name="Jane", phone=phone)


async def nowhere_in_clear(desk: Desk, source_id: str) -> None:
    async with desk.platform.sql() as sql:
        tables = await sql.fetch("select table_name from information_schema.tables where table_schema = 'outcomes'")
        for (table,) in tables:
            rows = await sql.fetch(f"select t::text from outcomes.{table} t")
            assert not [row for row in rows if source_id in row[0]], table


@pytest.mark.parametrize("source_id", [EMAIL, "614-555-0134", DIGITS])
async def test_an_order_finds_its_lead_whether_it_comes_after_it_or_before(known: Desk, source_id: str) -> None:
    early = await known.give(order(of_source(source_id), "contacted"))
    await known.results(*early, waiting=True)
    await nowhere_in_clear(known, source_id)
    await known.give(lead(source_id))
    assert await known.verdicts(*early) == [["recorded"]]
    late = await known.give(order(of_source(source_id), "appointment_set"))
    assert await known.verdicts(*late) == [["recorded"]]
    now = RecordOutcomesNow(lead=of_source(source_id), outcomes=outcomes("closed_won"))
    assert [result.verdict for result in (await known.ask(now)).results] == ["recorded"]
    await nowhere_in_clear(known, source_id)


async def test_a_record_s_number_of_a_source_that_has_hidden_ids_too_is_a_record_s_number(known: Desk) -> None:
    await known.give(lead(DIGITS), lead("20240001", phone=None))
    recorded = await known.give(order(of_source("20240001"), "contacted"), order(of_source(DIGITS), "contacted"))
    assert await known.verdicts(*recorded) == [["recorded"], ["recorded"]]


async def test_orders_of_record_s_numbers_need_no_intake_and_keep_their_order(desk: Desk) -> None:
    arriving = accepted("20240001")
    early = await desk.give(order(of_source("20240001"), "contacted"), order(of_source("20240001"), "closed_won"))
    await desk.results(*early, waiting=True)
    later = await desk.give(order(of_source("20240001", uuid4()), "invalid"))
    await desk.arrive(arriving)
    assert await desk.verdicts(*early) == [["recorded"], ["recorded"]]
    behind = await desk.give(order(of_source("20240001"), "appointment_set"))
    assert await desk.verdicts(*later, *behind, waiting=True) == [["waiting"], ["waiting"]]


async def test_a_lead_that_is_renamed_takes_what_comes_under_either_name(known: Desk) -> None:
    await known.ask(SubmitLeadNow(**lead(DIGITS, phone=None).model_dump()))
    assert await known.verdicts(*await known.give(order(of_source(DIGITS), "contacted"))) == [["recorded"]]
    await known.ask(SubmitLeadNow(**lead(DIGITS).model_dump()))

    async def renamed() -> bool:
        async with known.platform.sql() as sql:
            ids = await sql.fetch("select source_id from outcomes.lead where tenant_id = $1", known.tenant)
        return [row["source_id"][0] for row in ids] == ["~"]

    await until(renamed, what="outcomes knowing the lead by its token")
    assert await known.verdicts(*await known.give(order(of_source(DIGITS), "appointment_set"))) == [["recorded"]]


async def test_while_intake_is_away_such_orders_wait_in_the_stream_and_requests_are_answered(desk: Desk) -> None:
    with pytest.raises(ProblemError) as refused:
        await desk.ask(RecordOutcomesNow(lead=of_source(EMAIL), outcomes=outcomes("contacted")))
    assert refused.value.problem.code is ProblemCode.UNAVAILABLE
    ids = await desk.give(order(of_source(EMAIL), "contacted"))
    async with desk.platform.running("intake"):
        await desk.platform.introduce(desk.tenant, "intake")
        assert await desk.verdicts(*ids, waiting=True) == [["waiting"]]
        await nowhere_in_clear(desk, EMAIL)
        await desk.give(lead(EMAIL))
        assert await desk.verdicts(*ids) == [["recorded"]]
