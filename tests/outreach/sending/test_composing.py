"""A message is written by its template for its person: what is personal is revealed once it is claimed, audited, and kept nowhere."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from contracts.gateway import TenantChanged, TenantSettings
from contracts.message import ProblemCode, ProblemError
from contracts.outreach.campaigns import NewStep, NewVariant
from contracts.outreach.templates import SaveTemplate
from contracts.taxonomy import SendKind
from outreach.app import build
from tests.outreach.scene import Outbox, account, campaign, count, messages, new_lead
from tests.platform import Platform
from tests.waiting import until


@pytest.fixture
async def outbox(platform: Platform, tenant: str) -> AsyncIterator[Outbox]:
    outbox = Outbox(tenant)
    async with platform.running("intake"), build(platform.settings("outreach"), outbox).running():
        await platform.introduce(tenant, "intake", "outreach")
        yield outbox


async def template(platform: Platform, tenant: str, body: str, name: str = "hello", **fields: Any) -> NewVariant:
    about: dict[str, Any] = {"kind": SendKind.EMAIL, "subject": "For {{ first_name | default: 'you' }}", **fields}
    saved = await platform.caller.ask(tenant, SaveTemplate(name=name, body=body, actor="user:1", **about))
    return NewVariant(template_id=saved.template_id)


async def ended(platform: Platform, tenant: str, number: int) -> bool:
    return sum([await count(platform, tenant, state) for state in ("sent", "skipped", "failed")]) == number


async def test_a_message_says_what_its_template_makes_of_its_lead(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    body = (
        "Dear {{ first_name | default: 'neighbour' }}, is {{ geo | default: 'here' | words }} home? {{ sender.name }}"
    )
    known = await new_lead(platform, tenant, full_name="Ada Example", email="ada@example.com", geo="Dublin, OH")
    other = await new_lead(platform, tenant, email="bob@example.com")
    silent = await new_lead(platform, tenant, full_name="Cy Example", phone="(614) 555-0142")
    await account(platform, tenant, sender_name="Sales of Acme")
    await campaign(platform, tenant, NewStep(variants=(await template(platform, tenant, body),)))
    await until(lambda: ended(platform, tenant, 2))
    said = {message.lead_id: message for message in outbox.handed}
    assert (said[known].address, said[known].subject) == ("ada@example.com", "For Ada")
    assert said[known].body == "Dear Ada, is dublin oh home? Sales of Acme"
    assert said[other].body == "Dear neighbour, is here home? Sales of Acme"
    assert (said[known].sender.address, said[known].sender.name) == ("sales@example.com", "Sales of Acme")
    assert silent not in said
    found = await messages(platform, tenant)
    assert {message["provider_reference"] for message in found} == {"their-id"}
    assert {message["reference"] for message in found} == {f"<{m['message_id']}@leadloop>" for m in found}
    async with platform.sql() as sql:
        audit = await sql.fetch(
            "select lead_id, service, purpose, fields from intake.reveal_audit where tenant_id = $1", tenant
        )
        kept = await sql.fetchval(
            "select count(*) from outreach.send_queue as m where tenant_id = $1 and m::text ~ 'example.com|Ada'", tenant
        )
    assert {(row["lead_id"], row["service"], row["purpose"], *row["fields"]) for row in audit} == {
        (known, "outreach", "send_message", "name", "email"), (other, "outreach", "send_message", "email"),
    }  # fmt: skip
    assert kept == 0


async def test_a_message_that_would_have_a_gap_is_skipped(platform: Platform, tenant: str, outbox: Outbox) -> None:
    whole = await new_lead(platform, tenant, email="ada@example.com", tier="A")
    await new_lead(platform, tenant, email="bob@example.com")
    await account(platform, tenant, sender_name="Sales")
    body = "{% if full_name %}Hello{% endif %}{% if tier %}You are {{ tier }}{% endif %}"
    await campaign(platform, tenant, NewStep(variants=(await template(platform, tenant, body),)))
    await until(lambda: ended(platform, tenant, 2))
    assert [(m.lead_id, m.body) for m in outbox.handed] == [(whole, "You are A")]
    assert [m["reason"] for m in await messages(platform, tenant) if m["state"] == "skipped"] == ["values_lacking"]


async def test_a_campaign_sends_the_version_it_began_with_and_each_person_always_the_same_variant(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    variants = [await template(platform, tenant, f"Variant {name}", name) for name in ("a", "b")]
    for number in range(12):
        await new_lead(platform, tenant, email=f"person{number}@example.com")
    made = await campaign(platform, tenant, NewStep(variants=variants))
    assert [variant.version for variant in made.steps[0].variants] == [1, 1]
    await template(platform, tenant, "Another text", "a")
    await account(platform, tenant)
    await until(lambda: ended(platform, tenant, 12))
    by_template = {variants[0].template_id: "Variant a", variants[1].template_id: "Variant b"}
    bodies = {message.message_id: message.body for message in outbox.handed}
    for message in await messages(platform, tenant):
        assert bodies[message["message_id"]] == by_template[message["variant"]]
    assert set(bodies.values()) == {"Variant a", "Variant b"}, "of twelve people one in 2,048 times all get the same"


async def test_a_campaign_with_a_template_that_it_cannot_send_is_refused(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    text = await template(platform, tenant, "Hello", "short", kind=SendKind.SMS, subject=None)
    for variant in (text, NewVariant(template_id=uuid4()), NewVariant(template_id=text.template_id, version=7)):
        with pytest.raises(ProblemError) as refused:
            await campaign(platform, tenant, NewStep(), NewStep(variants=(variant,)))
        assert (refused.value.problem.code, refused.value.problem.field) == (ProblemCode.INVALID, "steps.1.variants")


async def test_a_follow_up_by_mail_stands_in_the_thread_of_what_was_sent_before(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    await new_lead(platform, tenant, email="ada@example.com")
    await account(platform, tenant)
    steps = [NewStep(variants=(await template(platform, tenant, f"Step {n}", f"step_{n}"),)) for n in range(3)]
    await campaign(platform, tenant, *steps)
    await until(lambda: ended(platform, tenant, 3))
    first, second, third = outbox.handed
    assert (first.follows, second.follows) == ((), (first.reference,))
    assert third.follows == (first.reference, second.reference)


async def test_what_cannot_be_written_while_intake_is_away_is_given_back_and_tried_again_soon(
    platform: Platform, tenant: str
) -> None:
    async with platform.running("intake"), build(platform.settings("outreach"), Outbox(tenant)).running():
        await platform.introduce(tenant, "intake", "outreach")
        await new_lead(platform, tenant, email="ada@example.com")
        text = await template(platform, tenant, "Hello")
    async with build(platform.settings("outreach"), Outbox(tenant)).running():
        await account(platform, tenant)
        await campaign(platform, tenant, NewStep(variants=(text,)))

        async def given_back() -> bool:
            return [m["waiting_for"] for m in await messages(platform, tenant)] == ["given_back"]

        await until(given_back, seconds=30)
        (message,) = await messages(platform, tenant)
    assert message["state"] == "queued"
    assert message["due_at"] - message["queued_at"] < timedelta(minutes=1), (
        "and not when a lease of four minutes is over"
    )


async def test_what_intake_shows_in_several_replies_is_waited_for(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    wide = {f"note_{number}": "x" * 900 for number in range(36)}
    for number in range(40):
        await new_lead(platform, tenant, email=f"person{number}@example.com", metadata={**wide, "pet": f"cat {number}"})
    await account(platform, tenant)
    text = await template(platform, tenant, "And {{ metadata.pet | default: 'nobody' }}?")
    await campaign(platform, tenant, NewStep(variants=(text,)))
    await until(lambda: ended(platform, tenant, 40))
    assert await count(platform, tenant, "sent") == 40
    assert {message.body for message in outbox.handed} == {f"And cat {number}?" for number in range(40)}


async def test_what_the_tenant_lets_be_shown_no_more_of_this_hour_waits_until_it_does(
    platform: Platform, tenant: str
) -> None:
    outbox = Outbox(tenant)
    async with platform.running("intake"), build(platform.settings("outreach"), outbox).running():
        await platform.introduce(tenant, "intake", "outreach", reveals_per_hour_of_services=3)
        for number in range(5):
            await new_lead(platform, tenant, email=f"person{number}@example.com")
        text = await template(platform, tenant, "Hello")
        await account(platform, tenant)
        await campaign(platform, tenant, NewStep(variants=(text,)))
        await until(lambda: ended(platform, tenant, 3))

        async def the_others_wait() -> bool:
            waiting = [m for m in await messages(platform, tenant) if m["state"] == "queued"]
            return [m["waiting_for"] for m in waiting] == ["reveal_limit"] * 2

        await until(the_others_wait)
        found = await messages(platform, tenant)
        due = [m["due_at"] - m["queued_at"] for m in found if m["state"] == "queued"]
        assert min(due) > timedelta(minutes=55), "what was shown is an hour old then"
        await new_lead(platform, tenant, email="late@example.com")
        await until(lambda: _one_more(platform, tenant), what="what comes now waits in the queue")
        assert await _claims(platform, tenant) <= 8, "and is not claimed only to be given back"

        more = TenantSettings(reveals_per_hour_of_services=100)
        await platform.publish("gateway", tenant, TenantChanged(version=2, settings=more, created_at=datetime.now(UTC)))
        await until(lambda: ended(platform, tenant, 4), what="with a raised limit others leave at once")


async def _one_more(platform: Platform, tenant: str) -> bool:
    return len(await messages(platform, tenant)) == 6


async def _claims(platform: Platform, tenant: str) -> int:
    count = "select count(*) from outreach.message_event where tenant_id = $1 and state = 'claimed'"
    async with platform.sql() as sql:
        return int(await sql.fetchval(count, tenant))
