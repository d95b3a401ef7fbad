"""How often a submission that somebody waits for turns to the database: on a busy machine it takes as long as its turns."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Connection, event

from chassis.caller import Caller
from contracts.intake.leads import SubmitLeadNow
from tests.platform import Platform

Unit = list[str]
"""What one unit of work said to the database, in order."""


@pytest.fixture(scope="module")
async def units(platform: Platform) -> AsyncIterator[list[Unit]]:
    """What each unit of work said that intake committed, while it runs for all tests of the file."""
    found: list[Unit] = []

    def begin(connection: Connection) -> None:
        connection.info["said"] = ["begin"]

    def say(connection: Connection, _: Any, statement: str, *__: Any) -> None:
        connection.info["said"].append(" ".join(statement.split()))

    def commit(connection: Connection) -> None:
        found.append([*connection.info["said"], "commit"])

    intake = platform.build("intake")
    for name, hear in {"begin": begin, "before_cursor_execute": say, "commit": commit}.items():
        event.listen(intake.database.engine.sync_engine, name, hear)
    async with platform.every_name_a_tenants(), intake.running():
        yield found


@pytest.mark.parametrize(
    ("sender", "fields", "most"),
    [
        ("operator", {"full_name": "Jane Roe"}, 7),
        ("gateway", {"full_name": "Jane Roe"}, 8),  # whose sources are limited
        (
            "operator",
            {"full_name": "Jane Roe", "phone": "+1415555013{}", "email": "{}@roe.example", "geo": "Austin, TX"},
            9,
        ),
    ],
    ids=["a name", "a name by HTTP", "a person in a place"],
)
async def test_a_new_lead_takes_few_turns_with_the_database(
    platform: Platform, units: list[Unit], tenant: str, sender: str, fields: dict[str, str], most: int
) -> None:
    async with platform.connect(sender) as client:
        for number in range(2):  # with the first, the tenant is introduced, and its keys are made
            own = {name: value.format(number) for name, value in fields.items()}
            await Caller(client).ask(tenant, SubmitLeadNow(source_system="web", source_id=f"614555{number:04}", **own))
    unit = [unit for unit in units if any("insert into lead " in said for said in unit)][-1]
    assert len(unit) <= most, "\n".join(said[:160] for said in unit)
