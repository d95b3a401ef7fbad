"""A pasted table is read as people write it: with or without a first line, by tabs, semicolons or commas."""

from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from contracts.message import ProblemError
from contracts.taxonomy import OutcomeType
from gateway.domain_rows import Row, read_rows

A, B = UUID(int=1), UUID(int=2)  # the same in every process that collects these tests
BERLIN = ZoneInfo("Europe/Berlin")


def read(text: str) -> list[Row]:
    return read_rows(text, OutcomeType.CONTACTED, BERLIN)


@pytest.mark.parametrize(
    "text",
    [
        f"{A},invalid\n{B}\n", f"{A}\tInvalid\r\n{B}\r\n\r\n", f"{A};INVALID\n{B};\n", f'"{A}", "invalid"\n\n {B}',
        f"lead_id,outcome\n{A},invalid\n{B},contacted\n", f"\ufeffOutcome;Lead_id\ninvalid;{A}\n;{B}",
    ],
)  # fmt: skip
def test_leads_and_outcomes_are_read_however_they_are_written(text: str) -> None:
    rows = read(text)
    assert [(row.number, row.order and (row.order.lead_id, row.order.type)) for row in rows] == [
        (1, (A, "invalid")), (2, (B, "contacted")),
    ]  # fmt: skip


def test_a_moment_without_a_time_zone_is_by_the_tenants_clock() -> None:
    rows = read(f"{A},contacted,2026-07-01\n{A},contacted,2026-07-01 12:00\n{A},contacted,2026-07-01T12:00:00Z")
    moments = [row.order.occurred_at.isoformat() for row in rows if row.order and row.order.occurred_at]
    assert moments == ["2026-06-30T22:00:00+00:00", "2026-07-01T10:00:00+00:00", "2026-07-01T12:00:00+00:00"]


def test_a_lead_may_be_named_as_its_source_does_with_all_that_an_outcome_has() -> None:
    (row,) = read("source_system,source_id,outcome,value,currency,reason_code\ncrm,L-1,closed_won,350000,USD,price\n")
    assert row.order
    assert (row.named, row.order.source_id, row.order.value, row.order.currency) == ("L-1", "L-1", 350000, "USD")
    assert row.order.reason_code == "price"


@pytest.mark.parametrize(
    ("line", "flaw"),
    [
        ("x,contacted", "lead_id: "), (f"{A},sold", "Its outcome is none of appointment_set"), (",contacted", "Give either"),
        (f"{A},contacted,yesterday", "occurred_at: "), (f"{A},contacted,2026-01-01,more", "more cells"),
        (f"{A},contacted,0001-01-01", "occurred_at: "),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_why_and_the_others_stand(line: str, flaw: str) -> None:
    bad, good = read(f"{line}\n{B},contacted")
    assert bad.order is None
    assert bad.flaw.startswith(flaw) or flaw in bad.flaw
    assert good.order


@pytest.mark.parametrize("text", [f'{A},"invalid', f"lead_id,phone\n{A},1", f"lead_id,lead_idx\n{A},1"])
def test_what_is_no_table_is_refused_as_a_whole(text: str) -> None:
    with pytest.raises(ProblemError):
        read(text)
    assert read(" \n\n") == []
