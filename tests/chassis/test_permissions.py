"""A credential opens what the catalogue says its holder needs and nothing else; the broker itself refuses the rest."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from chassis import topology
from chassis.caller import Caller, inbox_prefix
from chassis.received import Received, encode
from chassis.unit_of_work import UnitOfWork
from contracts import catalogue
from contracts.catalogue import CATALOGUE, COMMANDS, EVENTS, OPERATOR, SERVICES, STREAMS
from contracts.gateway import TenantChanged, TenantSettings
from contracts.intake.leads import (
    CountSubmissions,
    GetSubmissions,
    LeadAccepted,
    LeadPage,
    ListLeads,
    SubmissionCounts,
    SubmissionList,
    SubmitLead,
)
from contracts.message import Kind, Request
from leadloop.nkey import new_seed, public_key
from tests.chassis.scene import Scene
from tests.platform import Platform
from tests.waiting import until

UPSTREAM = "upstream-key"
TENANT = "acme"
"""The tenant that the upstream's credential is pinned to."""
OTHER_UPSTREAM = "upstream-other"
OTHER = "other"
"""Another tenant, and an upstream of that one."""
NEWCOMER = "upstream-new"
CREDENTIALS = {name: new_seed() for name in (UPSTREAM, OTHER_UPSTREAM, NEWCOMER)}


class Connection:
    """A broker connection that remembers what was refused it."""

    def __init__(self) -> None:
        self.client = Client()
        self._refusals = 0

    @classmethod
    @asynccontextmanager
    async def of(cls, platform: Platform, user: str) -> AsyncIterator["Connection"]:
        connection = cls()
        seed = platform.seeds.get(user) or CREDENTIALS[user]
        await connection.client.connect(
            platform.broker.url, nkeys_seed_str=seed, inbox_prefix=inbox_prefix(user), error_cb=connection._refused
        )
        try:
            yield connection
        finally:
            await connection.client.close()

    async def may_publish(self, subject: str, body: bytes = b"{}", **more: Any) -> bool:
        return await self._may(lambda: self.client.publish(subject, body, **more))

    async def may_subscribe(self, subject: str, queue: str = "") -> bool:
        return await self._may(lambda: self.client.subscribe(subject, queue=queue))

    async def _may(self, act: Callable[[], Awaitable[object]]) -> bool:
        before = self._refusals
        await act()
        for _ in range(
            2
        ):  # a refusal comes before the answer to a ping; the client takes the handshake's for the first
            await self.client.flush()
        return self._refusals == before

    async def _refused(self, _: Exception) -> None:
        self._refusals += 1


async def admit(platform: Platform, newcomer_of: str | None = None) -> None:
    """Give upstreams a credential each, as `leadloop key create --nats` does."""
    users = [topology.User(name, public_key(seed)) for name, seed in platform.seeds.items() if name != "admin"]
    for name, tenant in ((UPSTREAM, TENANT), (OTHER_UPSTREAM, OTHER), (NEWCOMER, newcomer_of)):
        if tenant is not None:
            users.append(topology.User(name, public_key(CREDENTIALS[name]), tenant))
    platform.broker.configure(topology.authorization(users))
    await platform.broker.reload()


@pytest.fixture(scope="module")
async def provisioned(platform: Platform) -> Platform:
    """The platform with a credential for an upstream of each of two tenants."""
    await admit(platform)
    return platform


@pytest.fixture
async def newcomer(provisioned: Platform, scene: Scene) -> AsyncIterator[Connection]:
    """A new upstream of the scene's tenant, connected."""
    await admit(provisioned, newcomer_of=scene.tenant)
    async with Connection.of(provisioned, NEWCOMER) as connection:
        yield connection


@pytest.mark.parametrize("seed", [None, new_seed()], ids=["none", "one that nobody has any more"])
async def test_without_a_credential_that_counts_nobody_is_let_in(provisioned: Platform, seed: str | None) -> None:
    refusals: list[Exception] = []

    async def refused(error: Exception) -> None:
        refusals.append(error)

    client = Client()
    with pytest.raises(Exception, match=r"(?i)authorization|no servers"):
        await client.connect(provisioned.broker.url, nkeys_seed_str=seed, allow_reconnect=False, error_cb=refused)
    await client.close()


