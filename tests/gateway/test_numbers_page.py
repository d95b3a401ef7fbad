"""The dashboard's numbers as a page: each opens exactly its events, as of any moment, and says what to do where there are none."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest

from chassis.unit_of_work import Database
from contracts.aggregator.kpis import CampaignStatus, Kpi, NextAction
from contracts.gateway import NewTenantSettings
from contracts.message import Event
from contracts.outreach.accounts import SendingLimitSet
from contracts.taxonomy import Channel, SendKind, SystemStatus
from gateway.domain_numbers import BEHIND_ACTION, BEHIND_CAMPAIGN, BEHIND_STATUS, NAMES
from tests.aggregator.history import MAKERS, Told, checking, numbered, recorded_outcome, store_told
from tests.gateway.conftest import Gateway, Tenancy
from tests.waiting import until

NOON = datetime(2026, 7, 15, 12, tzinfo=UTC)
"""Two o'clock in Berlin."""
MINUTE = timedelta(minutes=1)
SENDS = 60
"""More than a page holds."""


class Opening(NamedTuple):
    """A number on the page: what is read, what a screen reader says of it, and what it opens."""

    value: str
    says: str
    address: str

    @property
    def kpi(self) -> str:
        return urlsplit(self.address).path.rpartition("/")[2]


@pytest.fixture(scope="module")
async def database(gateway: Gateway) -> AsyncIterator[Database]:
    """The aggregator's, to have events of the past in it."""
    opened = Database("aggregator", gateway.platform.settings("aggregator").database_url)
    yield opened
    await opened.close()


async def has(database: Database, tenant: str, *events: tuple[Event, datetime]) -> None:
    async with database.begin(tenant) as uow:
        await store_told(uow, [Told(tenant, uuid4(), event, at, at) for event, at in events])


def made(name: str, at: datetime, n: int) -> tuple[Event, datetime]:
    return MAKERS[name](at, n), at


def limit(at: datetime, daily: int) -> tuple[Event, datetime]:
    event = SendingLimitSet(
        account_id=numbered("account", 0), occurred_at=at, channel=Channel.EMAIL, daily_limits={SendKind.EMAIL: daily}
    )
    return event, at


@pytest.fixture(scope="module")
async def busy(gateway: Gateway, database: Database) -> AsyncIterator[Tenancy]:
    """A tenant in Berlin of which every number counted something on a day in July."""
    made_here = await gateway.tenant("busy", NewTenantSettings(time_zone="Europe/Berlin"))
    happened = [made("created", NOON - 60 * MINUTE, 1), made("created", NOON - 60 * MINUTE, 2)]
    happened += [made("paused", NOON - 50 * MINUTE, 2), limit(NOON - 50 * MINUTE, 70)]
    happened += [made("sent", NOON - MINUTE, n) for n in range(SENDS)]
    happened += [
        made(name, NOON - timedelta(seconds=n), n)
        for name in ("enrolled", "scheduled", "reply", "captcha", "throttled")
        for n in range(5)
    ]
    happened += [(recorded_outcome(NOON - MINUTE, n), NOON - MINUTE) for n in range(14)]
    await has(database, made_here.name, *happened)
    async with made_here.client:
        yield made_here


