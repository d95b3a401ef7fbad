"""A credential opens what the catalogue says its holder needs and nothing else; the broker itself refuses the rest."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest
from nats.aio.client import Client

from chassis import topology
from chassis.caller import Caller, inbox_prefix
from chassis.received import Received, encode
from chassis.unit_of_work import UnitOfWork
from contracts import catalogue
from contracts.catalogue import CATALOGUE, EVENTS, OPERATOR, SERVICES, STREAMS
from contracts.intake import (
    CountSubmissions,
    GetSubmissions,
    LeadAccepted,
    SubmissionCounts,
    SubmissionList,
    SubmitLead,
)
from contracts.message import Kind
from leadloop.nkey import new_seed, public_key
from tests.chassis.scene import Scene
from tests.platform import Platform

UPSTREAM = "upstream-key"
TENANT = "acme"
"""The tenant that the upstream's credential is pinned to."""
CREDENTIAL = new_seed()


class Connection:
    """A broker connection that remembers what was refused it."""

    def __init__(self) -> None:
        self.client = Client()
        self._refusals = 0

    @classmethod
    @asynccontextmanager
    async def of(cls, platform: Platform, user: str) -> AsyncIterator["Connection"]:
        connection = cls()
        seed = platform.seeds.get(user, CREDENTIAL)
        await connection.client.connect(
            platform.broker.url, nkeys_seed_str=seed, inbox_prefix=inbox_prefix(user), error_cb=connection._refused
        )
        try:
            yield connection
        finally:
            await connection.client.close()

    async def may_publish(self, subject: str, body: bytes = b"{}") -> bool:
        return await self._may(lambda: self.client.publish(subject, body))

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


@pytest.fixture(scope="module")
async def provisioned(platform: Platform) -> Platform:
    """The platform with a credential for one tenant's upstream, as `leadloop key create --nats` makes it."""
    users = [topology.User(name, public_key(seed)) for name, seed in platform.seeds.items() if name != "admin"]
    users.append(topology.User(UPSTREAM, public_key(CREDENTIAL), TENANT))
    platform.broker.configure(topology.authorization(users))
    await platform.broker.reload()
    return platform


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
            is_its_own = entry.topic.kind is Kind.REQUEST and user in entry.readers
            assert await connection.may_subscribe(entry.topic.every_tenant, user) is is_its_own, entry.topic.type
            assert not await connection.may_subscribe(entry.topic.every_tenant), "outside of its replicas' group"
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


async def test_an_upstreams_plain_json_is_handled(provisioned: Platform, scene: Scene) -> None:
    own = Scene(provisioned, TENANT)

    async def verdicts(_: UnitOfWork, request: Received[GetSubmissions]) -> SubmissionList:
        assert request.tenant == TENANT
        return SubmissionList(submissions=[])

    async with (
        scene.service(answers={GetSubmissions: verdicts}).running(),
        Connection.of(provisioned, UPSTREAM) as connection,
    ):
        body = b'{"source_system": "test", "source_id": "7"}'
        assert await connection.may_publish(SubmitLead.topic.subject(TENANT), body)
        assert await own.written(1) == [7]
        asked = await Caller(connection.client).ask(TENANT, GetSubmissions(submission_ids=[uuid4()]))
        assert asked == SubmissionList(submissions=[])


async def test_a_reply_is_published_to_an_inbox_and_nowhere_else(provisioned: Platform, scene: Scene) -> None:
    """Who answers may publish events: who asks must not make him publish where he himself may not."""
    forged = LeadAccepted.topic.subject("other")

    async def count(_: UnitOfWork, __: Received[CountSubmissions]) -> SubmissionCounts:
        return SubmissionCounts(counts={})

    async with (
        scene.service(answers={CountSubmissions: count}).running(),
        Connection.of(provisioned, UPSTREAM) as connection,
    ):
        ask = CountSubmissions(correlation_id=UUID(int=0))
        await connection.client.publish(ask.topic.subject(TENANT), encode(ask), reply=forged)
        await Caller(connection.client).ask(TENANT, ask)  # the one before has been answered by now
    events = await provisioned.operator.jetstream().stream_info(EVENTS.name, subjects_filter=forged)
    assert not events.state.subjects