@pytest.mark.parametrize("user", [*SERVICES, OPERATOR])
async def test_a_credential_publishes_what_its_holder_sends_and_nothing_else(platform: Platform, user: str) -> None:
    async with Connection.of(platform, user) as connection:
        for entry in CATALOGUE:
            allowed = await connection.may_publish(entry.topic.subject(TENANT))
            assert allowed is (user in entry.senders), entry.topic.type


@pytest.mark.parametrize("user", SERVICES)
async def test_a_service_listens_to_its_own_inbox_and_requests_and_nothing_else(platform: Platform, user: str) -> None:
    async with Connection.of(platform, user) as connection:
        assert await connection.may_subscribe(f"{inbox_prefix(user)}.>")
        for somebody in (*SERVICES, OPERATOR):
            if somebody != user:
                assert not await connection.may_subscribe(f"{inbox_prefix(somebody)}.>"), somebody
        for entry in CATALOGUE:
            is_its_own = (entry.topic.kind is Kind.REQUEST and user in entry.readers) or user in entry.watchers
            assert await connection.may_subscribe(entry.topic.every_tenant, user) is is_its_own, entry.topic.type
            watches = user in entry.watchers
            assert await connection.may_subscribe(entry.topic.every_tenant) is watches, "outside of its replicas' group"
        for subject in (">", "_INBOX.>", "$JS.>", "$SYS.>", *(subject for s in STREAMS for subject in s.subjects)):
            assert not await connection.may_subscribe(subject), subject


@pytest.mark.parametrize("user", SERVICES)
async def test_a_service_reads_its_own_durables_and_changes_nothing_in_the_broker(
    platform: Platform, user: str
) -> None:
    async with Connection.of(platform, user) as connection:
        for stream in STREAMS:
            for service in SERVICES:
                is_its_own = service == user and any(d.stream is stream for d in catalogue.durables_of(user))
                for subject in (
                    f"$JS.API.CONSUMER.MSG.NEXT.{stream.name}.{service}", f"$JS.API.CONSUMER.INFO.{stream.name}.{service}",
                    f"$JS.ACK.{stream.name}.{service}.1.1.1.1.1", f"$JS.ACK.x.y.{stream.name}.{service}.1.1.1.1.1",
                ):  # fmt: skip
                    assert await connection.may_publish(subject) is is_its_own, subject
            for action in (
                f"CONSUMER.CREATE.{stream.name}", f"CONSUMER.CREATE.{stream.name}.mine", f"CONSUMER.DURABLE.CREATE.{stream.name}.{user}",
                f"CONSUMER.DELETE.{stream.name}.{user}", f"STREAM.MSG.GET.{stream.name}", f"DIRECT.GET.{stream.name}",
                f"STREAM.MSG.DELETE.{stream.name}", f"STREAM.PURGE.{stream.name}", f"STREAM.UPDATE.{stream.name}",
                f"STREAM.DELETE.{stream.name}", "STREAM.CREATE.MINE",
            ):  # fmt: skip
                assert not await connection.may_publish(f"$JS.API.{action}"), action


async def test_an_upstream_publishes_its_tenants_commands_and_asks_for_their_verdicts(provisioned: Platform) -> None:
    async with Connection.of(provisioned, UPSTREAM) as connection:
        for entry in CATALOGUE:
            allowed = catalogue.UPSTREAM in entry.senders
            assert await connection.may_publish(entry.topic.subject(TENANT)) is allowed, entry.topic.type
            for other in ("other", f"{TENANT}-2", "_", "*", ">"):
                assert not await connection.may_publish(f"{entry.topic.type}.{other}"), other
        assert await connection.may_subscribe(f"{inbox_prefix(UPSTREAM)}.>")
        for subject in (">", "_INBOX.>", f"{inbox_prefix('gateway')}.>", "intake.event.>", "intake.command.>"):
            assert not await connection.may_subscribe(subject), subject


