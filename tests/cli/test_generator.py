"""Generated exports look like the real ones and are the same whenever they are made."""

import csv
import re
from collections import defaultdict
from datetime import date, timedelta
from itertools import islice
from typing import get_args

import pytest

from examples.join_sample_crm import LEAD, OPPORTUNITY
from leadloop.generator import BANK_COLUMNS, CRM_COLUMNS, Shape, generate, write

SHAPES = get_args(Shape)
REAL_PHONE = re.compile(r"555.?01\d\d")


@pytest.fixture(scope="module")
def crm(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    path = tmp_path_factory.mktemp("generated") / "crm.csv"
    write(path, "crm", 2000, seed=1, until=date(2026, 3, 1))
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_arguments_make_the_same_export_and_another_seed_another(shape: Shape) -> None:
    first = "".join(generate(shape, 50, seed=1))
    assert first == "".join(generate(shape, 50, seed=1))
    assert first != "".join(generate(shape, 50, seed=2))


@pytest.mark.parametrize(("shape", "columns"), [("bank", BANK_COLUMNS), ("crm", CRM_COLUMNS)])
def test_an_export_has_a_header_and_as_many_rows_as_asked(shape: Shape, columns: list[str]) -> None:
    header, *rows = csv.reader("".join(generate(shape, 300)).splitlines(keepends=True))
    assert header == columns
    assert [len(row) for row in rows] == [len(columns)] * 300


def test_an_export_of_any_length_begins_at_once() -> None:
    assert len(list(islice(generate("crm", 10**12), 5))) == 5


def test_an_unknown_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="choose one of bank, crm"):
        list(generate("erp", 1))  # type: ignore[arg-type]


def test_dates_lie_in_the_weeks_before_the_day_asked_for(crm: list[dict[str, str]]) -> None:
    columns = ["CreatedDate", "LastActivityDate", "ActivityDate", "CloseDate"]
    dates = {date.fromisoformat(row[column]) for row in crm for column in columns if row[column]}
    assert max(dates) <= date(2026, 3, 1)
    assert min(dates) >= date(2026, 3, 1) - timedelta(weeks=12)
    assert len({day.isocalendar()[:2] for day in dates}) > 8


def test_some_leads_were_lost_and_then_won(crm: list[dict[str, str]]) -> None:
    stages: dict[str, list[str]] = defaultdict(list)
    for row in crm:
        stages[row["LeadID"]].append(row["OpportunityStage"])
    closed = [[stage for stage in lead if stage.startswith("Closed")] for lead in stages.values()]
    assert sum(lead[0] == "Closed Lost" and "Closed Won" in lead for lead in closed if lead) > 20
    assert sum(lead == [""] for lead in stages.values()) > 5


def test_a_lead_has_the_same_columns_in_all_its_rows(crm: list[dict[str, str]]) -> None:
    leads: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for row in crm:
        leads[row["LeadID"]].add(tuple(row[column] for column in CRM_COLUMNS[:12]))
    assert {len(columns) for columns in leads.values()} == {1}


def test_people_cannot_be_reached_and_some_phones_are_useless(crm: list[dict[str, str]]) -> None:
    phones = [row["Phone"] for row in crm]
    assert all(not re.search(r"\d{7}", phone) or REAL_PHONE.search(phone) or set(phone) == {"0"} for phone in phones)
    assert 0.05 < sum(phone in ("", "n/a", "call the office") for phone in phones) / len(phones) < 0.2
    assert all(re.fullmatch(r"(person\d+@(example\.(com|org|net))?|n/a|)", row["Email"]) for row in crm)


def test_the_columns_are_those_of_the_joined_sample() -> None:
    assert [*LEAD, *OPPORTUNITY] == CRM_COLUMNS
