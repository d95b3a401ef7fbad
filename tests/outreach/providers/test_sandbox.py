"""The sandbox behaves as badly as an account's settings say, each time alike, and keeps a record of what it took."""

import time
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from chassis.unit_of_work import Database
from contracts.outreach.accounts import NewSandbox, SandboxBehaviour, SetAccount
from contracts.taxonomy import Fault
from outreach.providers.protocol import CaptchaError, LaterError, Outgoing, Provider, RefusedError, UnansweredError
from outreach.providers.sandbox import Sandbox, refusal
from tests.outreach.providers.sink import outgoing
from tests.outreach.scene import account, arrive, campaign, changes, lead, messages, outreach
from tests.platform import Platform
from tests.waiting import until


@pytest.fixture
def handed(database: Database, tenant: str) -> Callable[[], Outgoing]:
    return lambda: outgoing(tenant=tenant, lead_id=uuid4())


def behaving(sandbox: Sandbox, **behaviour: float) -> Provider:
    return sandbox.behaving(NewSandbox.model_validate({"refuses": 0, **behaviour}).model_dump_json())


async def taken(platform: Platform, tenant: str) -> dict[UUID, int]:
    async with platform.sql() as sql:
        rows = await sql.fetch(
            "select message_id, deliveries from outreach.sandbox_delivery where tenant_id = $1", tenant
        )
    return {row["message_id"]: row["deliveries"] for row in rows}


def test_it_refuses_one_in_fifty_unless_it_is_told_otherwise() -> None:
    ids = [UUID(int=number) for number in range(20_000)]
    refused = {message_id for message_id in ids if refusal(message_id)}
    assert 300 < len(refused) < 500
    assert refused < {message_id for message_id in ids if refusal(message_id, 0.1)}
    assert all(refusal(message_id, 1) == "mailbox_unknown" for message_id in ids[:50])
    assert not any(refusal(message_id, 0) for message_id in ids[:50])


async def test_what_it_refuses_it_never_takes(
    platform: Platform, database: Database, tenant: str, handed: Callable[[], Outgoing]
) -> None:
    provider, message = behaving(Sandbox(database), refuses=1), handed()
    for _ in range(2):
        with pytest.raises(RefusedError, match="mailbox_unknown") as refused:
            await provider.send(message)
        assert refused.value.fault is Fault.RECIPIENT
    assert await taken(platform, tenant) == {}


@pytest.mark.parametrize(("trouble", "error"), [("throttles", LaterError), ("wants_a_person", CaptchaError)])
async def test_what_has_to_wait_passes_the_next_time(
    platform: Platform, database: Database, tenant: str, handed: Callable[[], Outgoing],
    trouble: str, error: type[Exception],
) -> None:  # fmt: skip
    provider, message = behaving(Sandbox(database), **{trouble: 1}), handed()
    with pytest.raises(error) as raised:
        await provider.send(message)
    assert await taken(platform, tenant) == {}
    if isinstance(raised.value, LaterError):
        assert raised.value.throttled
    await provider.send(message)
    assert await taken(platform, tenant) == {message.message_id: 1}


async def test_what_it_loses_it_has_taken(
    platform: Platform, database: Database, tenant: str, handed: Callable[[], Outgoing]
) -> None:
    provider, message = behaving(Sandbox(database), loses=1), handed()
    with pytest.raises(UnansweredError):
        await provider.send(message)
    assert await taken(platform, tenant) == {message.message_id: 1}


async def test_it_takes_its_time(database: Database, tenant: str, handed: Callable[[], Outgoing]) -> None:
    began = time.monotonic()
    await behaving(Sandbox(database), takes_seconds=0.3).send(handed())
    assert time.monotonic() - began >= 0.3


async def test_each_account_has_its_own_sandbox(platform: Platform, tenant: str) -> None:
    async with outreach(platform, tenant):
        sales = await account(platform, tenant)
        order = SetAccount(account_id=sales.account_id, sandbox=NewSandbox(refuses=0, loses=1))
        view = await platform.caller.ask(tenant, order)
        assert view.sandbox == SandboxBehaviour(refuses=0, loses=1)
        await arrive(platform, tenant, [lead() for _ in range(3)])
        await campaign(platform, tenant)

        async def unknown() -> bool:
            return [message["state"] for message in await messages(platform, tenant)] == ["unknown"] * 3

        await until(unknown)
        # What is set stays where nothing is said of it.
        view = await platform.caller.ask(tenant, SetAccount(account_id=sales.account_id, title="Sales 2"))
        assert view.sandbox and view.sandbox.loses == 1
    found = await messages(platform, tenant)
    assert [message["deliveries"] for message in found] == [1] * 3
    assert await changes(platform, found[0]["message_id"]) == ["queued", "claimed", "sending", "unknown"]
