"""A process that goes by a moved clock: it stands where the file says, and tells when it was moved."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from chassis.clock import MovedClock, move
from chassis.unit_of_work import Database
from tests.platform import Platform
from tests.waiting import until

MONDAY = datetime(2027, 3, 1, 8, 59, 59, 999_999, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "clock"
    move(path, MONDAY)
    return path


def test_it_stands_where_the_file_says_and_speaks_utc(file: Path) -> None:
    clock = MovedClock(file)
    assert clock() == clock() == MONDAY
    move(file, MONDAY.astimezone(timezone(timedelta(hours=-5))) + timedelta(microseconds=1))
    assert clock() == datetime(2027, 3, 1, 9, tzinfo=UTC)
    assert clock().tzinfo is UTC


def test_a_moment_without_an_offset_is_refused_at_the_start(file: Path) -> None:
    file.write_text("2027-03-01T08:00:00")
    with pytest.raises(ValueError, match="with its offset"):
        MovedClock(file)


async def test_it_tells_that_it_was_moved(file: Path) -> None:
    told: list[datetime] = []
    clock = MovedClock(file)
    telling = asyncio.create_task(clock.tell(lambda: told.append(clock())))
    try:
        await asyncio.sleep(0)  # it has looked once
        move(file, MONDAY + timedelta(days=60))

        async def was_told() -> bool:
            return told == [MONDAY + timedelta(days=60)]

        await until(was_told)
    finally:
        telling.cancel()


async def test_a_unit_of_work_goes_by_its_databases_clock(platform: Platform, file: Path) -> None:
    database = Database("outreach", platform.settings("outreach").database_url, clock=MovedClock(file))
    try:
        async with database.begin() as uow:
            assert uow.now == MONDAY
        move(file, MONDAY + timedelta(hours=1))
        async with database.begin() as uow:
            assert uow.now == MONDAY + timedelta(hours=1)
    finally:
        await database.close()
