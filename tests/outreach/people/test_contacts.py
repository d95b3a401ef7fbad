"""Who can be contacted is listed and looked at anew every day; what was sent to somebody is kept."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.message import PLATFORM, ProblemCode, ProblemError
from contracts.operations import RunJob
from contracts.outreach import people
from contracts.outreach.campaigns import Audience, NewStep
from contracts.outreach.people import ContactStatus, ListContacts, OutreachHistory, Suppress, Unsuppress
from contracts.taxonomy import Channel, SendKind, Tier
from tests.outreach.scene import Outbox, account, arrive, campaign, count, lead, messages, outreach
from tests.platform import Platform
from tests.waiting import until


async def listed(platform: Platform, tenant: str, **asked: Any) -> dict[UUID, ContactStatus]:
    """Everybody who is asked for, gathered page by page."""
    found: dict[UUID, ContactStatus] = {}
    cursor = None
    while True:
        page = await platform.caller.ask(tenant, ListContacts(**{"limit": 2, **asked}, cursor=cursor))
        assert not found.keys() & {contact.lead_id for contact in page.contacts}
        found |= {contact.lead_id: contact.status for contact in page.contacts}
        cursor = page.next_cursor
        if cursor is None:
            return found


async def test_contacts_are_listed_by_how_they_stand(
    platform: Platform, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "MOST_LOOKED_AT", 3)  # as few as there would be many
    async with outreach(platform, tenant, Outbox(tenant)):
        await account(platform, tenant)
        contacted = [lead(tier="A") for _ in range(2)]
        await arrive(platform, tenant, contacted)
        await campaign(platform, tenant, audience=Audience(tier=Tier.A))
        await until(lambda: _are(platform, tenant, sent=2))
        new, suppressed = [lead(tier="B") for _ in range(4)], lead(tier="B")
        stands_for_it = lead(version=2, merged_into=new[0].lead_id, changed=["merged_into"])
        await arrive(platform, tenant, [*new, suppressed, stands_for_it])
        await platform.caller.ask(tenant, Suppress(lead_id=suppressed.lead_id))

        everybody = await listed(platform, tenant)
        eligible = await listed(platform, tenant, eligible=True)
        others = await listed(platform, tenant, eligible=False)
        resting = await listed(platform, tenant, status="resting", limit=200)

    assert everybody == {
        **{each.lead_id: ContactStatus.RESTING for each in contacted},
        **{each.lead_id: ContactStatus.NEW for each in new},
        suppressed.lead_id: ContactStatus.SUPPRESSED,
    }
    assert eligible == {each.lead_id: ContactStatus.NEW for each in new}
    assert others.keys() == everybody.keys() - eligible.keys()
    assert resting.keys() == {each.lead_id for each in contacted}


async def test_what_was_sent_to_a_person_is_shown_with_what_was_sent_before(platform: Platform, tenant: str) -> None:
    async with outreach(platform, tenant, Outbox(tenant)):
        await account(platform, tenant)
        known, other = lead(), lead()
        await arrive(platform, tenant, [known])
        made = await campaign(platform, tenant)
        await until(lambda: _are(platform, tenant, sent=1))
        await arrive(platform, tenant, [other])
        await until(lambda: _are(platform, tenant, sent=2))
        async with platform.sql() as sql:
            await sql.execute(
                """insert into outreach.outreach_history (tenant_id, history_id, lead_id, channel, sent_at)
                   values ($1, $2, $3, 'linkedin', $4)""",
                tenant, uuid4(), known.lead_id, datetime.now(UTC) - timedelta(days=90),
            )  # fmt: skip
        first = await platform.caller.ask(tenant, OutreachHistory(lead_id=known.lead_id, limit=1))
        rest = await platform.caller.ask(tenant, OutreachHistory(lead_id=known.lead_id, cursor=first.next_cursor))
        (message,) = [row for row in await messages(platform, tenant) if row["lead_id"] == known.lead_id]
        with pytest.raises(ProblemError) as nobody:
            await platform.caller.ask(tenant, OutreachHistory(lead_id=uuid4()))
    assert [(e.channel, e.campaign_id, e.message_id) for e in (*first.entries, *rest.entries)] == [
        (Channel.EMAIL, made.campaign_id, message["message_id"]),
        (Channel.LINKEDIN, None, None),
    ]
    assert (first.entries[0].sent_at, rest.next_cursor) == (message["ended_at"], None)
    assert nobody.value.problem.code is ProblemCode.NOT_FOUND


async def test_lifting_an_entry_wakes_the_messages_to_its_person_by_whatever_lead_it_was_made(
    platform: Platform, tenant: str
) -> None:
    one = lead(tier="A")
    other = lead(tier="B", email_token=one.email_token)
    async with outreach(platform, tenant, Outbox(tenant)):
        await arrive(platform, tenant, [one, other])
        order = Suppress(lead_id=other.lead_id, expires_at=datetime.now(UTC) + timedelta(days=30))
        entry = await platform.caller.ask(tenant, order)
        await account(platform, tenant)
        await campaign(platform, tenant, audience=Audience(tier=Tier.A))
        await until(lambda: _wait_for(platform, tenant, "do_not_contact", 1))
        await platform.caller.ask(tenant, Unsuppress(suppression_id=entry.suppression_id))
        await until(lambda: _are(platform, tenant, sent=1))


async def test_when_sixty_days_are_over_by_another_clock_the_daily_look_lets_messages_leave(
    platform: Platform, tenant: str
) -> None:
    one = lead(tier="A")
    other = lead(tier="B", email=False, phone=True, person_id=one.person_id)
    outbox = Outbox(tenant)
    async with outreach(platform, tenant, outbox):
        await account(platform, tenant)
        await account(platform, tenant, Channel.SMS)
        await campaign(platform, tenant, audience=Audience(tier=Tier.A))
        await arrive(platform, tenant, [one])
        await until(lambda: _are(platform, tenant, sent=1))
        await campaign(platform, tenant, NewStep(kind=SendKind.SMS), audience=Audience(tier=Tier.B))
        await arrive(platform, tenant, [other])
        await until(lambda: _wait_for(platform, tenant, "sixty_days", 1))
        async with platform.sql() as sql:
            await sql.execute(
                "update outreach.hold set last_sent_at = last_sent_at - interval '60 days' where tenant_id = $1", tenant
            )
        run = await platform.caller.ask(PLATFORM, RunJob(job="refresh_eligibility"), of="outreach", seconds=30)
        await until(lambda: _are(platform, tenant, sent=2))
    assert run.counts["eligible"] >= 1
    assert [message.lead_id for message in outbox.handed] == [one.lead_id, other.lead_id]


async def test_what_was_parted_while_it_was_looked_at_leaves_by_the_daily_look(platform: Platform, tenant: str) -> None:
    async with outreach(platform, tenant, Outbox(tenant)):
        await arrive(platform, tenant, [lead()])
        await campaign(platform, tenant)
        await until(lambda: _are(platform, tenant, queued=1))
        async with platform.sql() as sql:  # as a claim leaves it that saw the lead merged
            await sql.execute(
                "update outreach.send_queue set waiting_for = 'merged', due_at = 'infinity' where tenant_id = $1",
                tenant,
            )
        await account(platform, tenant)
        await platform.caller.ask(PLATFORM, RunJob(job="refresh_eligibility"), of="outreach", seconds=30)
        await until(lambda: _are(platform, tenant, sent=1))


async def _are(platform: Platform, tenant: str, **states: int) -> bool:
    return all([await count(platform, tenant, state) == number for state, number in states.items()])


async def _wait_for(platform: Platform, tenant: str, what: str, number: int) -> bool:
    return sum(message["waiting_for"] == what for message in await messages(platform, tenant)) == number
