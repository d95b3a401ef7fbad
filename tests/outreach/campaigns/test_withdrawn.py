"""A lead that was withdrawn with its import and comes again is sent what it would have been sent, unless something was sent to it before."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.intake.imports import LeadWithdrawn
from contracts.intake.leads import LeadAccepted, LeadUpdated
from contracts.outreach.campaigns import Audience, GetCampaign, NewStep
from contracts.outreach.people import ContactStatus, GetContact, Suppress
from contracts.outreach.sending import ExplainMessage, MessageHistory, SkipMessage, SkipReason
from contracts.taxonomy import Channel, Tier
from tests.outreach.scene import account, arrive, campaign, count, events, lead, messages, outreach
from tests.platform import Platform
from tests.waiting import until


def withdrawn(one: LeadAccepted | LeadUpdated) -> LeadWithdrawn:
    return LeadWithdrawn(
        lead_id=one.lead_id,
        person_id=one.person_id,
        version=one.version + 1,
        run_id=uuid4(),
        occurred_at=datetime.now(UTC),
    )


def again(one: LeadAccepted | LeadUpdated, version: int = 3, **about: Any) -> LeadAccepted | LeadUpdated:
    """The lead as the next import brings it: intake knows its id, and that it is another version of it."""
    return lead(one.lead_id, version=version, person_id=one.person_id, email_token=one.email_token, **about)


async def of(platform: Platform, tenant: str, one: LeadAccepted | LeadUpdated) -> list[tuple[str, str | None, int]]:
    """What became of the messages to a lead, in the order they were queued."""
    return [
        (m["state"], m["reason"], m["step"]) for m in await messages(platform, tenant) if m["lead_id"] == one.lead_id
    ]


async def test_a_lead_that_comes_again_is_sent_once_what_it_was_not_sent_before(
    platform: Platform, tenant: str
) -> None:
    one, other = lead(), lead()
    async with outreach(platform, tenant):
        await arrive(platform, tenant, [one, other])
        running = await campaign(platform, tenant, NewStep(), NewStep(delay_days=1))
        await until(lambda: count(platform, tenant, "queued"))
        await arrive(platform, tenant, [withdrawn(one)])
        (former,) = [m["message_id"] for m in await messages(platform, tenant) if m["lead_id"] == one.lead_id]
        for version in (3, 4):  # what is told twice, or changes later, begins nothing more
            await arrive(platform, tenant, [again(one, version)])

        assert await of(platform, tenant, one) == [("skipped", "erased", 1), ("queued", None, 1)]
        view = await platform.caller.ask(tenant, GetCampaign(campaign_id=running.campaign_id))
        assert (view.enrolled, view.queued, view.skipped) == (2, 2, 1)
        started = [e["enrollment_id"] for e in await events(platform, tenant, "enrollment_started")]
        ended = [e["enrollment_id"] for e in await events(platform, tenant, "enrollment_ended")]
        assert len(started) == len(set(started)) == 3
        assert set(ended) < set(started)
        assert len(ended) == 1

        await account(platform, tenant)
        await until(lambda: _sent(platform, tenant, 2))
        mine = [m for m in await messages(platform, tenant) if m["lead_id"] == one.lead_id]
        assert [(m["state"], m["step"], m["deliveries"]) for m in mine] == [
            ("skipped", 1, 0), ("sent", 1, 1), ("queued", 2, 0),
        ]  # fmt: skip
        explained = await platform.caller.ask(tenant, ExplainMessage(message_id=former))
        assert (explained.message.state, explained.message.reason) == ("skipped", "erased")
        history = await platform.caller.ask(tenant, MessageHistory(message_id=former))
        assert [change.state for change in history.changes] == ["queued", "skipped"]

        await arrive(platform, tenant, [withdrawn(again(one, 4))])
        await arrive(platform, tenant, [again(one, 6)])
        assert await of(platform, tenant, one) == [
            ("skipped", "erased", 1), ("sent", None, 1), ("skipped", "erased", 2),
        ], "something was sent to it: it begins no more"  # fmt: skip


async def _sent(platform: Platform, tenant: str, number: int) -> bool:
    return await count(platform, tenant, "sent") == number


@pytest.mark.parametrize("state", ["sending", "unknown", "sent", "failed"])
async def test_who_may_have_been_sent_something_begins_no_more(platform: Platform, tenant: str, state: str) -> None:
    one = lead()
    async with outreach(platform, tenant):
        await arrive(platform, tenant, [one])
        await campaign(platform, tenant)
        await until(lambda: count(platform, tenant, "queued"))
        async with platform.sql() as sql:
            await sql.execute(
                """update outreach.send_queue set state = $2, account_id = gen_random_uuid(), token = gen_random_uuid(), spent_at = now(),
                       lease_until = now() + interval '1 h', reason = 'x', ended_at = now() where tenant_id = $1""",
                tenant, state,
            )  # fmt: skip
        await arrive(platform, tenant, [withdrawn(one)])
        await arrive(platform, tenant, [again(one)])
        assert [found for found, _, _ in await of(platform, tenant, one)] == [state]
        assert len(await events(platform, tenant, "enrollment_started")) == 1


async def test_what_another_system_sent_or_somebody_skipped_is_not_begun_anew(platform: Platform, tenant: str) -> None:
    taken_over, skipped = lead(), lead()
    async with outreach(platform, tenant):
        await arrive(platform, tenant, [taken_over, skipped])
        await campaign(platform, tenant, NewStep(), NewStep())
        await until(lambda: count(platform, tenant, "queued"))
        by_lead: dict[UUID, UUID] = {m["lead_id"]: m["message_id"] for m in await messages(platform, tenant)}
        await platform.caller.ask(
            tenant, SkipMessage(message_id=by_lead[skipped.lead_id], reason=SkipReason.WRONG_TEXT, actor="user:7")
        )
        async with platform.sql() as sql:
            # As `backfill pending` leaves it.
            await sql.execute(
                "update outreach.send_queue set step = 2 where message_id = $1", by_lead[taken_over.lead_id]
            )
        await arrive(platform, tenant, [withdrawn(taken_over), withdrawn(skipped)])
        await arrive(platform, tenant, [again(taken_over), again(skipped)])
        assert await count(platform, tenant, "queued") == 0


async def test_who_comes_again_is_enrolled_only_where_they_are_meant_to_be(platform: Platform, tenant: str) -> None:
    """By what the next import says of them, by whoever holds their person meanwhile, and by what they asked for."""
    one, other, asked = lead(tier="A"), lead(tier="A"), lead(tier="A")
    async with outreach(platform, tenant):
        await arrive(platform, tenant, [one, other, asked])
        await campaign(platform, tenant, audience=Audience(tier=Tier.A))
        await until(lambda: _queued(platform, tenant, 3))
        await arrive(platform, tenant, [withdrawn(each) for each in (one, other, asked)])
        holding = lead(email_token=other.email_token, tier="B")
        await arrive(platform, tenant, [holding])
        await campaign(platform, tenant, audience=Audience(tier=Tier.B))
        await until(lambda: _queued(platform, tenant, 1))
        await arrive(platform, tenant, [again(one, tier="C"), again(other, tier="A"), again(asked)])
        await platform.caller.ask(tenant, Suppress(lead_id=asked.lead_id))
        await arrive(platform, tenant, [again(asked, 4, tier="A")])

        await account(platform, tenant)

        async def waits() -> bool:
            (message,) = [
                m for m in await messages(platform, tenant) if m["lead_id"] == other.lead_id and m["state"] == "queued"
            ]
            return message["waiting_for"] == "sixty_days" and await count(platform, tenant, "sent") == 1

        await until(waits, what="who holds their person was contacted, and they wait")
        assert await of(platform, tenant, one) == [("skipped", "erased", 1)]
        assert (await of(platform, tenant, asked))[-1][:2] == ("skipped", "do_not_contact")

        await arrive(platform, tenant, [again(one, 5, tier="A")])
        assert (await of(platform, tenant, one))[-1][0] != "skipped", "it is meant for them by now"


async def _queued(platform: Platform, tenant: str, number: int) -> bool:
    return await count(platform, tenant, "queued") == number


async def test_a_lead_that_came_again_stays_when_its_withdrawal_is_heard_of_late(
    platform: Platform, tenant: str
) -> None:
    """Of a batch the leads that came are handled before those that went; a dead letter is redriven days later."""
    one = lead()
    async with outreach(platform, tenant):
        await arrive(platform, tenant, [one])
        await campaign(platform, tenant)
        await until(lambda: count(platform, tenant, "queued"))
        await arrive(platform, tenant, [again(one)])
        await arrive(platform, tenant, [withdrawn(one)])

        contact = await platform.caller.ask(tenant, GetContact(lead_id=one.lead_id))
        assert (contact.status, contact.channels) == (ContactStatus.IN_SEQUENCE, [Channel.EMAIL])
        assert await of(platform, tenant, one) == [("queued", None, 1)]

        await arrive(platform, tenant, [withdrawn(again(one))])
        assert await of(platform, tenant, one) == [("skipped", "erased", 1)]
