"""The catalogue is whole: who owns, sends and reads each message, and what an event may never hold."""

import re
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

import pytest
from pydantic import BaseModel

from contracts.catalogue import (
    CATALOGUE,
    COMMANDS,
    EVENTS,
    OPERATOR,
    SERVICES,
    UPSTREAM,
    Entry,
    by_type,
    durables_of,
    read_by,
    sent_by,
)
from contracts.documents.contract import contracts_of
from contracts.documents.schema import nested_in
from contracts.message import Command, Event, Kind, Message, Reply, Request, Topic, read_signed

KINDS = {Kind.EVENT: Event, Kind.COMMAND: Command, Kind.REQUEST: Request}
PII = {
    "phone", "email", "mail", "full_name", "first_name", "last_name", "name", "linkedin_url", "address", "street",
    "birthday", "ssn", "ip", "notes", "note", "comment", "text", "subject", "html", "free_text",
}  # fmt: skip
ENTRIES = {entry.topic.type: entry for entry in CATALOGUE}


def messages_declared() -> Iterator[type[Message]]:
    for module in (*SERVICES, "operations"):
        top = import_module(f"contracts.{module}")
        below = [import_module(f"{top.__name__}.{found.name}") for found in iter_modules(getattr(top, "__path__", []))]
        for each in (value for owned in (top, *below) for value in vars(owned).values()):
            if isinstance(each, type) and issubclass(each, Message) and "topic" in vars(each):
                yield each


def test_every_message_declared_is_in_the_catalogue() -> None:
    assert set(messages_declared()) == {entry.message for entry in CATALOGUE}


def test_no_two_messages_have_one_type_or_one_class_name() -> None:
    assert [type_ for type_, times in Counter(entry.topic.type for entry in CATALOGUE).items() if times > 1] == []
    names = Counter(message.__name__ for message in {entry.message for entry in CATALOGUE})
    assert [name for name, times in names.items() if times > 1] == []
    assert by_type() == ENTRIES


def those(*kinds: Kind) -> dict[str, Entry]:
    """The messages of some kinds, by type. A test goes through all of them: a test for each would take longer to begin than to run."""
    return {type_: entry for type_, entry in ENTRIES.items() if entry.topic.kind in kinds}


def test_its_subject_follows_the_pattern() -> None:
    pattern = re.compile(r"[a-z]+\.(event|command|request)\.[a-z]+(_[a-z]+)*\.v[1-9]\d*\.acme")
    for type_, entry in ENTRIES.items():
        assert pattern.fullmatch(entry.topic.subject("acme")), type_
        assert entry.topic.owner in SERVICES, type_


def test_its_class_is_of_its_kind() -> None:
    assert [type_ for type_, entry in ENTRIES.items() if not issubclass(entry.message, KINDS[entry.topic.kind])] == []


def test_its_parties_are_known() -> None:
    for type_, entry in ENTRIES.items():
        assert {*entry.readers, *entry.watchers} <= set(SERVICES), type_
        assert set(entry.senders) <= {*SERVICES, OPERATOR, UPSTREAM}, type_


def test_an_event_is_sent_by_its_owner_alone() -> None:
    for type_, entry in those(Kind.EVENT).items():
        assert entry.senders == (entry.topic.owner,), type_
        assert "aggregator" in entry.readers, f"the aggregator stores every event: {type_}"


def test_an_order_is_read_by_its_owner_alone() -> None:
    for type_, entry in those(Kind.COMMAND, Kind.REQUEST).items():
        assert entry.readers == (entry.topic.owner,), type_
        assert entry.watchers == (), type_
        assert OPERATOR in entry.senders, type_


def test_a_request_declares_its_reply() -> None:
    for type_, entry in those(Kind.REQUEST).items():
        assert issubclass(entry.message, Request), type_
        assert issubclass(entry.message.reply_type(), Reply), type_


def test_a_request_without_a_reply_is_named() -> None:
    class Forgotten(Request):  # type: ignore[type-arg]
        pass

    with pytest.raises(TypeError, match=r"Forgotten must be declared as Request\[SomeReply\]"):
        Forgotten.reply_type()


def test_every_class_of_a_message_says_what_it_is() -> None:
    classes = {nested for contract in contracts_of().values() for nested in nested_in(contract.model)}
    assert [each.__name__ for each in classes if not each.__doc__] == [], "give the class a docstring"


def test_an_event_has_no_field_that_would_hold_pii() -> None:
    for type_, entry in those(Kind.EVENT).items():
        for nested in nested_in(entry.message):
            if issubclass(nested, BaseModel):
                assert nested.model_fields.keys() & PII == set(), f"{nested.__name__} in {type_}"


@pytest.mark.parametrize("service", SERVICES)
def test_a_durable_is_filtered_to_what_its_service_reads(service: str) -> None:
    durables = {durable.stream: durable for durable in durables_of(service)}
    for stream in (EVENTS, COMMANDS):
        entries = read_by(service, stream.kind)
        read = {entry.topic.every_tenant for entry in entries}
        signed = {entry.topic.signed("*", "*") for entry in entries if UPSTREAM in entry.senders}
        there = {entry.topic.every_tenant for entry in CATALOGUE if entry.topic.kind is stream.kind}
        assert (stream in durables) == bool(read)
        if read:
            assert set(durables[stream].filters) == (set() if read == there else read | signed)


def test_a_signed_subject_tells_the_published_one_and_who_signed() -> None:
    topic = Topic("intake", Kind.COMMAND, "submit_lead")
    assert read_signed(topic.subject("acme")) == (topic.subject("acme"), None)
    assert read_signed(topic.signed("acme", "upstream-1")) == (topic.subject("acme"), "upstream-1")


def test_a_command_has_one_consumer_as_a_work_queue_demands() -> None:
    filters = Counter(
        name
        for service in SERVICES
        for durable in durables_of(service)
        if durable.stream.work_queue
        for name in durable.filters
    )
    assert set(filters.values()) == {1}


def test_an_upstream_sends_orders_only() -> None:
    assert {entry.topic.kind for entry in sent_by(UPSTREAM)} == {Kind.COMMAND, Kind.REQUEST}
    assert "intake.command.submit_lead.v1" in {entry.topic.type for entry in sent_by(UPSTREAM)}