async def test_an_upstreams_plain_json_is_handled(newcomer: Connection, scene: Scene) -> None:
    async def verdicts(_: UnitOfWork, request: Received[GetSubmissions]) -> SubmissionList:
        assert request.tenant == scene.tenant
        return SubmissionList(submissions=[])

    async with scene.service(answers={GetSubmissions: verdicts}).running():
        body = b'{"source_system": "test", "source_id": "7"}'
        assert await newcomer.may_publish(SubmitLead.topic.subject(scene.tenant), body)
        assert await scene.written(1) == [7]
        asked = await Caller(newcomer.client).ask(scene.tenant, GetSubmissions(submission_ids=[uuid4()]))
        assert asked == SubmissionList(submissions=[])


async def test_the_broker_signs_an_upstreams_command_and_the_upstream_can_neither_forge_that_nor_leave_it_out(
    newcomer: Connection, scene: Scene
) -> None:
    senders: list[str | None] = []

    async def hear(_: UnitOfWork, messages: Sequence[Received[SubmitLead]]) -> None:
        assert {message.envelope.subject for message in messages} == {subject}
        senders.extend(message.wire.sender for message in messages)

    subject = SubmitLead.topic.subject(scene.tenant)
    for name in (OPERATOR, NEWCOMER, OTHER_UPSTREAM):
        assert not await newcomer.may_publish(SubmitLead.topic.signed(scene.tenant, name)), name
    body = b'{"source_system": "test", "source_id": "%d"}'
    forged = ({"Nats-Request-Info": "{}"}, {"Nats-Subject": subject}, {"sender": OPERATOR}, {"reply": subject})
    async with scene.service(consumes={SubmitLead: hear}).running():
        for number, headers in enumerate((None, *forged)):
            await newcomer.client.jetstream().publish(subject, body % number, headers=headers)
        await newcomer.may_publish(subject, body % 7, reply=SubmitLead.topic.signed(scene.tenant, OTHER_UPSTREAM))
        await scene.give_raw(body % 8)

        async def all_heard() -> bool:
            return len(senders) == 7

        await until(all_heard, what="every command")
    assert senders == [NEWCOMER] * 6 + [None]


async def test_a_request_tells_who_asks(newcomer: Connection, scene: Scene) -> None:
    senders: list[str | None] = []

    async def count(_: UnitOfWork, request: Received[CountSubmissions]) -> SubmissionCounts:
        senders.append(request.wire.sender)
        return SubmissionCounts(counts={})

    async with scene.service(answers={CountSubmissions: count}).running():
        ask = CountSubmissions(correlation_id=uuid4())
        await Caller(newcomer.client).ask(scene.tenant, ask)
        await scene.ask(ask)
    assert senders == [catalogue.UPSTREAM, OPERATOR]


async def test_an_upstream_hears_of_its_command_whether_it_is_stored_and_whether_it_was_before(
    provisioned: Platform, scene: Scene
) -> None:
    config = topology.stream_config(COMMANDS)
    config.duplicate_window = 60
    await provisioned.operator.jetstream().update_stream(config)
    async with Connection.of(provisioned, UPSTREAM) as connection:
        js, subject, id_ = connection.client.jetstream(), SubmitLead.topic.subject(TENANT), str(uuid4())
        first, again = [await js.publish(subject, b"{}", headers={"Nats-Msg-Id": id_}) for _ in range(2)]
    assert (first.stream, first.duplicate) == (COMMANDS.name, None)
    assert (again.seq, again.duplicate) == (first.seq, True)


