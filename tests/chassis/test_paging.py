"""A cursor is read as it was written, and nothing else is one."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from chassis import paging
from chassis.paging import Place
from contracts.message import ProblemCode, ProblemError

ID = UUID(int=7)


@pytest.mark.parametrize(
    "at",
    [
        datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC),
        datetime(2026, 3, 2, tzinfo=timezone(timedelta(hours=5))),
        datetime.max,  # noqa: DTZ901 - infinity
    ],
)
def test_a_place_is_read_as_it_was_written(at: datetime) -> None:
    assert Place.read(str(Place(at, ID))) == Place(at, ID)


@pytest.mark.parametrize("cursor", ["x", "~", f"2026-03-02~{ID}", f"2026-03-02T00:00:00~{ID}", "infinity~7", f"~{ID}"])
def test_what_is_no_place_is_refused_as_no_cursor(cursor: str) -> None:
    with pytest.raises(ProblemError) as refused:
        paging.after(cursor, Place.read)
    assert (refused.value.problem.code, refused.value.problem.field) == (ProblemCode.INVALID, "cursor")


@pytest.mark.parametrize(("rows", "page", "cursor"), [([], [], None), ([1, 2], [1, 2], None), ([1, 2, 3], [1, 2], "2")])
def test_a_page_ends_with_a_cursor_where_more_follows(rows: list[int], page: list[int], cursor: str | None) -> None:
    assert paging.cut(rows, 2, lambda row: row) == (page, cursor)
