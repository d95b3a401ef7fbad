"""An account's messages leave by its own mail server, and by none that must not be reached."""

import pytest

from contracts.message import ProblemCode, ProblemError
from contracts.outreach.accounts import AccountSettings, NewSmtpServer, SetAccount, SmtpSecurity, Transport
from contracts.outreach.campaigns import NewStep, NewVariant
from contracts.outreach.templates import SaveTemplate
from contracts.taxonomy import Channel, SendKind
from outreach.app import build
from tests.outreach.providers.sink import Sink
from tests.outreach.scene import account, campaign, messages
from tests.outreach.sending.test_composing import ended, new_lead
from tests.platform import Platform
from tests.waiting import until


async def test_a_message_leaves_by_the_mail_server_of_its_account(
    platform: Platform, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Sink().listening() as sink:
        monkeypatch.setenv("LEADLOOP_PROVIDER_HOSTS", f"127.0.0.1:{sink.port}")
        async with platform.running("intake"), build(platform.settings("outreach")).running():
            await platform.introduce(tenant, "intake", "outreach")
            text = SaveTemplate(
                name="hello",
                kind=SendKind.EMAIL,
                subject="A question",
                body="Dear {{ first_name | default: 'you' }}",
                actor="user:1",
            )
            saved = await platform.caller.ask(tenant, text)
            await new_lead(platform, tenant, full_name="Ada Example", email="ada@example.com")
            sales = await account(platform, tenant, sender_name="Acme")
            server = NewSmtpServer(host="127.0.0.1", port=sink.port, security=SmtpSecurity.NONE)
            view = await platform.caller.ask(
                tenant, SetAccount(account_id=sales.account_id, transport=Transport.SMTP, smtp=server)
            )
            assert (view.transport, view.smtp and view.smtp.port) == ("smtp", sink.port)
            await campaign(platform, tenant, NewStep(variants=(NewVariant(template_id=saved.template_id),)))
            await until(lambda: ended(platform, tenant, 1))
    (message,) = await messages(platform, tenant)
    (mail,) = sink.taken
    assert message["state"] == "sent"
    assert message["reference"].encode() in mail.content
    assert b"Dear Ada" in mail.content


async def test_a_host_that_is_not_public_is_not_reached(platform: Platform, tenant: str) -> None:
    async with Sink().listening() as sink, platform.running("intake"), build(platform.settings("outreach")).running():
        await platform.introduce(tenant, "intake", "outreach")
        saved = await platform.caller.ask(
            tenant, SaveTemplate(name="hello", kind=SendKind.EMAIL, subject="A", body="B", actor="user:1")
        )
        await new_lead(platform, tenant, email="ada@example.com")
        sales = await account(platform, tenant)
        server = NewSmtpServer(host="127.0.0.1", port=sink.port, security=SmtpSecurity.NONE)
        await platform.caller.ask(
            tenant, SetAccount(account_id=sales.account_id, transport=Transport.SMTP, smtp=server)
        )
        await campaign(platform, tenant, NewStep(variants=(NewVariant(template_id=saved.template_id),)))

        async def tried() -> bool:
            return any(message["tries"] for message in await messages(platform, tenant))

        await until(tried)
        (message,) = await messages(platform, tenant)
        assert (message["state"], message["waiting_for"]) == ("queued", "not_allowed")
        assert sink.connections == 0


async def test_a_server_that_an_account_cannot_have_is_refused(platform: Platform, tenant: str) -> None:
    async with build(platform.settings("outreach")).running():
        await platform.introduce(tenant, "outreach")
        seat = await account(platform, tenant, Channel.LINKEDIN)
        server = NewSmtpServer(host="smtp.example.com")
        with pytest.raises(ProblemError) as refused:
            await platform.caller.ask(
                tenant, SetAccount(account_id=seat.account_id, transport=Transport.SMTP, smtp=server)
            )
        assert refused.value.problem.code is ProblemCode.INVALID
    with pytest.raises(ValueError, match="in clear"):
        NewSmtpServer(host="smtp.example.com", password="SALES_1", security=SmtpSecurity.NONE)
    assert AccountSettings().daily_limit(SendKind.EMAIL) == 100