@pytest.fixture
async def browser(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway.client() as client:
        client.headers["Accept"] = "text/html"
        yield client


async def shown(gateway: Gateway, browser: httpx.AsyncClient, tenant: str, as_of: datetime | str | None = None) -> str:
    await gateway.sign_in(browser, tenant)
    moment = as_of.isoformat() if isinstance(as_of, datetime) else as_of
    page = await browser.get(f"/t/{tenant}", params={"as_of": moment} if moment else {})
    assert page.status_code == 200, page.text
    return page.text


def openings(page: str) -> list[Opening]:
    found = re.findall(r'<a class="opens" href="([^"]+)">(.*?)<span class="unseen">(.*?)</span></a>', page, re.DOTALL)
    return [Opening(re.sub("<.*?>", "", value).strip(), says.strip(), unescape(href)) for href, value, says in found]


async def events_of(browser: httpx.AsyncClient, address: str) -> list[str]:
    """The ids of the events behind a number, page by page."""
    ids: list[str] = []
    while True:
        page = (await browser.get(address)).raise_for_status().text
        ids += re.findall(r"<summary>JSON<span[^>]*> of [^<]* ([0-9a-f-]{36})</span>", page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        if not following:
            return ids
        address = unescape(following[1])


def text_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<.*?>", " ", page)).split())


async def test_every_number_opens_as_many_events_as_it_says_as_of_its_moment(
    gateway: Gateway, browser: httpx.AsyncClient, busy: Tenancy
) -> None:
    page = await shown(gateway, browser, busy.name, NOON)
    found = openings(page)
    assert {Kpi(each.kpi) for each in found} == set(Kpi) - {Kpi.FIRST_LEAD, Kpi.CAMPAIGNS_COMPLETED, Kpi.THROTTLED}
    counts = [each for each in found if re.fullmatch(r"[\d,]+", each.value) and each.kpi != Kpi.DAILY_LIMIT]
    assert len(counts) > 12
    for each in counts:
        assert parse_qs(urlsplit(each.address).query)["as_of"] == [NOON.isoformat()]
        ids = await events_of(browser, each.address)
        assert len(ids) == len(set(ids)) == int(each.value.replace(",", "")), each
    for each in found:
        assert each.says.endswith(": show the events")
        if each not in counts:
            assert await events_of(browser, each.address), each
    (sends,) = {each.value for each in found if each.says.startswith("messages sent today: ")}
    assert sends == str(SENDS)


async def test_a_number_opens_the_same_events_after_others_have_come(
    gateway: Gateway, browser: httpx.AsyncClient, database: Database, acme: Tenancy
) -> None:
    await has(database, acme.name, made("sent", NOON, 0))
    page = await shown(gateway, browser, acme.name, NOON)
    (address,) = {each.address for each in openings(page) if each.kpi == Kpi.TODAYS_SENDS}
    before = await events_of(browser, address)
    await has(database, acme.name, made("sent", NOON + MINUTE, 1))
    assert await events_of(browser, address) == before
    opened = (await browser.get(address)).text
    back = re.search(r'href="([^"]+)">All numbers as of this moment', opened)
    assert back
    again = (await browser.get(unescape(back[1]))).text
    assert next(each for each in openings(again) if each.kpi == Kpi.TODAYS_SENDS).value == "1"


async def test_sends_turn_amber_at_70_percent_of_the_limit_and_red_above_90(
    gateway: Gateway, browser: httpx.AsyncClient, database: Database, acme: Tenancy
) -> None:
    sends = [made("sent", NOON + n * MINUTE, n) for n in range(1, 12)]
    await has(database, acme.name, limit(NOON, 10), *sends)
    for count, percent, colour in (
        (6, 60, "green"), (7, 70, "amber"), (9, 90, "amber"), (10, 100, "red"), (11, 110, "red")
    ):  # fmt: skip
        page = await shown(gateway, browser, acme.name, NOON + count * MINUTE)
        assert f'<span class="badge badge-{colour}">{percent} %, {colour}</span>' in page
        assert f'class="used-{colour}" width="{min(percent, 100)}"' in page


async def test_where_there_is_nothing_the_page_says_what_to_do_next(
    gateway: Gateway, browser: httpx.AsyncClient, acme: Tenancy
) -> None:
    page = await shown(gateway, browser, acme.name)
    said = text_of(page)
    for what in (
        "Import contacts to unlock campaigns", "Import an export of your CRM", "Set daily sending limit", "Add an account",
        "No campaign", "set one up", "No outcome in these days",
        "Nobody was sent anything in these days", "Not compared with the events yet",
    ):  # fmt: skip
        assert what in said, what
    assert '<span aria-hidden="true">–</span><span class="unseen">none</span>' in page, "no rate of nobody"
    assert "Account health" not in said, "all is well"
    for kpi, named in NAMES.items():
        opened = (await browser.get(f"/t/{acme.name}/numbers/{kpi}")).raise_for_status().text
        assert text_of(named.first.replace("`", " ")) in text_of(opened), kpi
        assert named.title in text_of(opened)


async def test_the_accounts_health_is_shown_once_something_is_wrong_with_it(
    gateway: Gateway, browser: httpx.AsyncClient, busy: Tenancy
) -> None:
    well = text_of(await shown(gateway, browser, busy.name, NOON - 2 * MINUTE))
    assert "Account health" not in well and "Healthy" in well
    said = text_of(await shown(gateway, browser, busy.name, NOON))
    for what in (
        r"Error\b.*a provider wants to see a person", "Errors 5", "Captcha seen", "Cooldown on", r"Last action 15 Jul 13:59",
        "Automation method unknown",
    ):  # fmt: skip
        assert re.search(what, said), what


async def test_what_to_do_next_comes_by_priority_and_five_at_most(
    gateway: Gateway, browser: httpx.AsyncClient, busy: Tenancy
) -> None:
    page = await shown(gateway, browser, busy.name, NOON)
    (panel,) = re.findall(r'<section class="panel" id="next".*?</section>', page, re.DOTALL)
    titles = [text_of(title) for title in re.findall(r'<p class="alert-title">(.*?)</p>', panel, re.DOTALL)]
    assert [title.partition(" : ")[0] for title in titles] == [
        "Import contacts to unlock campaigns", "5 replies waiting review", "Campaign paused with 2 active enrollments",
        "5 follow-ups due today",
    ]  # fmt: skip


async def test_a_moment_is_by_the_tenants_clock_and_shows_the_numbers_of_then_only(
    gateway: Gateway, browser: httpx.AsyncClient, busy: Tenancy
) -> None:
    page = await shown(gateway, browser, busy.name, "2026-07-15T14:00")
    of_noon = {each.address for each in openings(page)}
    assert of_noon and all(
        f"as_of={NOON.isoformat()}".replace(":", "%3A").replace("+", "%2B") in each for each in of_noon
    )
    assert 'value="2026-07-15T14:00:00"' in page and f'href="/t/{busy.name}">Now</a>' in page
    for now_only in ('id="alerts"', 'id="activity"', 'id="rates"'):
        assert now_only not in page
    assert 'id="alerts"' in (await browser.get(f"/t/{busy.name}?as_of=")).text
    for wrong in ("yesterday", "0001-01-01T00:00", "9999-12-31T23:59"):
        refused = await browser.get(f"/t/{busy.name}", params={"as_of": wrong})
        assert refused.status_code == 400, wrong


async def test_a_campaign_is_shown_by_its_title_with_its_day(
    gateway: Gateway, browser: httpx.AsyncClient, acme: Tenancy
) -> None:
    (await acme.client.post(acme.path("/campaigns"), json={"title": "Autumn <b>"})).raise_for_status()

    async def there() -> str:
        page = await shown(gateway, browser, acme.name)
        return page if "Autumn" in page else ""

    page = await until(there, what="the campaign on the page")
    assert "Autumn &lt;b&gt;" in page
    (status,) = [each for each in openings(page) if each.says.startswith("is the status of Autumn")]
    assert status.value == CampaignStatus.RUNNING
    assert "Autumn &lt;b&gt;" in (await browser.get(status.address)).text


async def test_the_last_check_and_its_drift_are_on_the_page(
    gateway: Gateway, browser: httpx.AsyncClient, database: Database, acme: Tenancy
) -> None:
    await has(database, acme.name, made("reply", NOON, 0), made("sent", NOON, 0))
    await checking(database).check(acme.name)
    assert "drift 0" in text_of(await shown(gateway, browser, acme.name))
    async with gateway.platform.sql() as sql:
        await sql.execute("delete from aggregator.open_item where tenant_id = $1", acme.name)
    await checking(database).check(acme.name)
    assert re.search(r"drift 1 of \d+ numbers, checked .* which", text_of(await shown(gateway, browser, acme.name)))


async def test_numbers_that_need_archived_events_are_missing_and_the_page_says_how_to_have_them(
    gateway: Gateway, browser: httpx.AsyncClient, acme: Tenancy
) -> None:
    async with gateway.platform.sql() as sql:
        await sql.execute(
            """insert into aggregator.event_archive (tenant_id, month, part, path, events, bytes, digest, archived_at)
               values ($1, '2026-07-01', 1, 'nowhere', 1, 1, '', now())""",
            acme.name,
        )
    page = await shown(gateway, browser, acme.name, NOON)
    assert "events of 2026-07 are archived" in page and "<code>leadloop events restore</code> brings them back." in page
    assert "try again" not in page
    refused = await browser.get(f"/t/{acme.name}/numbers/errors", params={"as_of": NOON.isoformat()})
    assert refused.status_code == 409 and "archived" in refused.text


async def test_what_is_no_number_is_not_opened(gateway: Gateway, browser: httpx.AsyncClient, busy: Tenancy) -> None:
    await gateway.sign_in(browser, busy.name)
    for wrong in ("luck", "errors?cursor=x", "errors?as_of=yesterday"):
        assert (await browser.get(f"/t/{busy.name}/numbers/{wrong}")).status_code == 400, wrong


def test_every_number_status_and_action_has_a_name_or_events_behind_it() -> None:
    assert set(NAMES) == set(Kpi)
    assert set(BEHIND_STATUS) == set(SystemStatus)
    assert set(BEHIND_CAMPAIGN) == set(CampaignStatus)
    assert set(BEHIND_ACTION) == set(NextAction.model_fields["action"].annotation.__args__)  # type: ignore[union-attr]
