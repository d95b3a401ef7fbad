"""Rows are printed while they come: an export as long as a tenant's audit is never held whole."""

import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import BaseModel

from leadloop.output import print_rows


class Row(BaseModel):
    number: int
    who: str | None
    words: list[str] = []
    detail: dict[str, Any] = {}


async def rows(capsys: pytest.CaptureFixture[str], seen: list[str], count: int) -> AsyncIterator[Row]:
    for number in range(count):
        yield Row(number=number, who="=1+1" if number else None, words=["a", "b"], detail={"n": [0, number]})
        seen.append(capsys.readouterr().out)
        assert f"{number}" in seen[-1], "printed before the next is asked for"


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_a_json_array_is_printed_row_by_row(capsys: pytest.CaptureFixture[str], count: int) -> None:
    seen: list[str] = []
    await print_rows(Row, rows(capsys, seen, count), as_json=True)
    whole = json.loads("".join(seen) + capsys.readouterr().out)
    assert [row["number"] for row in whole] == list(range(count))
    assert all(row["detail"] == {"n": [0, row["number"]]} for row in whole)


async def test_csv_is_printed_row_by_row_and_no_cell_of_it_is_a_formula(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[str] = []
    await print_rows(Row, rows(capsys, seen, 2), as_json=False)
    read = list(csv.DictReader(io.StringIO("".join(seen))))
    assert read[0] == {"number": "0", "who": "", "words": "a b", "detail": '{"n": [0, 0]}'}
    assert read[1]["who"] == "'=1+1"
