"""The broker's side of the catalogue: streams, durables and permissions, declared by one step and never by a service."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import NotFoundError

from chassis.caller import inbox_prefix
from chassis.consumer import ACK_WAIT, most_unacknowledged
from contracts import catalogue
from contracts.catalogue import OPERATOR, SERVICES, UPSTREAM, Durable, Stream
from contracts.message import Kind, Topic

EVENT_DAYS = 7
DUPLICATE_SECONDS = 600
"""For events, whose ids services make. A command's id is its sender's choice, and the broker keeps ids per stream, not
per tenant: there the inbox alone tells repeats, and the window is the shortest the broker takes."""
_SHORTEST_WINDOW = 0.1
_DAY = 86_400
_SERVICES = "services"
"""The account of the services and the operator; it alone has JetStream."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with a credential at the broker.

    Attributes:
        name: a service, `operator`, or an upstream's key id; its inbox is named after it, and an upstream's account.
        public_key: the nkey's public half.
        tenant: the only tenant an upstream may speak for; none for the others.
    """

    name: str
    public_key: str
    tenant: str | None = None


def stream_config(stream: Stream, replicas: int = 1) -> StreamConfig:
    """How a stream is kept: a full one refuses and the outbox waits; events age out after 7 days, read or not (republish)."""
    return StreamConfig(
        name=stream.name,
        subjects=list(stream.subjects),
        storage=StorageType.FILE,
        retention=RetentionPolicy.WORK_QUEUE if stream.work_queue else RetentionPolicy.LIMITS,
        discard=DiscardPolicy.NEW,
        max_age=0 if stream.work_queue else EVENT_DAYS * _DAY,
        max_bytes=stream.max_bytes,
        duplicate_window=_SHORTEST_WINDOW if stream.work_queue else DUPLICATE_SECONDS,
        num_replicas=replicas,
    )


def consumer_config(durable: Durable) -> ConsumerConfig:
    """How a durable is delivered."""
    return ConsumerConfig(
        durable_name=durable.name,
        filter_subjects=list(durable.filters),
        ack_policy=AckPolicy.EXPLICIT if durable.stream.work_queue else AckPolicy.ALL,
        ack_wait=ACK_WAIT.total_seconds(),
        max_ack_pending=most_unacknowledged(durable.stream),
        max_deliver=-1,
    )


async def declare(client: Client, replicas: int = 1) -> list[str]:
    """Create what is missing and correct what differs; returns what was done, one line each, empty if nothing."""
    js = client.jetstream()
    done = []
    for stream in catalogue.STREAMS:
        done += await _declare_stream(js, stream_config(stream, replicas))
    for service in SERVICES:
        for durable in catalogue.durables_of(service):
            done += await _declare_consumer(js, durable)
    return done


async def _declare_stream(js: JetStreamContext, wanted: StreamConfig) -> list[str]:
    assert wanted.name
    try:
        found = (await js.stream_info(wanted.name)).config
    except NotFoundError:
        await js.add_stream(wanted)
        return [f"created stream {wanted.name}"]
    if drift := _drift(wanted, found):
        await js.update_stream(wanted)
        return [f"corrected stream {wanted.name}: {drift}"]
    return []


async def _declare_consumer(js: JetStreamContext, durable: Durable) -> list[str]:
    wanted = consumer_config(durable)
    name = f"{durable.stream.name}/{durable.name}"
    try:
        found = (await js.consumer_info(durable.stream.name, durable.name)).config
    except NotFoundError:
        await js.add_consumer(durable.stream.name, wanted)
        return [f"created durable {name}"]
    if found.filter_subject and not found.filter_subjects:
        found.filter_subjects = [found.filter_subject]
    if drift := _drift(wanted, found):
        await js.add_consumer(durable.stream.name, wanted)
        return [f"corrected durable {name}: {drift}"]
    return []


def _drift(wanted: Any, found: Any) -> str:
    """The settings in which two configurations differ, of those we care for."""
    differing = []
    for field, value in vars(wanted).items():
        other = getattr(found, field)
        if (
            value is not None
            and value != other
            and not (isinstance(value, list) and sorted(value) == sorted(other or []))
        ):
            differing.append(f"{field} is {other}, not {value.value if isinstance(value, Enum) else value}")
    return ", ".join(differing)


def authorization(users: Iterable[User]) -> str:
    """Who is let in, as a NATS server's configuration says it: accounts, each user's key, and what it may do.

    Whoever publishes names a subject for the reply, and the broker checks no permission for what is then published there:
    not for JetStream's acknowledgement of a command, nor for a service's answer. A subject means nothing outside of its
    account, though. So each upstream has an account of its own, which knows no way out but to its tenant's commands and
    requests: they are services that the services' account exports and the upstream's imports, and only replies come back.
    On their way in, its commands are signed with its name (`Topic.signed`).
    See docs/adr/0005-broker-users-from-the-catalogue.md and 0012-the-broker-signs-for-upstreams.md.
    """
    inside: list[User] = []
    outside: list[User] = []
    for user in users:
        (inside if user.tenant is None else outside).append(user)
    accounts = "".join((_services_account(inside), *map(_upstream_account, outside)))
    return f"authorization {{ timeout: 5 }}\naccounts {{\n{accounts}}}\n"


def _services_account(users: Iterable[User]) -> str:
    exports = ", ".join(
        f'{{ service: "{_from_upstream(entry.topic, "*", "*")}" }}' for entry in catalogue.sent_by(UPSTREAM)
    )
    blocks = "".join(f"      {_user_block(user)}\n" for user in users)
    return f"  {_SERVICES} {{\n    jetstream: enabled\n    exports: [{exports}]\n    users: [\n{blocks}    ]\n  }}\n"


def _upstream_account(user: User) -> str:
    assert user.tenant is not None
    imports = ", ".join(
        f'{{ service: {{ account: {_SERVICES}, subject: "{_from_upstream(entry.topic, user.tenant, user.name)}" }}, '
        f'to: "{entry.topic.subject(user.tenant)}" }}'
        for entry in catalogue.sent_by(UPSTREAM)
    )
    return f"  {user.name} {{\n    imports: [{imports}]\n    users: [{_user_block(user)}]\n  }}\n"


def _from_upstream(topic: Topic, tenant: str, upstream: str) -> str:
    """Under which subject the services' account gets what an upstream publishes: its commands come signed."""
    return topic.signed(tenant, upstream) if topic.kind is Kind.COMMAND else f"{topic.type}.{tenant}"


