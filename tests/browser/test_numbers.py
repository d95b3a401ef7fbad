"""The overview, its numbers down to their events, and win rates, as people go through them."""

import csv
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.async_api import expect

from contracts.aggregator.kpis import DashboardStats
from contracts.aggregator.win_rates import Dimension, WinRates
from contracts.taxonomy import Role
from tests.browser.conftest import Opening
from tests.gateway.conftest import Gateway, Tenancy
from tests.waiting import until

SOLD = [
    # source, place, intent, outcomes of each of its leads
    ("organic_search", "bonn", "seller", ["closed_won"] * 4 + ["closed_lost"] * 2),
    ("paid_search", "ulm", "buyer", ["closed_won"] + ["closed_lost"] * 5),
]


@pytest.fixture(scope="package")
async def sold(gateway: Gateway) -> AsyncIterator[Tenancy]:
    """A tenant whose leads were won and lost."""
    made = await gateway.tenant(f"sold-{uuid4().hex[:8]}")
    async with made.client:
        yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
        for source, place, intent, outcomes in SOLD:
            for number, type_ in enumerate(outcomes):
                lead = {
                    "source_system": "crm", "source_id": f"{source}-{number}", "full_name": "Zebedee Quark", "source": source,
                    "geo": place, "intent": intent, "created_at": yesterday,
                }  # fmt: skip
                lead_id = (await made.client.post(made.path("/leads"), json=lead)).json()["lead_id"]
                value = {"value": "1000.00", "currency": "EUR"} if type_ == "closed_won" else {}
                sent = {"lead": {"lead_id": lead_id}, "outcomes": [{"type": type_} | value]}
                assert (await made.client.post(made.path("/outcomes"), json=sent)).status_code == 201

        async def counted() -> bool:
            ask = gateway.platform.caller.ask
            rates, stats = await ask(made.name, WinRates()), await ask(made.name, DashboardStats())
            return sum(row.decided for row in rates.rows) == 12 and stats.conversions == 5

        await until(counted, what="the outcomes' arrival in the numbers", seconds=30)
        yield made


@pytest.mark.parametrize("javascript", [True, False])
async def test_a_number_opens_the_events_it_counts(sold: Tenancy, window: Opening, javascript: bool) -> None:
    seen = await window(sold, Role.VIEWER, javascript=javascript)
    page = seen.page
    await seen.go()
    if javascript:
        await seen.look("overview")
    tile = page.locator(".tile", has_text="Won, 30 days")
    await expect(tile).to_contain_text("5,000.00 EUR")
    await tile.get_by_role("link", name="5 deals won in 30 days").click()
    rows = page.get_by_role("table").locator("tbody tr")
    await expect(rows).to_have_count(5)
    await expect(rows.first).to_contain_text("Outcome recorded")
    await rows.first.get_by_text("JSON").click()
    await expect(rows.first.locator("pre")).to_contain_text('"closed_won"')
    if javascript:
        await seen.look("number")
    await page.get_by_role("link", name="All numbers as of this moment").click()
    await expect(page.get_by_label("As of")).not_to_have_value("")
    await page.get_by_role("link", name="Now", exact=True).click()
    await expect(page.get_by_label("As of")).to_have_value("")


@pytest.mark.parametrize("javascript", [True, False])
async def test_win_rates_are_filtered_sorted_and_written_to_a_file_that_is_the_table(
    gateway: Gateway, sold: Tenancy, window: Opening, tmp_path: Path, javascript: bool
) -> None:
    seen = await window(sold, Role.VIEWER, javascript=javascript)
    page = seen.page
    await seen.go()
    await page.get_by_role("navigation").get_by_role("link", name="Win rates", exact=True).first.click()
    rows = page.get_by_role("table").locator("tbody tr")
    await page.get_by_role("combobox", name="Weeks").select_option("4")
    if not javascript:
        await page.get_by_role("button", name="Show", exact=True).click()
    await expect(page).to_have_url(_has("weeks=4"))
    await expect(rows).to_have_count(2)
    table = await gateway.platform.caller.ask(sold.name, WinRates(by=Dimension.SOURCE, weeks=4))
    for row in table.rows:
        line = rows.filter(has_text=row.key)
        assert row.won + row.lost == row.decided and row.win_rate == pytest.approx(row.won / row.decided)
        await expect(line).to_contain_text(f"{row.won / row.decided:.1%}".replace("%", " %"))
    if javascript:
        await seen.look("win-rates")
    await page.get_by_role("link", name="Won", exact=True).click()
    await expect(page.get_by_role("columnheader", name="Won")).to_have_attribute("aria-sort", "descending")
    async with page.expect_download() as download:
        await page.get_by_role("link", name="CSV").click()
    await (await download.value).save_as(tmp_path / "rates.csv")
    with (tmp_path / "rates.csv").open() as file:
        written = [[row["key"], row["won"], row["lost"]] for row in csv.DictReader(file)]
    assert written == [[row.key, str(row.won), str(row.lost)] for row in sorted(table.rows, key=lambda row: -row.won)]
    assert written == [["organic_search", "4", "2"], ["paid_search", "1", "5"]]


async def test_win_rates_by_place_are_narrowed_to_sellers(sold: Tenancy, window: Opening) -> None:
    seen = await window(sold, Role.VIEWER)
    page = seen.page
    await seen.go("/win-rates")
    await page.get_by_role("link", name="By place").click()
    rows = page.get_by_role("table").locator("tbody tr")
    await expect(rows).to_contain_text(["bonn", "ulm"])
    await page.get_by_role("combobox", name="Intent").select_option("seller")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("bonn")
    await expect(rows).to_contain_text("66.7 %")
    await page.get_by_label("Place contains").fill("ulm")
    await page.get_by_label("Place contains").press("Enter")
    await expect(page.get_by_text("No outcomes in these weeks")).to_be_visible()


def _has(query: str) -> re.Pattern[str]:
    return re.compile(rf"[?&]{re.escape(query)}(&|$)")
