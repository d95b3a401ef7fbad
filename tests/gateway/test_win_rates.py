"""The page of win rates, and the files that are the page: the same rows, in the same order, with the same numbers."""

import csv
import io
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pyarrow.parquet
import pytest

from contracts.aggregator.win_rates import WinRates
from contracts.taxonomy import OutcomeType
from tests.aggregator.recorded import accepted, recorded, voided
from tests.gateway.conftest import Gateway, Tenancy
from tests.gateway.test_api import assert_problem
from tests.gateway.test_numbers_page import events_of
from tests.gateway.test_probes import WIRE_BYTES
from tests.waiting import until

WON, LOST = OutcomeType.CLOSED_WON, OutcomeType.CLOSED_LOST
SOURCES = 53
"""More than a page shows."""
JUDGED = range(0, SOURCES, 10)
"""Those of which five leads or more are decided."""


@pytest.fixture(scope="module")
async def filled(gateway: Gateway) -> AsyncIterator[Tenancy]:
    """A tenant with leads of many sources, won and lost over some weeks, and one outcome that was taken back."""
    made = await gateway.tenant("filled")
    now = datetime.now(UTC)
    events: list[Any] = []
    for n in range(SOURCES):
        source = f"source_{n:02}"
        for lead in range(1 + n % 4 + (6 if n in JUDGED else 0)):
            came = accepted(source_key=source, intent="buyer", created_at=now - timedelta(weeks=n % 5))
            type_ = (WON, LOST, LOST, OutcomeType.CONTACTED)[(n + lead) % 4]
            at = now - timedelta(weeks=n % 3)
            events += [came, recorded(type_, lead_id=came.lead_id, occurred_at=at, source_key=source, intent="buyer")]
    mistake = recorded(WON, source_key="mistake")
    for event in (*events, mistake, voided(mistake)):
        await gateway.platform.publish(event.topic.owner, made.name, event)

    async def counted() -> bool:
        table = await gateway.platform.caller.ask(made.name, WinRates())
        return (table.total, sum(row.leads_entered for row in table.rows)) == (SOURCES, len(events) // 2)

    await until(counted, what="the outcomes' arrival in the win rates", seconds=30)
    async with made.client:
        yield made


@pytest.fixture
async def browser(gateway: Gateway, filled: Tenancy) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway.client() as client:
        client.headers["Accept"] = "text/html"
        await gateway.sign_in(client, filled.name)
        yield client


def shown(page: str) -> list[list[str]]:
    """The table's cells, with the numbers behind what is written of them."""
    (body,) = re.findall(r"<tbody>(.*?)</tbody>", page, re.DOTALL)
    return [
        [_value(cell) for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row, re.DOTALL)]
        for row in body.split("</tr>")[:-1]
    ]


def _value(cell: str) -> str:
    cell = re.sub(r'<span class="unseen">.*?</span>', "", cell) if "opens" in cell else cell
    exact = re.findall(r'<data[^>]* value="([^"]*)"', cell)
    return " ".join(exact) or unescape(re.sub(r"<.*?>", "", cell)).strip()


def as_shown(row: dict[str, str], weekly: bool, cohort: bool) -> list[str]:
    """A row of the file, as the page's columns have it."""
    rate = (
        " ".join((row["win_rate"], row["decided"], row["low"], row["high"])) if row["win_rate"] else "none yet decided"
    )
    cells = [row["key"], row["intent"], row["leads_entered"], rate, row["won"], row["lost"], row["appointments"]]
    return [*([row["week"]] if weekly else []), *cells, *([row["maturity"]] if cohort else [])]


@pytest.mark.parametrize(
    "query",
    [
        "minimum=0",
        "",
        "minimum=0&sort=win_rate&descending=true",
        "sort=key&descending=false&weeks=4&minimum=1",
        "minimum=0&view=cohort&sort=maturity&descending=true&intent=buyer",
        "minimum=0&rows=weeks&key=source_1",
        "minimum=0&rows=weeks&view=cohort&sort=low&descending=false",
        "by=geo&until=&intent=",
    ],
)
async def test_the_files_are_the_page(browser: httpx.AsyncClient, filled: Tenancy, query: str) -> None:
    page = (await browser.get(f"/t/{filled.name}/win-rates?{query}")).raise_for_status().text
    weekly, cohort = "rows=weeks" in query, "view=cohort" in query
    files = [unescape(address) for address in re.findall(r'href="([^"]+)"[^>]* download', page)]
    text = (await browser.get(files[0])).raise_for_status()
    lines = list(csv.DictReader(io.StringIO(text.text)))
    cells = shown(page)
    while following := re.search(r'rel="next" href="([^"]+)"', page):
        assert len(cells) % 50 == 0
        page = (await browser.get(unescape(following[1]))).text
        cells += shown(page)
    assert cells == [as_shown(line, weekly, cohort) for line in lines] and cells
    parquet = pyarrow.parquet.read_table(io.BytesIO((await browser.get(files[1])).raise_for_status().content))
    assert parquet.column_names == list(lines[0])
    written = [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in parquet.to_pylist()
    ]
    assert written == lines
    assert {str(parquet.schema.field(name).type) for name in ("won", "win_rate", "key")} == {
        "int64",
        "double",
        "string",
    }


