"""Events by the command line: made up, listed, archived and restored."""

import csv
import io
import json
from datetime import UTC, datetime

import asyncpg

from tests.journeys.operating import Operator


async def test_a_made_up_week_is_stored_when_the_command_returns_and_goes_into_the_archive_and_back(
    operator: Operator, known: str
) -> None:
    to = ("--tenant", known)
    nothing = await operator.run("validate", *to, "--json")
    assert (nothing.status, json.loads(nothing.out)["compared"]) == (1, 0)
    assert "there is no tenant" in await operator.refused("validate", "--tenant", f"no-{known}"[:63])
    made = await operator.ask("events", "generate", *to, "--seed", "7")
    every = ("events", "list", *to, "--limit", "100000", "--format")
    lines = list(csv.DictReader(io.StringIO(await operator.say(*every, "csv"))))
    of_outreach = [line for line in lines if line["type"].startswith("outreach.")]
    assert len(of_outreach) == made["events"]
    checked = await operator.ask("validate", *to)
    assert (checked["drift"], checked["differences"]) == (0, [])
    assert checked["compared"] > 10
    async with operator.sql() as sql:
        await sql.execute("delete from aggregator.open_item where tenant_id = $1 and kind = 'reply'", known)
    drifted = await operator.run("validate", *to, "--json")
    found = json.loads(drifted.out)
    assert (drifted.status, found["drift"]) == (1, len(found["differences"]))
    assert {each["number"] for each in found["differences"]} == {"replies_requiring_action"}
    assert (await operator.run("replay", *to)).status == 1, "something was otherwise"
    assert (await operator.ask("validate", *to))["drift"] == 0
    kpis = (await operator.ask("stats", *to))["kpis"]
    assert kpis["today_sends"] > 0
    assert 5 < kpis["reply_rate"] < 30
    objects = [json.loads(line) for line in (await operator.say(*every, "json")).splitlines()]
    assert [each["event_id"] for each in objects] == [line["event_id"] for line in lines]
    assert "has events already" in await operator.refused("events", "generate", *to)
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    sent = ("events", "list", *to, "--type", "message_sent", "--campaign", made["campaigns"][0], "--limit", "1000")
    today = (await operator.ask(*sent, "--since", day))["events"]
    before = (await operator.ask(*sent, "--until", day))["events"]
    expected = [
        line for line in lines if "message_sent" in line["type"] and line["campaign_id"] == made["campaigns"][0]
    ]
    assert {event["event_id"] for event in [*today, *before]} == {line["event_id"] for line in expected}
    assert "message_sent" in await operator.say(*sent, "--until", day)
    cause = of_outreach[0]["correlation_id"]
    followed = (await operator.ask(*every[:-1], "--correlation", cause, "--told-since", day))["events"]
    assert {each["event_id"] for each in followed} == {
        line["event_id"] for line in lines if line["correlation_id"] == cause
    }
    assert (await operator.ask(*every[:-1], "--correlation", cause, "--told-until", day))["events"] == []

    database = await asyncpg.connect(operator.installation.database_dsn)
    try:  # as if a year had gone by
        await database.execute("set search_path to aggregator")
        await database.execute("select make_event_months('{2024-02-01}')")
        await database.execute("update event set told_at = '2024-02-29T12:00:00Z' where tenant_id = $1", known)
    finally:
        await database.close()
    month = ("--month", "2024-02")
    assert "2024-02" in await operator.say("events", "archive", *to, *month)
    (archived,) = (await operator.ask("events", "months", *to))["months"]
    assert (archived["stored"], archived["archived"]) == (0, len(lines))
    assert (operator.home / "archive" / known).exists()
    assert await operator.say("events", "list", *to) == "no events\narchived, and not shown: 2024-02\n"
    assert "restore" in await operator.refused("replay", *to)
    await operator.say("events", "restore", *to, *month)
    (restored,) = (await operator.ask("events", "months", *to))["months"]
    assert (restored["stored"], restored["archived"]) == (len(lines), 0)
    assert [line["body"] for line in csv.DictReader(io.StringIO(await operator.say(*every, "csv")))] == [
        line["body"] for line in lines
    ]
