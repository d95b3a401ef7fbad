"""An account's messages leave by its own mail server or service, and by none that must not be reached."""

from typing import Any

import dkim
import pytest

from chassis.outside import Outside, variable
from chassis.unit_of_work import Database
from contracts.message import ProblemCode, ProblemError
from contracts.outreach.accounts import (
    AccountSettings,
    Dkim,
    ExplainAccount,
    NewDkim,
    NewHttpService,
    NewSandbox,
    NewSmtpServer,
    ResumeAccount,
    SandboxBehaviour,
    SetAccount,
    SmtpSecurity,
    SmtpServer,
    Transport,
)
from contracts.outreach.campaigns import NewStep, NewVariant
from contracts.outreach.templates import SaveTemplate
from contracts.taxonomy import Channel, SendKind
from outreach.app import build
from outreach.providers.carriers import Carriers, Mailbox
from outreach.providers.protocol import AwayError, LaterError
from outreach.providers.sandbox import Sandbox
from tests.intake.enrichment.web import Answer, Asked, Web
from tests.outreach.providers.sink import Answer as SinkAnswer
from tests.outreach.providers.sink import Sink, outgoing
from tests.outreach.providers.test_mail import RSA, pem, published
from tests.outreach.scene import account, campaign, events, messages
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


@pytest.mark.parametrize("line_end", ["\n", "\\n"])
async def test_an_account_s_mails_are_signed_with_its_own_key_which_is_shown_to_nobody(
    platform: Platform, tenant: str, monkeypatch: pytest.MonkeyPatch, line_end: str
) -> None:
    async with Sink().listening() as sink:
        monkeypatch.setenv("LEADLOOP_PROVIDER_HOSTS", f"127.0.0.1:{sink.port}")
        async with platform.running("intake"), build(platform.settings("outreach")).running():
            await platform.introduce(tenant, "intake", "outreach")
            monkeypatch.setenv(variable(tenant, "SALES_1_DKIM"), pem(RSA).replace("\n", line_end))
            text = SaveTemplate(
                name="hello", kind=SendKind.EMAIL, subject="A question", body="Dear you", actor="user:1"
            )
            saved = await platform.caller.ask(tenant, text)
            await new_lead(platform, tenant, full_name="Ada Example", email="ada@example.com")
            sales = await account(platform, tenant, sender_name="Acme")
            server = NewSmtpServer(
                host="127.0.0.1", port=sink.port, security=SmtpSecurity.NONE,
                dkim=NewDkim(domain="example.com", selector="rsa", private_key="SALES_1_DKIM"),
            )  # fmt: skip
            order = SetAccount(account_id=sales.account_id, transport=Transport.SMTP, smtp=server)
            view = await platform.caller.ask(tenant, order)
            assert "PRIVATE KEY" not in view.model_dump_json()
            await campaign(platform, tenant, NewStep(variants=(NewVariant(template_id=saved.template_id),)))
            await until(lambda: ended(platform, tenant, 1))
    (mail,) = sink.taken
    assert dkim.verify(mail.content, dnsfunc=published)
    assert not dkim.verify(mail.content.replace(b"Dear", b"Dead"), dnsfunc=published)


@pytest.mark.parametrize(("key", "reason"), [(None, "no_secret"), ("no key", "secret_invalid")])
async def test_without_its_key_nothing_leaves_unsigned(
    platform: Platform, tenant: str, monkeypatch: pytest.MonkeyPatch, key: str | None, reason: str
) -> None:
    async with Sink().listening() as sink:
        monkeypatch.setenv("LEADLOOP_PROVIDER_HOSTS", f"127.0.0.1:{sink.port}")
        if key:
            monkeypatch.setenv(variable(tenant, "DKIM"), key)
        server = SmtpServer(
            host="127.0.0.1", port=sink.port, security=SmtpSecurity.NONE,
            dkim=Dkim(domain="example.com", selector="rsa", private_key="DKIM"),
        )  # fmt: skip
        mailbox = Mailbox(tenant, "sales@example.com", server, Outside())
        with pytest.raises(LaterError, match=reason) as later:
            await mailbox.send(outgoing())
        assert not isinstance(later.value, AwayError), "the server is well"
        assert sink.taken == []


@pytest.mark.parametrize(
    ("answers", "reason"), [(None, "not_allowed"), ({"MAIL": "530 5.7.0 Authentication required"}, "login_failed")]
)
async def test_what_an_account_is_set_up_with_wrongly_is_no_messages_end(
    platform: Platform, tenant: str, monkeypatch: pytest.MonkeyPatch, answers: dict[str, SinkAnswer] | None, reason: str
) -> None:
    """A host that is not public, which is not reached; or a server that does not let the account in."""
    async with Sink(answers or {}).listening() as sink:
        if answers:
            monkeypatch.setenv("LEADLOOP_PROVIDER_HOSTS", f"127.0.0.1:{sink.port}")
        async with platform.running("intake"), build(platform.settings("outreach")).running():
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

            async def kept() -> bool:
                return [message["waiting_for"] for message in await messages(platform, tenant)] == [reason]

            await until(kept)
            (message,) = await messages(platform, tenant)
            assert (message["state"], message["tries"]) == ("queued", 0), "an operator's mistake ends no sequence"
            (event,) = await events(platform, tenant, "automation_throttled")
            assert (event["account_id"], event["reason"]) == (str(sales.account_id), reason)
            view = (await platform.caller.ask(tenant, ExplainAccount(account_id=sales.account_id))).account
            assert view.health == 100
            assert bool(sink.connections) is bool(answers)
            order = SetAccount(account_id=sales.account_id, transport=Transport.SANDBOX, sandbox=NewSandbox(refuses=0))
            await platform.caller.ask(tenant, order)
            await platform.caller.ask(tenant, ResumeAccount(account_id=sales.account_id))
            await until(lambda: ended(platform, tenant, 1), what="once it is put right and resumed it goes on at once")


