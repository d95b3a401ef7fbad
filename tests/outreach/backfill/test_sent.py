"""Nobody is contacted again because another system did it before: for 60 days, by person, over every channel and account."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from contracts.intake.erasure import EraseLead
from contracts.outreach.backfill import RowVerdict
from contracts.outreach.campaigns import EnrollmentEnd, NewStep
from contracts.outreach.people import ContactStatus, GetContact
from contracts.outreach.sending import ExplainMessage, Gate
from outreach.sending.domain_gates import REST
from tests.outreach.backfill.handed import all_of, hand_sent, kept, person, sent
from tests.outreach.scene import Outbox, account, campaign, count, events, messages, new_lead
from tests.platform import Platform
from tests.waiting import until

TAKEN, KNOWN, REFUSED = RowVerdict.TAKEN, RowVerdict.KNOWN, RowVerdict.REFUSED


async def opens(platform: Platform, tenant: str, lead_id: UUID) -> datetime | None:
    """When the only message to a lead could leave, which the 60-day rule keeps."""
    (message,) = [m for m in await messages(platform, tenant) if m["lead_id"] == lead_id]
    told = await platform.caller.ask(tenant, ExplainMessage(message_id=message["message_id"]))
    assert told.binding is Gate.SIXTY_DAYS
    return told.earliest


async def waiting(platform: Platform, tenant: str, number: int = 1) -> bool:
    found = await messages(platform, tenant)
    return sum(m["waiting_for"] == "sixty_days" and m["state"] == "queued" for m in found) == number


async def several(platform: Platform, tenant: str, state: str, number: int) -> bool:
    return await count(platform, tenant, state) == number


async def test_a_person_waits_until_sixty_days_after_what_another_system_sent(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    late = await new_lead(platform, tenant, email="late@example.com", phone="(614) 555-0142")
    rested = await new_lead(platform, tenant, email="rested@example.com")
    rows = [sent(person(phone="614-555-0142"), 59), sent(person(lead_id=rested), 60)]
    assert [result.verdict for result in await hand_sent(platform, tenant, *rows)] == [TAKEN, TAKEN]
    await account(platform, tenant)
    await campaign(platform, tenant)
    await until(lambda: count(platform, tenant, "sent"))
    await until(lambda: waiting(platform, tenant))
    assert [message.lead_id for message in outbox.handed] == [rested]
    assert await opens(platform, tenant, late) == rows[0].sent_at + REST
    contact = await platform.caller.ask(tenant, GetContact(lead_id=late))
    assert (contact.status, contact.last_contacted) == (ContactStatus.RESTING, rows[0].sent_at)


async def test_a_person_of_whom_there_is_no_lead_yet_is_known_when_one_comes_and_by_all_their_leads(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    (row,) = rows = [sent(person(email="Ada@Example.com"), 20)]
    assert [result.verdict for result in await hand_sent(platform, tenant, *rows)] == [TAKEN]
    await account(platform, tenant)
    await campaign(platform, tenant)
    first = await new_lead(platform, tenant, email="ada@example.com", phone="(614) 555-0142")
    await until(lambda: waiting(platform, tenant))
    # The same person, by a number that the other system did not have.
    second = await new_lead(platform, tenant, email="ada@work.example.com", phone="(614) 555-0142")
    await until(lambda: _has_message(platform, tenant, second))
    await until(lambda: waiting(platform, tenant, 2))
    assert {await opens(platform, tenant, lead) for lead in (first, second)} == {row.sent_at + REST}
    assert not outbox.handed


async def test_what_is_taken_twice_is_kept_once_and_nothing_of_it_is_personal(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    row = sent(person(email="ada@example.com"), source_key="<m-1@mail.example.com>")
    assert [r.verdict for r in await hand_sent(platform, tenant, row, row)] == [TAKEN, KNOWN]
    before = await kept(platform, tenant)
    other = sent(person(email="bob@example.com"), source_key="<m-1@mail.example.com>")
    assert [r.verdict for r in await hand_sent(platform, tenant, row, other)] == [KNOWN, KNOWN]
    assert await kept(platform, tenant) == before
    assert (before["outreach_history"], before["hold"], before["backfilled"]) == (1, 1, 1)
    assert "example.com" not in await all_of(platform, tenant)


async def test_of_several_who_hand_over_the_same_at_once_one_does(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    row = sent(person(email="ada@example.com"))
    results = await asyncio.gather(*(hand_sent(platform, tenant, row) for _ in range(5)))
    assert sorted(result.verdict for (result,) in results) == [KNOWN] * 4 + [TAKEN]
    assert (await kept(platform, tenant))["outreach_history"] == 1


async def test_what_was_sent_before_something_newer_changes_nothing_but_the_history(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    known = await new_lead(platform, tenant, email="ada@example.com")
    await hand_sent(platform, tenant, newer := sent(person(lead_id=known), 5), sent(person(lead_id=known), 50))
    await hand_sent(platform, tenant, sent(person(lead_id=known), 90))
    contact = await platform.caller.ask(tenant, GetContact(lead_id=known))
    assert contact.last_contacted == newer.sent_at
    assert (await kept(platform, tenant))["outreach_history"] == 3


async def test_a_sequence_that_has_sent_nothing_lets_go_of_whom_another_system_contacted(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    known = await new_lead(platform, tenant, email="ada@example.com")
    await campaign(platform, tenant)  # there is no account: it waits, and holds the person
    await until(lambda: count(platform, tenant, "queued"))
    (row,) = rows = [sent(person(email="ada@example.com"), 10)]
    await hand_sent(platform, tenant, *rows)
    await account(platform, tenant)
    await until(lambda: waiting(platform, tenant))
    assert await opens(platform, tenant, known) == row.sent_at + REST
    assert not outbox.handed


async def test_a_sequence_that_has_begun_goes_on(platform: Platform, tenant: str, outbox: Outbox) -> None:
    known = await new_lead(platform, tenant, email="ada@example.com")
    await account(platform, tenant)
    await campaign(platform, tenant, NewStep(), NewStep(delay_days=3))
    await until(lambda: count(platform, tenant, "sent"))
    await hand_sent(platform, tenant, sent(person(lead_id=known), 0))
    (followup,) = [m for m in await messages(platform, tenant) if m["state"] == "queued"]
    told = await platform.caller.ask(tenant, ExplainMessage(message_id=followup["message_id"]))
    assert told.binding is None
    assert told.earliest == followup["due_at"]


async def test_a_person_in_a_campaign_that_another_system_sent_them_is_sent_nothing_of_it(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    ada, again, bob = [
        await new_lead(platform, tenant, email=f"{name}@example.com", phone=phone)
        for name, phone in (("ada", "(614) 555-0142"), ("ada.again", "(614) 555-0142"), ("bob", "(614) 555-0143"))
    ]
    made = await campaign(platform, tenant, NewStep(), NewStep())  # there is no account: nothing leaves yet
    await until(lambda: several(platform, tenant, "queued", 3))
    await hand_sent(platform, tenant, sent(person(phone="(614) 555-0142"), 10, campaign_id=made.campaign_id))
    theirs = [message for message in await messages(platform, tenant) if message["lead_id"] in (ada, again)]
    assert [(m["step"], m["state"], m["reason"]) for m in theirs] == [(1, "skipped", "sent_elsewhere")] * 2
    ended = await events(platform, tenant, "enrollment_ended")
    assert {(told["lead_id"], told["reason"]) for told in ended} == {
        (str(lead), EnrollmentEnd.COMPLETED) for lead in (ada, again)
    }
    await account(platform, tenant)
    await until(lambda: several(platform, tenant, "sent", 2))
    assert [message.lead_id for message in outbox.handed] == [bob, bob]
    assert not await count(platform, tenant, "queued")


async def test_a_sequence_that_has_begun_goes_on_after_another_message_of_its_campaign(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    known = await new_lead(platform, tenant, email="ada@example.com")
    await account(platform, tenant)
    made = await campaign(platform, tenant, NewStep(), NewStep(delay_days=3))
    await until(lambda: count(platform, tenant, "sent"))
    await hand_sent(platform, tenant, sent(person(lead_id=known), 0, campaign_id=made.campaign_id))
    assert await count(platform, tenant, "queued") == 1


async def test_a_campaigns_message_to_somebody_who_is_no_lead_yet_is_taken_once_they_are(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    made = await campaign(platform, tenant, start=False)
    row = sent(person(email="ada@example.com"), campaign_id=made.campaign_id)
    for dry_run in (True, False):
        (result,) = await hand_sent(platform, tenant, row, dry_run=dry_run)
        assert (result.verdict, result.field) == (REFUSED, "campaign_id")
        assert "import the lead first, or leave out campaign_id" in str(result.reason)
    assert not any((await kept(platform, tenant)).values())
    await new_lead(platform, tenant, email="ada@example.com")
    assert [result.verdict for result in await hand_sent(platform, tenant, row)] == [TAKEN]
    assert (await kept(platform, tenant))["enrollment"] == 1


async def test_a_row_that_cannot_be_used_is_refused_with_the_reason_and_the_others_are_taken(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    gone = await new_lead(platform, tenant, email="gone@example.com")
    await platform.caller.ask(tenant, EraseLead(lead_id=gone))
    good = sent(person(email="ada@example.com", phone="12"))  # what cannot be read of them is left out
    wrong: list[tuple[Any, str, str]] = [
        (sent(person(email="ada@example.com"), -1), "sent_at", "future"),
        (sent(person(email="ada@example.com"), campaign_id=uuid4()), "campaign_id", "no such campaign"),
        (sent(person(email="not an address")), "person.email", "no e-mail address"),
        (sent(person(lead_id=uuid4())), "person", "intake has no such lead"),
        (sent(person(email="gone@example.com")), "person", "erased"),
        (sent(person(lead_id=gone)), "person", "erased"),
    ]
    results = await hand_sent(platform, tenant, good, *(row for row, _, _ in wrong))
    assert results[0].verdict is TAKEN
    for result, (_, field, reason) in zip(results[1:], wrong, strict=True):
        assert (result.verdict, result.field) == (REFUSED, field)
        assert reason in str(result.reason)
    assert (await kept(platform, tenant))["outreach_history"] == 1


async def test_a_trial_says_what_would_become_of_each_row_and_keeps_nothing(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    await hand_sent(platform, tenant, known := sent(person(email="ada@example.com")))
    before = await kept(platform, tenant)
    rows = [known, sent(person(email="bob@example.com")), sent(person(email="bob@example.com"), -1)]
    results = await hand_sent(platform, tenant, *rows, dry_run=True)
    assert [result.verdict for result in results] == [KNOWN, TAKEN, REFUSED]
    assert await kept(platform, tenant) == before


async def test_another_tenants_person_is_not_held_up(platform: Platform, tenant: str, outbox: Outbox) -> None:
    other = f"{tenant}-b"
    await platform.introduce(other, "intake", "outreach")
    await hand_sent(platform, other, sent(person(email="ada@example.com"), 1))
    await new_lead(platform, tenant, email="ada@example.com")
    await account(platform, tenant)
    await campaign(platform, tenant)
    await until(lambda: count(platform, tenant, "sent"))


async def _has_message(platform: Platform, tenant: str, lead_id: UUID) -> bool:
    return any(message["lead_id"] == lead_id for message in await messages(platform, tenant))
