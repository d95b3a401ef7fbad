"""What an account's service signs is taken once, of the account's messages alone; nobody else is told anything."""

import base64
import hmac
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from contracts.gateway.webhooks import MakeWebhookSecret
from contracts.operations import RunJob
from contracts.outreach.accounts import NewAccountSettings, NewSandbox, SetAccount
from contracts.outreach.people import ListSuppressions
from contracts.outreach.replies import ListReplies, ReplyView
from contracts.taxonomy import Channel
from tests.gateway.conftest import Gateway, Tenancy
from tests.gateway.test_api import assert_problem
from tests.outreach.scene import campaign, messages
from tests.waiting import until


class Sender:
    """A service of an account's, with its secret."""

    def __init__(self, gateway: Gateway, path: str, secret: str) -> None:
        self.gateway, self.path, self.secret = gateway, path, secret

    async def send(
        self, type_: str, *, id_: str = "", sent: int | None = None, path: str = "", body: bytes = b"", **data: Any
    ) -> httpx.Response:
        body = body or json.dumps({"type": type_, "timestamp": "2026-12-01T00:00:00Z", "data": data}).encode()
        headers = self.signed(body, id_ or uuid4().hex, sent or int(datetime.now(UTC).timestamp()))
        async with self.gateway.client() as nobody:
            return await nobody.post(path or self.path, content=body, headers=headers)

    def signed(self, body: bytes, id_: str, sent: int) -> dict[str, str]:
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        signature = base64.b64encode(hmac.digest(key, f"{id_}.{sent}.".encode() + body, "sha256")).decode()
        return {
            "Content-Type": "application/json",
            "webhook-id": id_,
            "webhook-timestamp": str(sent),
            "webhook-signature": f"v1,{signature}",
        }


async def account(gateway: Gateway, acme: Tenancy) -> UUID:
    """An account of which the sandbox takes every message."""
    settings = NewAccountSettings(least_gap_minutes=0, most_gap_minutes=0)
    order = SetAccount(
        title="Sales", channel=Channel.EMAIL, address=f"{uuid4().hex}@example.com", sandbox=NewSandbox(refuses=0),
        settings=settings,
    )  # fmt: skip
    return (await gateway.platform.caller.ask(acme.name, order)).account_id


async def service_of(gateway: Gateway, acme: Tenancy, account_id: UUID, **order: Any) -> Sender:
    made = await acme.client.post(acme.path(f"/accounts/{account_id}/webhook/secrets"), json=order)
    assert made.status_code == 201, made.text
    return Sender(gateway, made.json()["path"], made.json()["secret"])


async def sent_message(gateway: Gateway, acme: Tenancy) -> UUID:
    """A message that was sent to a lead."""
    number = uuid4().hex[:12]
    lead = {"source_system": "crm", "source_id": number, "email": f"ada.{number}@example.com", "full_name": "Ada Quark"}
    assert (await acme.client.post(acme.path("/leads"), json=lead)).status_code == 201
    await campaign(gateway.platform, acme.name)

    async def sent() -> list[UUID]:
        found = await messages(gateway.platform, acme.name)
        return [row["message_id"] for row in found if row["state"] == "sent"]

    (message_id,) = await until(sent, what="the message is sent")
    return message_id


async def replies(gateway: Gateway, acme: Tenancy) -> list[ReplyView]:
    return (await gateway.platform.caller.ask(acme.name, ListReplies())).replies


async def test_what_comes_back_is_taken_once_under_its_id_and_becomes_what_it_says(
    gateway: Gateway, acme: Tenancy
) -> None:
    account_id = await account(gateway, acme)
    message_id = await sent_message(gateway, acme)
    sender = await service_of(gateway, acme, account_id)
    about = {"message_id": str(message_id)}
    for _ in range(2):
        delivered = await sender.send("message.delivered", id_="d-1", **about)
        assert (delivered.status_code, delivered.content) == (204, b"")
        taken = await sender.send("reply.received", id_="r-1", text="Yes, please call me.", channel="sms", **about)
        assert taken.status_code == 204, taken.text
    (reply,) = await replies(gateway, acme)
    assert (reply.message_id, reply.reply_class, reply.has_text) == (message_id, "interested", True)
    assert (await sender.send("message.complained", **about)).status_code == 204
    (entry,) = (await gateway.platform.caller.ask(acme.name, ListSuppressions())).suppressions
    assert entry.reason == "complaint"
    raw = base64.b64encode(b"From: a@example.com\r\nSubject: hello\r\n\r\nhello\r\n").decode()
    assert (await sender.send("mail.received", raw=raw)).status_code == 204
    assert (await sender.send("message.failed", reason="mailbox_full", fault="recipient", **about)).status_code == 204


