"""The event store takes every event once, of every type, and gives them back page by page."""

import pytest

from contracts.aggregator.events import EventPage, ListEvents
from contracts.message import ProblemError
from contracts.taxonomy import OutcomeType
from tests.aggregator.recorded import recorded
from tests.platform import Platform
from tests.waiting import until


@pytest.fixture(scope="module", autouse=True)
async def running(platform: Platform):
    async with platform.running("aggregator"):
        yield


async def stored(platform: Platform, tenant: str, count: int) -> EventPage:
    async def enough() -> EventPage | None:
        page = await platform.caller.ask(tenant, ListEvents(limit=200))
        return page if len(page.events) >= count else None

    return await until(enough, what=f"{count} stored events")


async def test_an_event_published_twice_is_stored_once(platform: Platform, tenant: str) -> None:
    event = recorded(OutcomeType.CLOSED_WON)
    id_ = await platform.publish("outcomes", tenant, event)
    await platform.publish("outcomes", tenant, event, id_)
    last = await platform.publish("outcomes", tenant, recorded(OutcomeType.CLOSED_LOST))
    page = await stored(platform, tenant, 2)
    assert [found.event_id for found in page.events] == [last, id_]


async def test_pages_follow_each_other_without_gap_or_overlap(platform: Platform, tenant: str) -> None:
    sent = [await platform.publish("outcomes", tenant, recorded(OutcomeType.CONTACTED)) for _ in range(7)]
    await stored(platform, tenant, 7)
    found, cursor = [], None
    while True:
        page = await platform.caller.ask(tenant, ListEvents(limit=3, cursor=cursor))
        found += [event.event_id for event in page.events]
        if (cursor := page.next_cursor) is None:
            break
    assert found == sent[::-1]


async def test_events_are_found_by_lead_and_by_type(platform: Platform, tenant: str) -> None:
    event = recorded(OutcomeType.CONTACTED)
    id_ = await platform.publish("outcomes", tenant, event)
    await platform.publish("outcomes", tenant, recorded(OutcomeType.CONTACTED))
    await stored(platform, tenant, 2)
    by_lead = await platform.caller.ask(tenant, ListEvents(lead_id=event.lead_id))
    assert [found.event_id for found in by_lead.events] == [id_]
    other_type = await platform.caller.ask(tenant, ListEvents(types=["intake.event.lead_accepted.v1"]))
    assert other_type.events == []


async def test_another_tenant_sees_none_of_it(platform: Platform, tenant: str) -> None:
    await platform.publish("outcomes", tenant, recorded(OutcomeType.CONTACTED))
    await stored(platform, tenant, 1)
    assert (await platform.caller.ask("somebody-else", ListEvents())).events == []


async def test_a_made_up_cursor_is_refused_with_its_name(platform: Platform, tenant: str) -> None:
    with pytest.raises(ProblemError) as refused:
        await platform.caller.ask(tenant, ListEvents(cursor="1; drop table event"))
    assert refused.value.problem.field == "cursor"
