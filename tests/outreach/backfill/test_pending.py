"""What another system was about to send is sent from here: once, to leads only, and behind every gate."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.message import ProblemCode, ProblemError
from contracts.outreach.backfill import RowVerdict
from contracts.outreach.campaigns import (
    ArchiveCampaign,
    CampaignView,
    GetCampaign,
    NewStep,
    NewVariant,
    ResumeCampaign,
)
from contracts.outreach.people import Suppress
from contracts.outreach.sending import ExplainMessage, Gate
from contracts.outreach.templates import SaveTemplate
from contracts.taxonomy import SendKind
from outreach.sending.domain_gates import REST
from tests.outreach.backfill.handed import all_of, days_ago, hand_pending, hand_sent, kept, pending, person, sent
from tests.outreach.scene import Outbox, account, campaign, count, events, messages, new_lead
from tests.platform import Platform
from tests.waiting import until

TAKEN, KNOWN, REFUSED = RowVerdict.TAKEN, RowVerdict.KNOWN, RowVerdict.REFUSED
TEXT = {"subject": "A question", "body": "Hello Ada,\n\nis {{ this }} yours?"}


async def draft(platform: Platform, tenant: str, *steps: NewStep, **about: Any) -> CampaignView:
    """A campaign that nobody is in before it is resumed."""
    return await campaign(platform, tenant, *steps, start=False, **about)


async def resume(platform: Platform, tenant: str, made: CampaignView) -> None:
    await platform.caller.ask(tenant, ResumeCampaign(campaign_id=made.campaign_id))


async def heard(platform: Platform, tenant: str, *leads: UUID) -> None:
    """Wait until outreach has heard of these leads."""

    async def known() -> bool:
        async with platform.sql() as sql:
            found = await sql.fetchval(
                "select count(*) from outreach.lead where tenant_id = $1 and lead_id = any ($2)", tenant, leads
            )
        return bool(found == len(leads))

    await until(known)


async def explained(platform: Platform, tenant: str) -> Any:
    (message,) = await messages(platform, tenant)
    return await platform.caller.ask(tenant, ExplainMessage(message_id=message["message_id"]))


async def test_a_pending_message_is_sent_word_for_word_and_the_next_step_follows(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    ada = await new_lead(platform, tenant, email="ada@example.com")
    await heard(platform, tenant, ada)
    await account(platform, tenant)
    made = await draft(platform, tenant, NewStep(), NewStep(delay_days=1), NewStep(delay_days=3))
    row = pending(person(email="ada@example.com"), campaign_id=made.campaign_id, step=2, **TEXT)
    assert [result.verdict for result in await hand_pending(platform, tenant, row)] == [TAKEN]
    assert (await explained(platform, tenant)).binding is Gate.CAMPAIGN_RUNNING
    await resume(platform, tenant, made)
    await until(lambda: count(platform, tenant, "sent"))
    (handed,) = outbox.handed
    assert (handed.lead_id, handed.address, handed.subject, handed.body) == (
        ada, "ada@example.com", TEXT["subject"], TEXT["body"],
    )  # fmt: skip
    first, second = await messages(platform, tenant)
    assert [(m["step"], m["state"]) for m in (first, second)] == [(2, "sent"), (3, "queued")]
    assert second["due_at"] == first["ended_at"] + timedelta(days=3)
    stored = await all_of(platform, tenant)
    assert "ada@" not in stored
    assert "Hello Ada" not in stored


async def test_a_message_without_its_own_text_is_written_by_the_steps_template(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    ada = await new_lead(platform, tenant, full_name="Ada Example", email="ada@example.com")
    await heard(platform, tenant, ada)
    template = SaveTemplate(
        name="hello", kind=SendKind.EMAIL, subject="Hi", body="Dear {{ first_name | default: 'you' }}", actor="user:1"
    )
    saved = await platform.caller.ask(tenant, template)
    made = await draft(platform, tenant, NewStep(variants=(NewVariant(template_id=saved.template_id),)))
    await hand_pending(platform, tenant, pending(person(lead_id=ada), campaign_id=made.campaign_id))
    await account(platform, tenant)
    await resume(platform, tenant, made)
    await until(lambda: count(platform, tenant, "sent"))
    assert [message.body for message in outbox.handed] == ["Dear Ada"]


async def test_it_is_put_into_the_queue_once_however_often_it_is_handed_over(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    ada = await new_lead(platform, tenant, email="ada@example.com")
    await heard(platform, tenant, ada)
    made = await draft(platform, tenant)
    row = pending(person(lead_id=ada), campaign_id=made.campaign_id, due_at=days_ago(-3), **TEXT)
    assert [r.verdict for r in await hand_pending(platform, tenant, row, dry_run=True)] == [TAKEN]
    assert (await kept(platform, tenant))["send_queue"] == 0
    assert [r.verdict for r in await hand_pending(platform, tenant, row, row)] == [TAKEN, KNOWN]
    before = await kept(platform, tenant)
    assert [r.verdict for r in await hand_pending(platform, tenant, row)] == [KNOWN]
    assert await kept(platform, tenant) == before
    (message,) = await messages(platform, tenant)
    assert message["due_at"] == row.due_at
    assert [told["lead_id"] for told in await events(platform, tenant, "message_queued")] == [str(ada)]
    # Resumed, the campaign enrolls its audience: not those who are in it.
    await resume(platform, tenant, made)
    await until(lambda: _enrolled(platform, tenant))
    assert await kept(platform, tenant) == before


async def test_it_waits_behind_every_gate_as_any_other(platform: Platform, tenant: str, outbox: Outbox) -> None:
    contacted, unwanted = [
        await new_lead(platform, tenant, email=f"{name}@example.com") for name in ("contacted", "unwanted")
    ]
    await heard(platform, tenant, contacted, unwanted)
    await account(platform, tenant)
    await platform.caller.ask(tenant, Suppress(lead_id=unwanted))
    await hand_sent(platform, tenant, before := sent(person(lead_id=contacted), 59))
    made = await draft(platform, tenant)
    rows = [pending(person(lead_id=lead), campaign_id=made.campaign_id, **TEXT) for lead in (contacted, unwanted)]
    assert [r.verdict for r in await hand_pending(platform, tenant, *rows)] == [TAKEN, TAKEN]
    await resume(platform, tenant, made)
    await until(lambda: count(platform, tenant, "skipped"))
    (waits,) = [m for m in await messages(platform, tenant) if m["lead_id"] == contacted]
    told = await platform.caller.ask(tenant, ExplainMessage(message_id=waits["message_id"]))
    assert (told.binding, told.earliest) == (Gate.SIXTY_DAYS, before.sent_at + REST)
    (skipped,) = [m for m in await messages(platform, tenant) if m["lead_id"] == unwanted]
    assert (skipped["state"], skipped["reason"]) == ("skipped", "do_not_contact")
    assert not outbox.handed


@pytest.mark.parametrize("sent_first", [True, False])
async def test_the_next_message_of_a_sequence_does_not_wait_for_what_was_sent_of_it_elsewhere(
    platform: Platform, tenant: str, outbox: Outbox, sent_first: bool
) -> None:
    ada = await new_lead(platform, tenant, email="ada@example.com")
    await heard(platform, tenant, ada)
    made = await draft(platform, tenant, NewStep(), NewStep())
    before = sent(person(lead_id=ada), 4, campaign_id=made.campaign_id)
    next_ = pending(person(lead_id=ada), campaign_id=made.campaign_id, step=2, **TEXT)
    if sent_first:
        await hand_sent(platform, tenant, before)
    assert [r.verdict for r in await hand_pending(platform, tenant, next_)] == [TAKEN]
    if not sent_first:
        await hand_sent(platform, tenant, before)
    await account(platform, tenant)
    await resume(platform, tenant, made)
    await until(lambda: count(platform, tenant, "sent"))
    assert len(outbox.handed) == 1
    assert [m["step"] for m in await messages(platform, tenant)] == [2]


async def test_it_goes_on_by_whichever_of_the_persons_leads_can_be_reached(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    phone = await new_lead(platform, tenant, full_name="Ada", phone="(614) 555-0142")
    both = await new_lead(platform, tenant, email="ada@example.com", phone="(614) 555-0142")
    other = await new_lead(platform, tenant, full_name="Ada", phone="(614) 555-0142")
    await heard(platform, tenant, phone, both, other)
    made = await draft(platform, tenant, NewStep(), NewStep())
    await hand_sent(platform, tenant, sent(person(lead_id=phone), 4, campaign_id=made.campaign_id))
    row = pending(person(phone="(614) 555-0142"), campaign_id=made.campaign_id, step=2, **TEXT)
    assert [r.verdict for r in await hand_pending(platform, tenant, row)] == [TAKEN]
    await account(platform, tenant)
    await resume(platform, tenant, made)
    await until(lambda: count(platform, tenant, "sent"))
    assert [message.lead_id for message in outbox.handed] == [both]


async def test_who_was_sent_all_of_a_campaign_elsewhere_is_not_enrolled_in_it(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    ada = await new_lead(platform, tenant, email="ada@example.com")
    bob = await new_lead(platform, tenant, email="bob@example.com")
    await heard(platform, tenant, ada, bob)
    made = await draft(platform, tenant)
    await hand_sent(platform, tenant, sent(person(lead_id=ada), 200, campaign_id=made.campaign_id))
    await resume(platform, tenant, made)
    await until(lambda: count(platform, tenant, "queued"))
    await until(lambda: _enrolled(platform, tenant))
    assert [m["lead_id"] for m in await messages(platform, tenant)] == [bob]


async def test_a_message_that_the_other_system_sent_all_the_same_is_not_sent_here(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    ada = await new_lead(platform, tenant, email="ada@example.com")
    await heard(platform, tenant, ada)
    made = await draft(platform, tenant)
    row = pending(person(lead_id=ada), campaign_id=made.campaign_id, **TEXT)
    await hand_pending(platform, tenant, row)
    await hand_sent(platform, tenant, sent(person(lead_id=ada), 0.01, source_key=row.source_key))
    (message,) = await messages(platform, tenant)
    assert (message["state"], message["reason"]) == ("skipped", "sent_elsewhere")
    other = pending(person(lead_id=ada), campaign_id=made.campaign_id, **TEXT)
    await hand_sent(platform, tenant, sent(person(lead_id=ada), 0.01, source_key=other.source_key))
    (result,) = await hand_pending(platform, tenant, other)
    assert (result.verdict, result.reason) == (REFUSED, "the message was taken over as sent before")


async def test_the_step_behind_a_message_that_the_other_system_sent_all_the_same_follows(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    ada = await new_lead(platform, tenant, email="ada@example.com")
    await heard(platform, tenant, ada)
    made = await draft(platform, tenant, NewStep(), NewStep(delay_days=3))
    row = pending(person(lead_id=ada), campaign_id=made.campaign_id, **TEXT)
    await hand_pending(platform, tenant, row)
    later = sent(person(lead_id=ada), 0.01, campaign_id=made.campaign_id)
    await hand_sent(platform, tenant, later.model_copy(update={"source_key": row.source_key}), later)
    states = [(m["step"], m["state"]) for m in await messages(platform, tenant)]
    assert states == [(1, "skipped"), (2, "queued")]


async def test_it_is_said_why_a_person_who_was_in_the_campaign_is_sent_nothing_more_of_it(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    names = ("going_on", "through", "unwanted", "twice")
    leads = {name: await new_lead(platform, tenant, email=f"{name}@example.com") for name in names}
    await heard(platform, tenant, *leads.values())
    made = await draft(platform, tenant)

    def rows(*names: str) -> list[Any]:
        return [pending(person(lead_id=leads[name]), campaign_id=made.campaign_id, **TEXT) for name in names]

    through, *others = rows("through", "going_on", "unwanted")
    await hand_pending(platform, tenant, through, *others)
    await hand_sent(platform, tenant, sent(through.person, 0.01, source_key=through.source_key))
    await platform.caller.ask(tenant, Suppress(lead_id=leads["unwanted"]))
    results = await hand_pending(platform, tenant, *rows("going_on", "through", "unwanted", "twice", "twice"))
    assert [result.verdict for result in results] == [REFUSED, REFUSED, REFUSED, TAKEN, REFUSED]
    reasons = [str(result.reason) for result in results]
    assert "in the campaign already, and its messages to them come by themselves" in reasons[0]
    assert "ended for the person (completed): nothing more of it is sent to them" in reasons[1]
    assert "ended for the person (do_not_contact): nothing more of it is sent to them" in reasons[2]
    assert "a row before this one" in reasons[4]


async def test_a_row_that_cannot_be_used_is_refused_with_the_reason(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    ada, phone_only = [
        await new_lead(platform, tenant, **fields) for fields in ({"email": "ada@example.com"}, {"full_name": "Bo", "phone": "(614) 555-0142"})
    ]  # fmt: skip
    await heard(platform, tenant, ada, phone_only)
    made = await draft(platform, tenant, NewStep(), NewStep(kind=SendKind.SMS))
    over = await draft(platform, tenant)
    await platform.caller.ask(tenant, ArchiveCampaign(campaign_id=over.campaign_id))
    of = {"campaign_id": made.campaign_id}
    known = person(lead_id=ada)
    wrong: list[tuple[Any, str | None, str]] = [
        (pending(known, campaign_id=uuid4(), **TEXT), "campaign_id", "no such campaign"),
        (pending(known, campaign_id=over.campaign_id, **TEXT), "campaign_id", "archived"),
        (pending(known, **of, step=3, **TEXT), "step", "2 steps"),
        (pending(known, **of), "body", "no template"),
        (pending(known, **of, body="Hello"), "subject", "kind email, which needs one"),
        (pending(known, **of, step=2, **TEXT), "subject", "kind sms, which has none"),
        (pending(known, **of, subject="x" * 201, body="Hello"), "subject", "may have 200"),
        (pending(person(email="nobody@example.com"), **of, **TEXT), "person", "import it first"),
        (pending(person(lead_id=phone_only), **of, **TEXT), "person", "no lead of theirs has an address for email"),
        (pending(person(lead_id=uuid4()), **of, **TEXT), "person", "intake has no such lead"),
    ]
    results = await hand_pending(platform, tenant, *(row for row, _, _ in wrong))
    for result, (_, field, reason) in zip(results, wrong, strict=True):
        assert (result.verdict, result.field) == (REFUSED, field), reason
        assert reason in str(result.reason)
    first, second = [pending(known, **of, step=step, **TEXT) for step in (1, 1)]
    for handed in ([first, second], [second]):
        assert (await hand_pending(platform, tenant, *handed))[-1].verdict is REFUSED
    assert await count(platform, tenant, "queued") == 1
    assert (await platform.caller.ask(tenant, GetCampaign(campaign_id=made.campaign_id))).enrolled == 1


async def test_it_is_tried_again_where_outreach_has_not_heard_of_the_lead_yet(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    ada = await new_lead(platform, tenant, email="ada@example.com")
    await heard(platform, tenant, ada)
    async with platform.sql() as sql:
        await sql.execute("delete from outreach.lead where tenant_id = $1", tenant)
    made = await draft(platform, tenant)
    with pytest.raises(ProblemError) as refused:
        await hand_pending(platform, tenant, pending(person(lead_id=ada), campaign_id=made.campaign_id, **TEXT))
    assert refused.value.problem.code is ProblemCode.UNAVAILABLE
    assert (await kept(platform, tenant))["send_queue"] == 0


async def _enrolled(platform: Platform, tenant: str) -> bool:
    async with platform.sql() as sql:
        return not await sql.fetchval(
            "select exists (select from outreach.campaign where tenant_id = $1 and enrolled_through is not null)",
            tenant,
        )