async def test_the_page_sorts_by_any_column_and_turns_the_order_round(
    browser: httpx.AsyncClient, filled: Tenancy
) -> None:
    page = (await browser.get(f"/t/{filled.name}/win-rates?view=cohort&rows=weeks")).text
    orders = {
        value
        for link in re.findall(r'href="([^"]*sort=[^"]*)"', page)
        for value in parse_qs(urlsplit(unescape(link)).query)["sort"]
    }
    assert orders == {
        "week", "key", "intent", "leads_entered", "win_rate", "won", "lost", "appointments", "maturity", "decided", "low", "high",
    }  # fmt: skip
    by_key = f"/t/{filled.name}/win-rates?minimum=0&sort=key&descending"
    first = [row[0] for row in shown((await browser.get(f"{by_key}=false")).text)]
    page = (await browser.get(f"{by_key}=true")).text
    assert first[0] == "source_00" and shown(page)[0][0] == "source_52"
    assert 'aria-sort="descending"><a href="' in page


async def test_charts_say_what_they_show_without_a_script(browser: httpx.AsyncClient, filled: Tenancy) -> None:
    page = (await browser.get(f"/t/{filled.name}/win-rates?weeks=12")).text
    charts = re.findall(r'<svg class="chart".*?</svg>', page, re.DOTALL)
    assert len(charts) == 2
    for chart in charts:
        assert 'role="img"' in chart and "weeks with decided leads, from" in chart
        assert chart.count('<g class="chart-mark">') == 12
        assert "95 % interval" in chart
    assert "of them decided after 4 weeks" in charts[1] and "of them decided" not in charts[0]


async def test_a_page_and_a_program_see_26_weeks_at_most_and_any_that_they_name(
    browser: httpx.AsyncClient, filled: Tenancy
) -> None:
    for path in ("/win-rates", "/win-rates/weekly", "/win-rates/trend"):
        assert_problem(await filled.client.get(filled.path(f"{path}?weeks=27")), 400, "weeks")
        assert_problem(await filled.client.get(filled.path(f"{path}?until=2025-W53")), 400, "until")
    assert (await browser.get(f"/t/{filled.name}/win-rates?weeks=27")).status_code == 400
    table = (await filled.client.get(filled.path("/win-rates?until=2020-W53"))).json()
    assert (table["first_week"], table["last_week"], table["rows"]) == ("2020-W28", "2020-W53", [])
    page = (await browser.get(f"/t/{filled.name}/win-rates?until=2020-W53")).text
    assert "No outcomes in these weeks" in page and "2020-W28 to 2020-W53" in page


async def test_the_overview_leads_to_all_groups(browser: httpx.AsyncClient, filled: Tenancy) -> None:
    page = (await browser.get(f"/t/{filled.name}")).text
    assert len(shown(page)) == len(JUDGED) and "show all 53" in page
    assert f'href="/t/{filled.name}/win-rates?by=source"' in page


async def test_a_page_leaves_out_groups_of_fewer_than_five_decided_leads_and_says_so(
    browser: httpx.AsyncClient, filled: Tenancy
) -> None:
    page = (await browser.get(f"/t/{filled.name}/win-rates")).text
    assert {row[0] for row in shown(page)} == {f"source_{n:02}" for n in JUDGED}
    left_out = re.search(r'47 rows with fewer than 5 leads decided are left out. <a href="([^"]+)">Show all', page)
    assert left_out
    assert "53 rows" in (await browser.get(unescape(left_out[1]))).text
    nobody = (await browser.get(f"/t/{filled.name}/win-rates?key=source_01")).text
    assert "No group has 5 leads decided" in nobody and "Show the smaller group" in nobody
    whole = (await filled.client.get(filled.path("/win-rates"))).json()
    assert (whole["total"], whole["left_out"]) == (53, 0), "a program says itself what it leaves out"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?by=geo",
        "/win-rates?minimum=0&rows=weeks",
        "/win-rates?minimum=0&rows=weeks&view=cohort",
        "/win-rates?view=cohort&minimum=0&weeks=4",
    ],
)
async def test_every_count_opens_one_event_of_each_lead_it_counts(
    browser: httpx.AsyncClient, filled: Tenancy, query: str
) -> None:
    page = (await browser.get(f"/t/{filled.name}{query}")).raise_for_status().text
    assert len(page.encode()) < WIRE_BYTES
    (body,) = re.findall(r"<tbody>(.*?)</tbody>", page, re.DOTALL)
    counts = re.findall(r'<a class="opens" href="([^"]+)">([\d,]+)<span', body)
    assert len(counts) >= 4 * body.count("<tr>") > 0
    for href, count in counts[:12]:
        assert len(await events_of(browser, unescape(href))) == int(count.replace(",", "")), href


async def test_the_events_behind_a_count_come_in_pages_that_lead_back(
    browser: httpx.AsyncClient, filled: Tenancy
) -> None:
    opened = (await browser.get(f"/t/{filled.name}/numbers/win_rates?key=source_10&intent=buyer&view=cohort")).text
    assert "Leads that came: source_10, buyer" in opened and "26 weeks up to the one under way" in opened
    program = re.search(r'href="([^"]+)">The same for programs', opened)
    back = re.search(r'href="([^"]+)">All win rates of these weeks', opened)
    assert program and back
    events = (await filled.client.get(unescape(program[1]))).raise_for_status().json()["events"]
    assert len(events) == opened.count("<summary>JSON") > 5
    assert "source_10" in (await browser.get(unescape(back[1]))).raise_for_status().text
    nobody = (await browser.get(f"/t/{filled.name}/numbers/win_rates?key=nothing&intent=buyer")).text
    assert "No lead of this group counts in these weeks" in nobody
