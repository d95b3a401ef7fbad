"""What was published stays readable: today's classes against the frozen schemas and the frozen examples."""

import json
from collections.abc import Iterator

from pydantic import ValidationError

from contracts.compatibility import Schema
from contracts.documents.contract import Contract, contracts_of
from contracts.documents.frozen import read_frozen, violations

CONTRACTS = contracts_of()
FROZEN = read_frozen()


def test_todays_messages_keep_every_promise_that_was_published() -> None:
    found = violations(FROZEN, CONTRACTS)
    assert not found, "\n\n" + "\n\n".join(found)


def test_a_message_published_before_is_still_read() -> None:
    unread = {}
    for name in FROZEN.keys() & CONTRACTS.keys():
        try:
            for example in FROZEN[name]["examples"]:
                CONTRACTS[name].model.model_validate_json(json.dumps(example))
        except ValidationError as error:
            unread[name] = str(error)
    assert unread == {}


def test_no_field_of_any_message_could_go_unnoticed() -> None:
    for name, contract in CONTRACTS.items():
        for field in contract.schema.get("properties", {}):
            properties = {
                f"{each}_before" if each == field else each: meaning
                for each, meaning in contract.schema["properties"].items()
            }
            published = as_published(contract) | {"properties": properties}
            report = "\n".join(violations({name: published}, {name: contract}))
            assert f"{name}: the field {field}_before was removed" in report
            assert all(party in report for party in (*contract.senders, *contract.readers)), name


def test_no_message_could_go_unnoticed() -> None:
    for name, contract in CONTRACTS.items():
        (report,) = violations({name: as_published(contract)}, {})
        assert report.startswith(f"{name} was published and is gone")
        assert all(party in report for party in (*contract.senders, *contract.readers)), name


def as_published(contract: Contract) -> Schema:
    return contract.schema | {"x-senders": contract.senders, "x-readers": contract.readers}


def objects_in(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Every object with fields of its own that a schema is made of."""
    for name, definition in ("the body", schema), *schema.get("$defs", {}).items():
        if "properties" in definition:
            yield name, definition


def test_unknown_fields_are_ignored_by_readers_and_refused_in_orders_at_every_depth() -> None:
    for contract in CONTRACTS.values():
        every = dict(objects_in(contract.schema))
        refusing = {name for name, part in every.items() if part.get("additionalProperties") is False}
        assert refusing == (set() if contract.written_by_owner else every.keys()), contract.name
