"""What is to happen once a unit of work has committed happens then, and only then."""

import pytest

from chassis.unit_of_work import Database
from tests.chassis import ledger
from tests.chassis.scene import Scene


async def test_what_waits_for_the_commit_is_done_after_it_and_not_at_all_without_one(scene: Scene) -> None:
    database = Database(ledger.NAME, scene.platform.settings(ledger.NAME).database_url)
    done: list[str] = []
    try:
        async with database.begin() as uow:
            uow.after_commit.append(lambda: done.append("committed"))
            assert done == []
        with pytest.raises(RuntimeError):
            async with database.begin() as uow:
                uow.after_commit.append(lambda: done.append("rolled back"))
                raise RuntimeError
    finally:
        await database.close()
    assert done == ["committed"]
