"""What was published stays readable: today's classes against the frozen schemas and the frozen examples."""

import json
from collections.abc import Iterator
from copy import deepcopy

import pytest

from contracts.compatibility import Schema
from contracts.documents.contract import Contract, contracts_of
from contracts.documents.frozen import read_frozen, violations

CONTRACTS = contracts_of()
FROZEN = read_frozen()
contracts = pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)


def test_todays_messages_keep_every_promise_that_was_published() -> None:
    found = violations(FROZEN, CONTRACTS)
    assert not found, "\n\n" + "\n\n".join(found)


@pytest.mark.parametrize("name", sorted(FROZEN.keys() & CONTRACTS.keys()))
def test_a_message_published_before_is_still_read(name: str) -> None:
    for example in FROZEN[name]["examples"]:
        CONTRACTS[name].model.model_validate_json(json.dumps(example))


@contracts
def test_no_field_of_any_message_could_go_unnoticed(contract: Contract) -> None:
    for field in contract.schema.get("properties", {}):
        published = deepcopy(contract.schema) | {"x-senders": contract.senders, "x-readers": contract.readers}
        published["properties"][f"{field}_before"] = published["properties"].pop(field)
        report = "\n".join(violations({contract.name: published}, {contract.name: contract}))
        assert f"{contract.name}: the field {field}_before was removed" in report
        assert all(party in report for party in (*contract.senders, *contract.readers))


@contracts
def test_no_message_could_go_unnoticed(contract: Contract) -> None:
    published = contract.schema | {"x-senders": contract.senders, "x-readers": contract.readers}
    (report,) = violations({contract.name: published}, {})
    assert report.startswith(f"{contract.name} was published and is gone")
    assert all(party in report for party in (*contract.senders, *contract.readers))


def objects_in(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Every object with fields of its own that a schema is made of."""
    for name, definition in ("the body", schema), *schema.get("$defs", {}).items():
        if "properties" in definition:
            yield name, definition


@contracts
def test_unknown_fields_are_ignored_by_readers_and_refused_in_orders_at_every_depth(contract: Contract) -> None:
    every = dict(objects_in(contract.schema))
    refusing = {name for name, part in every.items() if part.get("additionalProperties") is False}
    assert refusing == (set() if contract.written_by_owner else every.keys())
