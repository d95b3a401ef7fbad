"""One click unsubscribes the person of an e-mail, by whatever lead and from the reply on; only its own link does."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from contracts.intake.erasure import EraseLead
from contracts.message import ProblemCode, ProblemError
from contracts.outreach.campaigns import NewStep, NewVariant
from contracts.outreach.people import ListSuppressions, SuppressionReason, Unsubscribe
from contracts.outreach.templates import SaveTemplate
from contracts.taxonomy import SendKind
from outreach.app import build
from tests.outreach.scene import Outbox, account, campaign, count, events, messages, new_lead
from tests.platform import Platform
from tests.waiting import until

OUTSIDE = "https://out.example"


@pytest.fixture
def public_url(request: pytest.FixtureRequest) -> str:
    """Where the operator says that the gateway is reached."""
    return str(getattr(request, "param", OUTSIDE))


@pytest.fixture
async def outbox(
    platform: Platform, tenant: str, public_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Outbox]:
    monkeypatch.setenv("LEADLOOP_PUBLIC_URL", public_url)
    outbox = Outbox(tenant)
    async with platform.running("intake"), build(platform.settings("outreach"), outbox).running():
        await platform.introduce(tenant, "intake", "outreach")
        yield outbox


async def write(platform: Platform, tenant: str, body: str) -> UUID:
    """A lead who is written to, and again in four days; their id."""
    lead_id = await new_lead(platform, tenant, email=f"{uuid4().hex}@example.com")
    template = SaveTemplate(name="hello", kind=SendKind.EMAIL, subject="A question", body=body, actor="user:1")
    variant = NewVariant(template_id=(await platform.caller.ask(tenant, template)).template_id)
    await account(platform, tenant)
    await campaign(platform, tenant, NewStep(variants=(variant,)), NewStep(delay_days=4, variants=(variant,)))
    return lead_id


async def went(platform: Platform, tenant: str) -> bool:
    """Whether the first message was sent, and the second is queued."""
    return [await count(platform, tenant, state) for state in ("sent", "queued")] == [1, 1]


async def refused(platform: Platform, tenant: str, message_id: UUID, token: str) -> tuple[str, str]:
    with pytest.raises(ProblemError) as raised:
        await platform.caller.ask(tenant, Unsubscribe(message_id=message_id, token=token))
    assert raised.value.problem.code is ProblemCode.NOT_FOUND
    return raised.value.problem.message, str(raised.value.problem.field)


async def test_one_click_on_an_e_mails_own_link_stops_the_sequence_and_a_second_changes_nothing(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    lead_id = await write(platform, tenant, "Hello. {{ unsubscribe_url }}")
    await until(lambda: went(platform, tenant), what="the first is sent, and the second waits")
    (message,) = outbox.handed
    assert message.unsubscribe_url
    base, path, of_tenant, message_id, token = message.unsubscribe_url.rsplit("/", 4)
    assert (base, path, of_tenant, message_id) == (OUTSIDE, "u", tenant, str(message.message_id))
    assert message.body == f"Hello. {message.unsubscribe_url}"
    assert "token" not in repr(Unsubscribe(message_id=message.message_id, token=token))

    (second,) = [m["message_id"] for m in await messages(platform, tenant) if m["state"] == "queued"]
    other_tenant = f"other-{uuid4().hex[:8]}"
    await platform.introduce(other_tenant, "outreach")
    assert {
        await refused(platform, tenant, message.message_id, "0" * 64),
        await refused(platform, tenant, second, token),
        await refused(platform, tenant, uuid4(), token),
        await refused(platform, other_tenant, message.message_id, token),
    } == {("this is no message's link, or its person was erased", "token")}
    assert await count(platform, tenant, "queued") == 1
    assert not (await platform.caller.ask(tenant, ListSuppressions())).suppressions

    for _ in range(2):
        taken = await platform.caller.ask(tenant, Unsubscribe(message_id=message.message_id, token=token))
        assert taken.message_id == message.message_id
        assert [m["reason"] for m in await messages(platform, tenant) if m["state"] == "skipped"] == ["unsubscribed"]
        (entry,) = (await platform.caller.ask(tenant, ListSuppressions())).suppressions
        assert (entry.lead_id, entry.reason) == (lead_id, SuppressionReason.UNSUBSCRIBED)
        assert (entry.channel, entry.campaign_id, entry.expires_at) == (None, None, None)
        (told,) = await events(platform, tenant, "unsubscribed")
        assert (told["lead_id"], told["message_id"]) == (str(lead_id), message_id)
        (ended,) = await events(platform, tenant, "enrollment_ended")
        assert ended["reason"] == "unsubscribed"

    await platform.caller.ask(tenant, EraseLead(lead_id=lead_id))

    async def erased() -> bool:
        async with platform.sql() as sql:
            return bool(await sql.fetchval("select erased from outreach.lead where lead_id = $1", lead_id))

    await until(erased, what="outreach has heard of the erasure")
    await refused(platform, tenant, message.message_id, token)


@pytest.mark.parametrize("public_url", ["", "http://out.example"], indirect=True)
async def test_an_e_mail_has_no_link_where_nobody_could_follow_it_safely(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    await write(platform, tenant, "Hello")
    await until(lambda: went(platform, tenant), what="the first is sent, and the second waits")
    assert [message.unsubscribe_url for message in outbox.handed] == [None]


@pytest.mark.parametrize("public_url", [""], indirect=True)
async def test_a_template_that_needs_a_link_is_not_sent_without_one(
    platform: Platform, tenant: str, outbox: Outbox
) -> None:
    await write(platform, tenant, "Hello. {{ unsubscribe_url }}")
    await until(lambda: count(platform, tenant, "skipped"))
    assert not outbox.handed
    assert {m["reason"] for m in await messages(platform, tenant) if m["state"] == "skipped"} == {"values_lacking"}