async def test_a_service_speaks_for_the_messages_of_its_account_alone(gateway: Gateway, acme: Tenancy) -> None:
    await account(gateway, acme)
    message_id = await sent_message(gateway, acme)
    other = await service_of(gateway, acme, await account(gateway, acme))
    refused = await other.send("reply.received", message_id=str(message_id), text="Stop.")
    assert_problem(refused, 404, "message_id")
    assert await replies(gateway, acme) == []


async def test_whatever_is_wrong_with_a_signature_is_answered_alike_and_nothing_is_taken(
    gateway: Gateway, acme: Tenancy, anyone: Tenancy
) -> None:
    account_id = await account(gateway, acme)
    sender = await service_of(gateway, acme, account_id)
    now = int(datetime.now(UTC).timestamp())
    secret, sender.secret = sender.secret, "whsec_" + base64.b64encode(b"x" * 32).decode()
    forged = await sender.send("message.delivered", message_id=str(uuid4()))
    sender.secret = secret
    answers = [forged]
    answers += [await sender.send("message.delivered", sent=now + off) for off in (-301, 302)]
    for path in (
        f"/hooks/{anyone.name}/{account_id}", f"/hooks/no-such-tenant/{account_id}", f"/hooks/UPPER/{account_id}",
        f"/hooks/{acme.name}/{uuid4()}", f"/hooks/{acme.name}/x", "/hooks/_/x",
    ):  # fmt: skip
        answers.append(await sender.send("message.delivered", path=path))
    async with gateway.client(acme.secret) as client:
        answers.append(await client.post(sender.path, json={"type": "message.delivered"}))
    problems = [assert_problem(answer, 401) for answer in answers]
    assert len({problem["detail"] for problem in problems}) == 1
    assert {answer.headers["www-authenticate"] for answer in answers} == {'Webhook realm="leadloop"'}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", None),
        (b'{"type": "message.opened", "data": {}}', "type"),
        (b'{"type": "message.delivered", "data": {"message_id": "zebedee.quark@example.com"}}', "data.message_id"),
        (b'{"type": "message.delivered", "data": ' + b"[" * 1000 + b"]" * 1000 + b"}", None),
    ],
    ids=["no JSON", "another type", "no id", "deep"],
)
async def test_what_is_signed_and_makes_no_sense_is_refused_by_the_fields_name(
    gateway: Gateway, anyone: Tenancy, body: bytes, field: str | None
) -> None:
    made = await gateway.platform.caller.ask(anyone.name, MakeWebhookSecret(account_id=uuid4()))
    refused = await Sender(gateway, made.path, made.secret).send("", body=body)
    assert_problem(refused, 400, field)