async def test_what_the_broker_answers_a_command_reaches_nobody_but_its_sender(
    provisioned: Platform, scene: Scene
) -> None:
    """The sender chooses where the broker publishes its acknowledgement: it must not do there what the sender may not."""
    heard: list[Msg] = []

    async def hear(message: Msg) -> None:
        heard.append(message)

    command = SubmitLead.topic.subject(TENANT)
    targets = [
        *(entry.topic.subject(OTHER) for entry in CATALOGUE),
        *(entry.topic.subject(TENANT) for entry in CATALOGUE if catalogue.UPSTREAM not in entry.senders),
        *(f"$JS.API.{action}.{COMMANDS.name}" for action in ("STREAM.PURGE", "STREAM.DELETE", "STREAM.MSG.DELETE")),
        f"$JS.ACK.{COMMANDS.name}.intake.1.1.1.1.1", "_R_.a.b",
        *(f"{inbox_prefix(user)}.a" for user in ("notifier", OTHER_UPSTREAM)),
    ]  # fmt: skip
    async with AsyncExitStack() as stack:
        for user in ("notifier", OTHER_UPSTREAM):
            bystander = await stack.enter_async_context(Connection.of(provisioned, user))
            await bystander.client.subscribe(f"{inbox_prefix(user)}.>", cb=hear)
            await bystander.client.flush()
        attacker = await stack.enter_async_context(Connection.of(provisioned, UPSTREAM))
        news = TenantChanged(version=1, settings=TenantSettings(), created_at=datetime.now(UTC))
        taken = [target for target in targets if await attacker.may_publish(command, b"attack", reply=target)]
        for _ in range(2):  # what the broker answered the last one with is stored before the second of these
            await attacker.client.jetstream().publish(command, b"plain")
            await provisioned.publish("gateway", TENANT, news)
        assert (
            await attacker.may_publish(command, headers={"Nats-Trace-Dest": SubmitLead.topic.subject(OTHER)}) is False
        )
        for refused in ("$JS.ACK", "_R_"):
            assert not any(target.startswith(refused) for target in taken), refused
        js = provisioned.operator.jetstream()
        stored = [(await js.stream_info(stream.name, subjects_filter=">")).state.subjects for stream in STREAMS]
        signed = SubmitLead.topic.signed(TENANT, UPSTREAM)
        assert stored == [{TenantChanged.topic.subject(TENANT): 2}, {signed: len(taken) + 2}]
    assert heard == []


def test_an_upstream_answers_nobody() -> None:
    assert "allow_responses" not in topology.authorization([topology.User(UPSTREAM, "U1", TENANT)])


async def test_a_new_credential_works_at_once_and_disconnects_nobody(provisioned: Platform, scene: Scene) -> None:
    async def connections() -> set[int]:
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{provisioned.broker.monitor_url}/connz")
        return {connection["cid"] for connection in answer.json()["connections"]}

    await admit(provisioned)
    async with scene.service().running(), Connection.of(provisioned, UPSTREAM) as known:
        before = await connections()
        await admit(provisioned, newcomer_of=scene.tenant)
        async with Connection.of(provisioned, NEWCOMER) as new:
            body = b'{"source_system": "test", "source_id": "8"}'
            await new.client.jetstream().publish(SubmitLead.topic.subject(scene.tenant), body)
        assert await scene.written(1) == [8]
        await known.client.jetstream().publish(SubmitLead.topic.subject(TENANT), body)
        assert await connections() >= before


@pytest.mark.parametrize(
    ("asker", "ask"), [(NEWCOMER, CountSubmissions(correlation_id=UUID(int=0))), ("gateway", ListLeads())]
)
async def test_a_reply_is_published_to_an_inbox_and_nowhere_else(
    provisioned: Platform, scene: Scene, newcomer: Connection, asker: str, ask: Request[Any]
) -> None:
    """Who answers may publish events: who asks must not make it publish where the asker itself may not."""
    forged = LeadAccepted.topic.subject(OTHER)

    async def count(_: UnitOfWork, __: Received[CountSubmissions]) -> SubmissionCounts:
        return SubmissionCounts(counts={})

    async def find(_: UnitOfWork, __: Received[ListLeads]) -> LeadPage:
        return LeadPage(leads=[])

    async with (
        scene.service(answers={CountSubmissions: count, ListLeads: find}).running(),
        Connection.of(provisioned, asker) as connection,
    ):
        await connection.client.publish(ask.topic.subject(scene.tenant), encode(ask), reply=forged)
        await Caller(connection.client).ask(scene.tenant, ask)  # the one before has been answered by now
    events = await provisioned.operator.jetstream().stream_info(EVENTS.name, subjects_filter=forged)
    assert not events.state.subjects
