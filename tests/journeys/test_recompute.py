"""Anyone can recompute the win rates from the events, in a few lines that know nothing of the services."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from leadloop.generator import write
from tests.journeys.operating import Operator
from tests.journeys.test_real_data import MAPPINGS
from tests.waiting import until

Events = list[dict[str, Any]]
DIMENSIONS = ("source", "geo")


async def outcome_events(operator: Operator, tenant: str) -> Events:
    """The body of every recorded outcome, page by page over the HTTP API."""
    found: Events = []
    cursor: str | None = None
    async with operator.http(tenant) as api:
        while True:
            query = {
                "limit": "200",
                "types": "outcomes.event.outcome_recorded.v1",
                **({"cursor": cursor} if cursor else {}),
            }
            page = (await api.get(f"/api/t/{tenant}/events", params=query)).raise_for_status().json()
            found += [event["body"] for event in page["events"]]
            cursor = page["next_cursor"]
            if cursor is None:
                return found


def win_rates(events: Iterable[dict[str, Any]], by: str) -> list[list[str]]:
    """The lines of the CSV."""
    groups: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for event in events:
        attribution = event["attribution"]
        group = attribution.get(f"{by}_key") or "unknown", attribution.get("intent") or "unknown"
        groups[group][event["type"]].add(event["lead_id"])
    lines = []
    for group in sorted(groups):
        of = groups[group]
        won, lost, entered = of["closed_won"], of["closed_lost"], set().union(*of.values())
        rate = str(len(won) / len(won | lost)) if won | lost else ""
        lines.append([*group, *(str(len(leads)) for leads in (entered, of["appointment_set"], won, lost)), rate])
    return lines


async def shown(operator: Operator, tenant: str, by: str, *more: str) -> list[list[str]]:
    words = ("win-rates", "--tenant", tenant, "--by", by, "--format", "csv", *more)
    header, *lines = csv.reader(io.StringIO(await operator.say(*words)))
    assert header == ["key", "intent", "leads_entered", "appointments", "won", "lost", "win_rate"]
    return lines


async def test_the_win_rates_of_an_import_are_those_of_its_events(
    operator: Operator, known: str, tmp_path: Path
) -> None:
    export = tmp_path / "crm.csv"
    write(export, "crm", 900, seed=23)
    report = await operator.ask("import", export, "--map", MAPPINGS["crm"], "--tenant", known)
    events = await outcome_events(operator, known)
    assert len(events) == report["outcomes_recorded"] > 400
    for by in DIMENSIONS:
        assert await shown(operator, known, by) == win_rates(events, by)

    replayed = await operator.ask("replay", "--tenant", known)
    assert replayed["differences"] == []
    for by in DIMENSIONS:
        assert await shown(operator, known, by) == win_rates(events, by)


def monday(moment: datetime) -> date:
    return moment.date() - timedelta(days=moment.weekday())


@pytest.fixture
def moments() -> list[datetime]:
    """Around the beginning of a week and of a year, in UTC: the last microsecond of Sunday, the first of Monday."""
    edge = datetime(2025, 12, 29, tzinfo=UTC)
    return [edge - timedelta(microseconds=1), edge, edge + timedelta(days=7), datetime.now(UTC) - timedelta(seconds=5)]


async def test_a_week_begins_on_monday_in_utc_whatever_the_tenants_time_zone(
    operator: Operator, tenant: str, moments: list[datetime]
) -> None:
    await operator.introduce(tenant, time_zone="Pacific/Auckland")
    async with operator.http(tenant) as api:
        for number, moment in enumerate(moments):
            lead = {"source_system": "web", "source_id": str(number), "full_name": "Ada", "source": f"S {number}"}
            created = (await api.post(f"/api/t/{tenant}/leads", json=lead)).raise_for_status().json()
            won = {"type": "closed_won", "occurred_at": moment.isoformat()}
            batch = {"lead": {"lead_id": created["lead_id"]}, "outcomes": [won]}
            (await api.post(f"/api/t/{tenant}/outcomes", json=batch)).raise_for_status()

    async def weekly() -> list[tuple[str, str]]:
        answer = await operator.ask("win-rates", "--tenant", tenant, "--by", "source", "--weekly", "--format", "json")
        found = [(row["week"], row["key"]) for row in answer["rows"]]
        return found if len(found) == len(moments) else []

    weeks = await until(weekly, what="the weekly win rates")
    this_year, this_week, _ = moments[-1].isocalendar()
    assert weeks == [
        ("2025-W52", "s_0"), ("2026-W01", "s_1"), ("2026-W02", "s_2"), (f"{this_year}-W{this_week:02d}", "s_3"),
    ]  # fmt: skip

    events = await outcome_events(operator, tenant)
    for moment in moments:
        number = (monday(datetime.now(UTC)) - monday(moment)).days // 7 + 1
        within = [event for event in events if monday(datetime.fromisoformat(event["occurred_at"])) >= monday(moment)]
        assert await shown(operator, tenant, "source", "--weeks", str(number)) == win_rates(within, "source")
    answer = await operator.ask("win-rates", "--tenant", tenant, "--by", "source", "--weeks", "1")
    assert (answer["partial"], len(answer["rows"])) == (True, 1)
    assert "partial" in await operator.say("win-rates", "--tenant", tenant, "--by", "source")
