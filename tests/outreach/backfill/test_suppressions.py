"""Who another system was told never to contact is not contacted from here, whether or not there is a lead of theirs yet."""

from datetime import UTC, datetime
from uuid import UUID

from contracts.intake.erasure import EraseLead
from contracts.outreach.backfill import RowVerdict, SuppressionRow
from contracts.outreach.campaigns import NewStep
from contracts.outreach.people import (
    ListSuppressions,
    Suppress,
    SuppressionReason,
    SuppressionView,
    Unsuppress,
)
from contracts.taxonomy import Channel, SendKind
from tests.outreach.backfill.handed import all_of, days_ago, hand_suppressions, kept, person
from tests.outreach.scene import Outbox, account, campaign, count, events, messages, new_lead
from tests.platform import Platform
from tests.waiting import until

TAKEN, KNOWN, REFUSED = RowVerdict.TAKEN, RowVerdict.KNOWN, RowVerdict.REFUSED


async def ledger(platform: Platform, tenant: str, lead_id: UUID | None = None) -> list[SuppressionView]:
    return (await platform.caller.ask(tenant, ListSuppressions(lead_id=lead_id))).suppressions


async def test_a_person_who_is_no_lead_yet_is_not_contacted_when_they_are_by_whatever_lead(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    row = SuppressionRow(person=person(email="ada@example.com"), reason=SuppressionReason.UNSUBSCRIBED)
    assert [r.verdict for r in await hand_suppressions(platform, tenant, row, row, dry_run=True)] == [TAKEN, KNOWN]
    assert await ledger(platform, tenant) == []
    assert [r.verdict for r in await hand_suppressions(platform, tenant, row, row)] == [TAKEN, KNOWN]
    await account(platform, tenant)
    await account(platform, tenant, Channel.SMS)
    await campaign(platform, tenant)
    first = await new_lead(platform, tenant, email="ada@example.com", phone="(614) 555-0142")
    await until(lambda: count(platform, tenant, "skipped"))
    await campaign(platform, tenant, NewStep(kind=SendKind.SMS))
    second = await new_lead(platform, tenant, full_name="Ada", phone="(614) 555-0142")
    await until(lambda: _skipped(platform, tenant, 3))
    assert {m["lead_id"] for m in await messages(platform, tenant)} == {first, second}
    assert not outbox.handed
    for lead in (first, second):
        (entry,) = await ledger(platform, tenant, lead)
        assert (entry.reason, entry.actor) == (SuppressionReason.UNSUBSCRIBED, "user:7")


async def test_a_sequence_of_theirs_ends_at_once(platform: Platform, tenant: str, outbox: Outbox) -> None:
    known = await new_lead(platform, tenant, email="ada@example.com")
    await campaign(platform, tenant)
    await until(lambda: count(platform, tenant, "queued"))
    asked = SuppressionRow(person=person(email="ada@example.com"), reason=SuppressionReason.UNSUBSCRIBED)
    assert [r.verdict for r in await hand_suppressions(platform, tenant, asked)] == [TAKEN]
    (message,) = await messages(platform, tenant)
    assert (message["state"], message["reason"]) == ("skipped", "unsubscribed")
    assert [told["lead_id"] for told in await events(platform, tenant, "unsubscribed")] == [str(known)]


async def test_the_same_list_again_changes_nothing_and_another_entry_is_another(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    until_then = days_ago(-30)
    rows = [
        SuppressionRow(person=person(email="ada@example.com")),
        SuppressionRow(person=person(email="ada@example.com"), channel=Channel.SMS),
        SuppressionRow(person=person(email="ada@example.com"), expires_at=until_then),
        SuppressionRow(person=person(email="bob@example.com")),
    ]
    assert [r.verdict for r in await hand_suppressions(platform, tenant, *rows)] == [TAKEN] * 4
    before = await kept(platform, tenant)
    assert [r.verdict for r in await hand_suppressions(platform, tenant, *rows)] == [KNOWN] * 4
    assert await kept(platform, tenant) == before
    assert {(e.channel, e.expires_at) for e in await ledger(platform, tenant)} == {
        (None, None), (Channel.SMS, None), (None, until_then),
    }  # fmt: skip
    assert "example.com" not in await all_of(platform, tenant)


async def test_a_complaint_with_an_end_and_an_erased_person_are_refused(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    gone = await new_lead(platform, tenant, email="gone@example.com")
    await platform.caller.ask(tenant, EraseLead(lead_id=gone))
    complaint = SuppressionRow(
        person=person(email="ada@example.com"), reason=SuppressionReason.COMPLAINT, expires_at=datetime(2030, 1, 1, tzinfo=UTC)
    )  # fmt: skip
    erased = SuppressionRow(person=person(email="gone@example.com"))
    results = await hand_suppressions(platform, tenant, complaint, erased)
    assert [(r.verdict, r.field) for r in results] == [(REFUSED, "expires_at"), (REFUSED, "person")]
    assert "a complaint never expires" in str(results[0].reason)
    assert await ledger(platform, tenant) == []


async def test_a_note_is_sealed_shown_with_its_entry_and_gone_with_its_person(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    known = await new_lead(platform, tenant, email="ada@example.com")
    await until(lambda: _heard(platform, tenant, known))
    row = SuppressionRow(person=person(lead_id=known), note="Ada's brother called.")
    await hand_suppressions(platform, tenant, row)
    by_hand = await platform.caller.ask(tenant, Suppress(lead_id=known, channel=Channel.SMS, note="Ada asked."))
    lifted = await platform.caller.ask(tenant, Unsuppress(suppression_id=by_hand.suppression_id))
    assert (by_hand.note, lifted.note) == ("Ada asked.", "Ada asked.")
    # The history of a person: what was ended stays, newest first.
    listed = await ledger(platform, tenant, known)
    assert [(e.note, e.lifted_at is None) for e in listed] == [("Ada asked.", False), ("Ada's brother called.", True)]
    async with platform.sql() as sql:
        assert not await sql.fetchval("select string_agg(encode(note, 'escape'), '') ~ 'Ada' from outreach.suppression")
    await platform.caller.ask(tenant, EraseLead(lead_id=known))
    await until(lambda: _has_no_notes(platform, tenant))
    assert [entry.note for entry in await ledger(platform, tenant)] == [None, None]


async def _skipped(platform: Platform, tenant: str, number: int) -> bool:
    return await count(platform, tenant, "skipped") == number


async def _heard(platform: Platform, tenant: str, lead_id: UUID) -> bool:
    async with platform.sql() as sql:
        return bool(
            await sql.fetchval("select true from outreach.lead where tenant_id = $1 and lead_id = $2", tenant, lead_id)
        )


async def _has_no_notes(platform: Platform, tenant: str) -> bool:
    async with platform.sql() as sql:
        return not await sql.fetchval("select count(note) from outreach.suppression where tenant_id = $1", tenant)