async def test_a_linkedin_message_leaves_by_the_service_of_its_account(
    platform: Platform, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answering(_: Asked) -> Answer:
        return Answer({"reference": "urn:7"}, status=202)

    async with Web.serving() as web:
        web.answering = answering
        monkeypatch.setenv("LEADLOOP_PROVIDER_HOSTS", f"127.0.0.1:{web.port}")
        async with platform.running("intake"), build(platform.settings("outreach")).running():
            await platform.introduce(tenant, "intake", "outreach")
            text = SaveTemplate(
                name="hello",
                kind=SendKind.LINKEDIN_MESSAGE,
                body="Dear {{ first_name | default: 'you' }}",
                actor="user:1",
            )
            saved = await platform.caller.ask(tenant, text)
            await new_lead(platform, tenant, full_name="Ada Example", linkedin_url="https://www.linkedin.com/in/ada")
            seat = await account(platform, tenant, Channel.LINKEDIN)
            service = NewHttpService(url=f"{web.url}/first")
            order = SetAccount(account_id=seat.account_id, transport=Transport.HTTP, http=service)
            view = await platform.caller.ask(tenant, order)
            assert (view.transport, view.http and view.http.url, view.sandbox) == ("http", f"{web.url}/first", None)
            step = NewStep(kind=SendKind.LINKEDIN_MESSAGE, variants=(NewVariant(template_id=saved.template_id),))
            await campaign(platform, tenant, step)
            await until(lambda: ended(platform, tenant, 1))
            # Its settings were changed: the next leaves by the new ones.
            order = SetAccount(account_id=seat.account_id, http=NewHttpService(url=f"{web.url}/second"))
            await platform.caller.ask(tenant, order)
            await new_lead(platform, tenant, full_name="Bob Example", linkedin_url="https://www.linkedin.com/in/bob")
            await until(lambda: ended(platform, tenant, 2))
    found = await messages(platform, tenant)
    assert [(message["state"], message["provider_reference"]) for message in found] == [("sent", "urn:7")] * 2
    assert web.paths() == ["/first", "/second"]
    assert web.asked[0].body["text"] == "Dear Ada"
    assert web.asked[0].body["to"] == "https://www.linkedin.com/in/ada/"


async def test_an_account_has_the_settings_of_its_transport_and_no_others(platform: Platform, tenant: str) -> None:
    server, service = NewSmtpServer(host="smtp.example.com"), NewHttpService(url="https://messages.example.com/")
    new = {"title": "Sales", "channel": Channel.EMAIL, "address": "sales@example.com"}
    for wrong in (
        {"transport": "smtp"}, {"transport": "http"}, {"transport": "http", "smtp": server},
        {"transport": "http", "http": service, "smtp": server}, {"http": service},
        {"transport": "smtp", "smtp": server, "sandbox": NewSandbox()},
    ):  # fmt: skip
        with pytest.raises(ValueError, match="an account that sends by"):
            SetAccount.model_validate({**new, **wrong})
    async with build(platform.settings("outreach")).running():
        await platform.introduce(tenant, "outreach")
        made = await platform.caller.ask(tenant, SetAccount.model_validate({**new, "sandbox": NewSandbox(refuses=0)}))
        assert made.sandbox == SandboxBehaviour(refuses=0)
        with pytest.raises(ProblemError) as refused:
            await platform.caller.ask(tenant, SetAccount(account_id=made.account_id, http=service))
        assert (refused.value.problem.code, refused.value.problem.field) == (ProblemCode.INVALID, "http")
        order = SetAccount(account_id=made.account_id, transport=Transport.HTTP, http=service)
        view = await platform.caller.ask(tenant, order)
        assert (view.http and view.http.url, view.sandbox) == (service.url, None)
        order = SetAccount(account_id=made.account_id, transport=Transport.SMTP, smtp=server)
        view = await platform.caller.ask(tenant, order)
        assert (view.http, view.smtp and view.smtp.host) == (None, server.host)
        order = SetAccount(account_id=made.account_id, transport=Transport.SANDBOX)
        view = await platform.caller.ask(tenant, order)
        assert (view.http, view.smtp, view.sandbox) == (None, None, None)


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


async def test_a_process_with_a_moved_clock_hands_messages_to_nobody_but_the_sandbox(database: Database) -> None:
    carriers = Carriers(database, Outside(), sandbox_only=True)

    def row(transport: Transport) -> Any:
        return {"transport": transport, "account_sandbox": None}

    for transport in (Transport.SMTP, Transport.HTTP):
        with pytest.raises(LaterError, match="clock_is_moved"):
            await carriers.of(row(transport)).send(outgoing())
    assert isinstance(carriers.of(row(Transport.SANDBOX)), Sandbox)