async def test_a_new_secret_counts_beside_those_before_it_for_a_while_and_a_removed_one_at_once_no_more(
    gateway: Gateway, acme: Tenancy
) -> None:
    account_id = await account(gateway, acme)
    address = acme.path(f"/accounts/{account_id}/webhook")
    first = await service_of(gateway, acme, account_id)
    second = await service_of(gateway, acme, account_id, overlap_hours=1)

    async def lets_in(sender: Sender) -> bool:
        answer = await sender.send("message.delivered", message_id=str(uuid4()))
        assert answer.status_code in (401, 404)
        return answer.status_code == 404

    assert await lets_in(first) and await lets_in(second)
    view = (await acme.client.get(address)).json()
    assert [bool(each["ends_at"]) for each in view["secrets"]] == [False, True]
    assert first.secret not in json.dumps(view) and "sealed" not in json.dumps(view)
    async with gateway.platform.sql() as sql:
        rows = await sql.fetch("select * from gateway.webhook_secret where tenant_id = $1", acme.name)
        key = base64.b64decode(second.secret.removeprefix("whsec_"))
        assert len(rows) == 2 and not any(key in row["sealed"] for row in rows)
        await sql.execute(
            "update gateway.webhook_secret set ends_at = now() - interval '1 s' where ends_at is not null and tenant_id = $1",
            acme.name,
        )
        assert not await lets_in(first) and await lets_in(second)
        await gateway.platform.caller.ask(acme.name, RunJob(job="sign_ins"), of="gateway")
        assert await sql.fetchval("select count(*) from gateway.webhook_secret where tenant_id = $1", acme.name) == 1
    third = await service_of(gateway, acme, account_id, overlap_hours=0)
    assert not await lets_in(second) and await lets_in(third)
    assert (await acme.client.delete(address)).json()["secrets"] == []
    assert not await lets_in(third)
    changes = (await acme.client.get(acme.path(f"/audit?subject=account:{account_id}"))).json()["changes"]
    assert [change["action"] for change in changes] == ["webhook_removed"] + ["webhook_secret_made"] * 3
    assert_problem(
        await acme.client.post(acme.path(f"/accounts/{uuid4()}/webhook/secrets"), json={}), 404, "account_id"
    )


async def test_one_secret_is_revoked_and_none_that_was_over_counts_again(gateway: Gateway, acme: Tenancy) -> None:
    account_id = await account(gateway, acme)
    address = acme.path(f"/accounts/{account_id}/webhook")
    senders = [await service_of(gateway, acme, account_id) for _ in range(6)]
    counting = (await acme.client.get(address)).json()["secrets"]
    assert len(counting) == 5, "the newest"

    async def statuses() -> list[int]:
        answers = [await sender.send("message.delivered", message_id=str(uuid4())) for sender in senders]
        return [answer.status_code for answer in answers]

    assert await statuses() == [401, 404, 404, 404, 404, 404]
    revoked = await acme.client.delete(f"{address}/secrets/{counting[1]['secret_id']}")
    assert [each["secret_id"] for each in revoked.json()["secrets"]] == [
        each["secret_id"] for each in counting if each is not counting[1]
    ]
    assert await statuses() == [401, 404, 404, 404, 401, 404]
    (change, *_) = (await acme.client.get(acme.path(f"/audit?subject=account:{account_id}"))).json()["changes"]
    assert (change["action"], change["detail"]) == (
        "webhook_secret_revoked", {"secret_id": counting[1]["secret_id"]},
    )  # fmt: skip


async def test_the_webhooks_of_a_tenant_are_listed_a_page_at_a_time(gateway: Gateway, acme: Tenancy) -> None:
    ids = sorted([str(await account(gateway, acme)) for _ in range(3)])
    for account_id in ids[1:]:
        await service_of(gateway, acme, UUID(account_id))
    first = (await acme.client.get(acme.path("/webhooks?limit=1"))).json()
    rest = (await acme.client.get(acme.path("/webhooks"), params={"cursor": first["next_cursor"]})).json()
    listed = [*first["webhooks"], *rest["webhooks"]]
    assert [each["account_id"] for each in listed] == ids[1:] and rest["next_cursor"] is None
    assert listed[0] == (await acme.client.get(acme.path(f"/accounts/{ids[1]}/webhook"))).json()


async def test_whoever_forges_again_and_again_is_told_of(gateway: Gateway, acme: Tenancy) -> None:
    account_id = await account(gateway, acme)
    sender = await service_of(gateway, acme, account_id)
    sender.secret = "whsec_" + base64.b64encode(b"x" * 32).decode()
    for _ in range(11):
        await sender.send("message.delivered")
    async with gateway.platform.sql() as sql:
        told = await sql.fetch(
            "select convert_from(body, 'utf8') as body from gateway.outbox where tenant = $1 and type like '%access_refused%'",
            acme.name,
        )
    assert [json.loads(row["body"])["actor"] for row in told] == [f"account:{account_id}"]