def _user_block(user: User) -> str:
    publish, subscribe = permissions(user)
    rights = f"publish: {{ allow: [{_quoted(publish)}] }}, subscribe: {{ allow: [{_quoted(subscribe)}] }}"
    if user.tenant is None:  # services answer requests, the operator the flow control of an ordered consumer
        rights += ", allow_responses: true"
    return f"{{ nkey: {user.public_key}, permissions: {{ {rights} }} }}"


def permissions(user: User) -> tuple[list[str], list[str]]:
    """The subjects a user may publish to and subscribe to."""
    subscribe = [f"{inbox_prefix(user.name)}.>"]
    if user.name == OPERATOR:
        publish = [entry.topic.every_tenant for entry in catalogue.sent_by(OPERATOR)]
        return [*publish, "$JS.API.>"], subscribe
    if user.tenant is not None:
        return [entry.topic.subject(user.tenant) for entry in catalogue.sent_by(UPSTREAM)], subscribe
    publish = [entry.topic.every_tenant for entry in catalogue.sent_by(user.name)]
    for durable in catalogue.durables_of(user.name):
        stream, name = durable.stream.name, durable.name
        publish += [
            f"$JS.API.CONSUMER.INFO.{stream}.{name}",
            f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}",
            f"$JS.ACK.{stream}.{name}.>",
            f"$JS.ACK.*.*.{stream}.{name}.>",
        ]
    subscribe += [entry.topic.every_tenant for entry in catalogue.watched_by(user.name)]
    answered = [entry.topic.every_tenant for entry in catalogue.read_by(user.name, Kind.REQUEST)]
    return publish, [*subscribe, *(f"{subject} {user.name}" for subject in answered)]


def _quoted(subjects: Sequence[str]) -> str:
    return ", ".join(f'"{subject}"' for subject in subjects)
