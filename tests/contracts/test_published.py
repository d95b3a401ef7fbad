"""What was published stays readable: today's classes against the frozen schemas and the frozen examples."""

import json
from collections.abc import Iterator

import pytest

from contracts.compatibility import Schema
from contracts.documents.contract import Contract, contracts_of
from contracts.documents.frozen import read_frozen, violations

CONTRACTS = contracts_of()
FROZEN = read_frozen()


def test_todays_messages_keep_every_promise_that_was_published() -> None:
    found = violations(FROZEN, CONTRACTS)
    assert not found, "\n\n" + "\n\n".join(found)


@pytest.mark.parametrize(("name", "frozen"), FROZEN.items(), ids=FROZEN)
def test_a_message_published_before_is_still_read(name: str, frozen: Schema) -> None:
    for example in frozen["examples"]:
        CONTRACTS[name].model.model_validate_json(json.dumps(example))


def objects_in(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Every object with fields of its own that a schema is made of."""
    for name, definition in ("the body", schema), *schema.get("$defs", {}).items():
        if "properties" in definition:
            yield name, definition


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_unknown_fields_are_ignored_by_readers_and_refused_in_orders_at_every_depth(contract: Contract) -> None:
    refusing = [name for name, part in objects_in(contract.schema) if part.get("additionalProperties") is False]
    every = [name for name, _ in objects_in(contract.schema)]
    assert refusing == ([] if contract.written_by_owner else every)
