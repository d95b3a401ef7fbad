"""The event store takes every event once, of every type, and gives them back page by page."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from uuid_utils.compat import uuid7

from chassis.received import encode
from contracts.aggregator.events import EventPage, ListEvents
from contracts.intake.erasure import LeadErased
from contracts.message import Envelope, Event, ProblemError
from contracts.operations import DeadLetterList, ListDeadLetters, PersonalDataDropped
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


async def tell(platform: Platform, told: Envelope, event: Event) -> None:
    """Have an event come as a service's outbox publishes it again, long after the broker forgot that it had it."""
    headers = told.headers | {"Nats-Msg-Id": str(uuid7())}
    async with platform.connect(told.type.partition(".")[0]) as client:
        await client.jetstream().publish(told.subject, encode(event), headers=headers)


def envelope(tenant: str, event: Event) -> Envelope:
    id_ = uuid7()
    return Envelope(id_, event.topic.type, tenant, datetime.now(UTC), id_)


async def test_what_is_told_again_is_handled_once(platform: Platform, tenant: str) -> None:
    """That a person's data was dropped is answered once, and counted as it was; a batch may have both tellings."""
    lead = uuid7()
    gone = LeadErased(lead_id=lead, erasure_id=uuid7(), version=1, person_id=uuid7(), occurred_at=datetime.now(UTC))
    told = envelope(tenant, gone)
    for _ in range(3):
        await tell(platform, told, gone)
    await stored(platform, tenant, 2)
    await tell(platform, told, gone)
    last = recorded(OutcomeType.CONTACTED)
    await platform.publish("outcomes", tenant, last)
    page = await stored(platform, tenant, 3)
    assert Counter(found.type for found in page.events) == {
        LeadErased.topic.type: 1, PersonalDataDropped.topic.owned_by("aggregator").type: 1, last.topic.type: 1,
    }  # fmt: skip


async def test_an_id_told_again_with_another_body_is_a_dead_letter_and_nothing_else(
    platform: Platform, tenant: str
) -> None:
    first, other = recorded(OutcomeType.CONTACTED), recorded(OutcomeType.CLOSED_WON)
    told = envelope(tenant, first)
    await tell(platform, told, first)
    await tell(platform, told, other)
    after = await platform.publish("outcomes", tenant, recorded(OutcomeType.CLOSED_LOST))

    async def buried() -> DeadLetterList | None:
        found = await platform.caller.ask(tenant, ListDeadLetters(), of="aggregator")
        return found if found.dead_letters else None

    (letter,) = (await until(buried, what="the dead letter")).dead_letters
    assert (letter.message_id, letter.reason) == (told.id, "the id was used before by a message with another body")
    page = await stored(platform, tenant, 3)  # and that it is a dead letter
    of_outcomes = [found for found in page.events if found.type == first.topic.type]
    assert {found.event_id: found.body["type"] for found in of_outcomes} == {told.id: "contacted", after: "closed_lost"}


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
