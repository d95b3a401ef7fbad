"""Who may not be contacted is not, by whatever lead and from the reply on; the ledger keeps why."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from chassis.keys import tenant_keys
from contracts.intake.imports import LeadWithdrawn
from contracts.message import PLATFORM, ProblemCode, ProblemError
from contracts.operations import RotateKeys, RunJob
from contracts.outreach.campaigns import Audience
from contracts.outreach.people import (
    ContactStatus,
    GetContact,
    ListSuppressions,
    Suppress,
    SuppressionReason,
    Unsuppress,
)
from contracts.outreach.replies import ReportDelivery
from contracts.taxonomy import Channel, Fault, Tier
from outreach.providers.protocol import Outgoing, Receipt, RefusedError
from tests.outreach.campaigns.test_merged import gone, stands
from tests.outreach.scene import Gate, account, arrive, campaign, count, events, lead, messages, outreach
from tests.platform import Platform
from tests.waiting import until


async def test_a_person_who_is_suppressed_is_contacted_by_no_lead_of_theirs(platform: Platform, tenant: str) -> None:
    one = lead()
    other = lead(email_token=one.email_token)
    gate = Gate(tenant)
    gate.open()
    async with outreach(platform, tenant, gate):
        await arrive(platform, tenant, [one])
        await campaign(platform, tenant)  # there is no account: it waits
        await until(lambda: count(platform, tenant, "queued"))
        order = Suppress(lead_id=one.lead_id, reason=SuppressionReason.UNSUBSCRIBED, actor="user:7")
        entry = await platform.caller.ask(tenant, order)
        assert (entry.reason, entry.lead_id, entry.actor) == (SuppressionReason.UNSUBSCRIBED, one.lead_id, "user:7")
        assert [m["reason"] for m in await messages(platform, tenant)] == ["unsubscribed"]
        (ended,) = await events(platform, tenant, "enrollment_ended")
        (told,) = await events(platform, tenant, "unsubscribed")
        assert (ended["reason"], told["lead_id"]) == ("unsubscribed", str(one.lead_id))

        await arrive(platform, tenant, [other, last := lead()])
        await account(platform, tenant)
        await until(lambda: count(platform, tenant, "sent"))
        states = {m["lead_id"]: m["state"] for m in await messages(platform, tenant)}
        assert states == {one.lead_id: "skipped", other.lead_id: "skipped", last.lead_id: "sent"}
        assert len(gate.handed) == 1
        contact = await platform.caller.ask(tenant, GetContact(lead_id=other.lead_id))
        assert (contact.status, contact.eligible_for_outreach) == (ContactStatus.SUPPRESSED, False)


async def test_who_is_withdrawn_and_comes_again_is_suppressed_and_rests_as_before(
    platform: Platform, tenant: str
) -> None:
    asked, contacted = lead(), lead(tier="A")
    async with outreach(platform, tenant):
        await account(platform, tenant)
        await arrive(platform, tenant, [asked, contacted])
        order = Suppress(lead_id=asked.lead_id, reason=SuppressionReason.REQUEST, note="Asked by telephone.")
        entry = await platform.caller.ask(tenant, order)
        await campaign(platform, tenant, audience=Audience(tier=Tier.A))
        await until(lambda: count(platform, tenant, "sent"))

        run = {"run_id": uuid4(), "version": 2, "occurred_at": datetime.now(UTC)}
        withdrawn = [LeadWithdrawn(lead_id=o.lead_id, person_id=o.person_id, **run) for o in (asked, contacted)]
        await arrive(platform, tenant, withdrawn)
        for one in (asked, contacted):
            view = await platform.caller.ask(tenant, GetContact(lead_id=one.lead_id))
            assert (view.status, view.channels) == (ContactStatus.ERASED, [])

        again = [lead(each.lead_id, version=3, email_token=each.email_token) for each in (asked, contacted)]
        await arrive(platform, tenant, again)
        second = await campaign(platform, tenant)

        async def both_kept() -> bool:
            mine = [m for m in await messages(platform, tenant) if m["campaign_id"] == second.campaign_id]
            kept = {m["lead_id"]: (m["state"], m["reason"] or m["waiting_for"]) for m in mine}
            return kept == {asked.lead_id: ("skipped", "do_not_contact"), contacted.lead_id: ("queued", "sixty_days")}

        await until(both_kept, what="neither is contacted")
        (known,) = (await platform.caller.ask(tenant, ListSuppressions(lead_id=asked.lead_id))).suppressions
        assert known == entry
        view = await platform.caller.ask(tenant, GetContact(lead_id=contacted.lead_id))
        assert view.status is ContactStatus.RESTING


async def test_the_ledger_is_kept_and_an_entry_can_be_ended_but_a_complaint_never(
    platform: Platform, tenant: str
) -> None:
    known = lead()
    async with outreach(platform, tenant):
        await arrive(platform, tenant, [known])
        asked = await platform.caller.ask(tenant, Suppress(lead_id=known.lead_id, channel=Channel.SMS))
        lifted = await platform.caller.ask(tenant, Unsuppress(suppression_id=asked.suppression_id, actor="user:7"))
        assert lifted.lifted_at
        assert lifted.lifted_by == "user:7"
        complaint = await platform.caller.ask(
            tenant, Suppress(lead_id=known.lead_id, reason=SuppressionReason.COMPLAINT)
        )
        for refused_order in (
            Unsuppress(suppression_id=complaint.suppression_id),
            Suppress(
                lead_id=known.lead_id,
                reason=SuppressionReason.COMPLAINT,
                expires_at=datetime.now(UTC) + timedelta(days=1),
            ),
            Suppress(lead_id=uuid4()),
            Unsuppress(suppression_id=uuid4()),
        ):
            with pytest.raises(ProblemError) as refused:
                await platform.caller.ask(tenant, refused_order)
            assert refused.value.problem.code in (ProblemCode.CONFLICT, ProblemCode.INVALID, ProblemCode.NOT_FOUND)
        page = await platform.caller.ask(tenant, ListSuppressions(lead_id=known.lead_id, limit=1))
        rest = await platform.caller.ask(tenant, ListSuppressions(lead_id=known.lead_id, cursor=page.next_cursor))
        assert [e.suppression_id for e in (*page.suppressions, *rest.suppressions)] == [
            complaint.suppression_id, asked.suppression_id,
        ]  # fmt: skip


async def test_what_is_suppressed_for_a_while_waits_until_then(platform: Platform, tenant: str) -> None:
    known = lead()
    until_then = datetime.now(UTC) + timedelta(days=3)
    async with outreach(platform, tenant):
        await arrive(platform, tenant, [known])
        await platform.caller.ask(tenant, Suppress(lead_id=known.lead_id, expires_at=until_then))
        await account(platform, tenant)
        await campaign(platform, tenant)
        await until(lambda: _waits(platform, tenant, "do_not_contact"))
        (message,) = await messages(platform, tenant)
        assert message["due_at"] == until_then
        contact = await platform.caller.ask(tenant, GetContact(lead_id=known.lead_id))
        assert (contact.status, contact.eligible_from) == (ContactStatus.SUPPRESSED, until_then)


async def test_an_address_that_does_not_exist_is_not_written_to_again(platform: Platform, tenant: str) -> None:
    class Strict(Gate):
        async def send(self, message: Outgoing) -> Receipt:
            await super().send(message)
            if message.tenant == tenant:
                raise RefusedError("mailbox_unknown", Fault.RECIPIENT)
            return Receipt()

    strict = Strict(tenant)
    strict.open()
    known = lead(phone=True)
    async with outreach(platform, tenant, strict):
        await account(platform, tenant)
        await arrive(platform, tenant, [known])
        await campaign(platform, tenant)
        await until(lambda: count(platform, tenant, "failed"))
        (entry,) = (await platform.caller.ask(tenant, ListSuppressions(lead_id=known.lead_id))).suppressions
        assert (entry.reason, entry.channel) == (SuppressionReason.BOUNCE, Channel.EMAIL)
        await campaign(platform, tenant)
        await until(lambda: count(platform, tenant, "skipped"))
        assert len(strict.handed) == 1


async def test_a_person_whose_address_was_put_right_may_be_written_to(platform: Platform, tenant: str) -> None:
    """The address that messages came back from stays given up, whoever has it."""
    wrong = lead(phone=True)
    gate = Gate(tenant)
    gate.open()
    async with outreach(platform, tenant, gate):
        await account(platform, tenant)
        await arrive(platform, tenant, [wrong])
        await campaign(platform, tenant)
        await until(lambda: count(platform, tenant, "sent"))
        (message,) = await messages(platform, tenant)
        report = {"message_id": message["message_id"], "source_key": "1", "delivered": False, "fault": Fault.RECIPIENT}
        await platform.caller.ask(tenant, ReportDelivery.model_validate(report))

        right = lead(wrong.lead_id, version=2, phone=True, email_token="the-right-one")
        other = lead(email_token=wrong.email_token)
        await arrive(platform, tenant, [right, other])
        second = await campaign(platform, tenant)

        async def judged() -> bool:
            mine = {m["lead_id"]: m for m in await messages(platform, tenant) if m["campaign_id"] == second.campaign_id}
            kept = {lead_id: (m["state"], m["reason"] or m["waiting_for"]) for lead_id, m in mine.items()}
            return kept == {wrong.lead_id: ("queued", "sixty_days"), other.lead_id: ("skipped", "suppression")}

        await until(judged, what="the one waits for its 60 days, the other is not written to")
        asked = Suppress(lead_id=wrong.lead_id, reason=SuppressionReason.BOUNCE)
        await platform.caller.ask(tenant, asked)

        async def given_up() -> bool:
            mine = [m for m in await messages(platform, tenant) if m["campaign_id"] == second.campaign_id]
            return all(m["state"] == "skipped" for m in mine)

        await until(given_up, what="whom somebody enters by hand is not written to")


async def test_a_contact_is_shown_as_campaigns_see_them(platform: Platform, tenant: str) -> None:
    known = lead()
    gate = Gate(tenant)
    gate.open()

    async def status() -> ContactStatus:
        return (await platform.caller.ask(tenant, GetContact(lead_id=known.lead_id))).status

    async with outreach(platform, tenant, gate):
        await arrive(platform, tenant, [known])
        assert await status() is ContactStatus.NEW
        await campaign(platform, tenant)
        await until(lambda: count(platform, tenant, "queued"))
        assert await status() is ContactStatus.IN_SEQUENCE
        await account(platform, tenant)
        await until(lambda: count(platform, tenant, "sent"))
        resting = await platform.caller.ask(tenant, GetContact(lead_id=known.lead_id))
        assert (resting.status, resting.eligible_for_outreach) == (ContactStatus.RESTING, False)
        assert resting.last_contacted
        assert resting.eligible_from == resting.last_contacted + timedelta(days=60)
        async with platform.sql() as sql:
            await sql.execute(
                "update outreach.hold set last_sent_at = last_sent_at - interval '60 days' where tenant_id = $1", tenant
            )
        rested = await platform.caller.ask(tenant, GetContact(lead_id=known.lead_id))
        assert (rested.status, rested.eligible_for_outreach) == (ContactStatus.CONTACTED, True)


async def test_a_note_can_be_read_whatever_keys_come_and_go(
    platform: Platform, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant_keys, "HEARD_OF_SECONDS", 0.0)
    known = lead()
    async with outreach(platform, tenant):
        await arrive(platform, tenant, [known])
        made = await platform.caller.ask(tenant, Suppress(lead_id=known.lead_id, note="Asked by telephone."))
        lift = Unsuppress(suppression_id=made.suppression_id, actor="user:7", note="Signed a new form.")
        assert (await platform.caller.ask(tenant, lift)).lift_note == "Signed a new form."
        await platform.caller.ask(tenant, Unsuppress(suppression_id=made.suppression_id, note="Too late."))
        assert (await platform.caller.ask(tenant, RotateKeys(), of="outreach")).sealing_keys == 2
        ran = await platform.caller.ask(PLATFORM, RunJob(job="reseal"), of="outreach", seconds=30)
        assert (ran.counts["resealed"], ran.counts["left"], ran.counts["keys_dropped"]) == (2, 0, 1)
        (entry,) = (await platform.caller.ask(tenant, ListSuppressions())).suppressions
        assert (entry.note, entry.lift_note) == ("Asked by telephone.", "Signed a new form.")
        async with platform.sql() as sql:
            sealed = await sql.fetchrow("select note, lift_note from outreach.suppression where tenant_id = $1", tenant)
        assert b"telephone" not in sealed["note"] and b"form" not in sealed["lift_note"]


async def _waits(platform: Platform, tenant: str, what: str) -> bool:
    return any(m["waiting_for"] == what for m in await messages(platform, tenant))


async def test_the_ledger_shows_what_is_about_a_person_by_whatever_lead_it_was_made(
    platform: Platform, tenant: str
) -> None:
    one = lead()
    other = lead(email_token=one.email_token)
    merged = lead()
    stranger = lead()
    async with outreach(platform, tenant):
        await arrive(platform, tenant, [one, other, merged, stranger])
        made = [await platform.caller.ask(tenant, Suppress(lead_id=one.lead_id, channel=Channel.SMS))]
        await arrive(platform, tenant, [gone(merged, one.lead_id), stands(one, merged)])
        made.append(await platform.caller.ask(tenant, Suppress(lead_id=merged.lead_id, channel=Channel.PHONE)))
        await platform.caller.ask(tenant, Suppress(lead_id=stranger.lead_id))
        about = {}
        for each in (one, other, merged):
            page = await platform.caller.ask(tenant, ListSuppressions(lead_id=each.lead_id))
            about[each.lead_id] = {entry.suppression_id for entry in page.suppressions}
    both = {entry.suppression_id for entry in made}
    assert (about[one.lead_id], about[merged.lead_id]) == (both, both)
    assert about[other.lead_id] == {made[0].suppression_id}
