"""docs/messages.md: every message by owner, for people."""

import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from importlib import import_module
from typing import Final

from pydantic import BaseModel

from contracts.catalogue import SERVICES
from contracts.compatibility import Schema
from contracts.documents.contract import Contract
from contracts.documents.examples import values_of
from contracts.documents.glossary import HEADERS
from contracts.documents.schema import attribute_docstrings, nested_in, schema_of
from contracts.message import EACH_SERVICE, Kind

_TYPES: Final = {"string": "text", "integer": "integer", "number": "number", "boolean": "yes or no", "null": "null"}
_FORMATS: Final = {"uuid": "UUID", "date-time": "time"}

_INTRODUCTION: Final = """\
# Messages

Everything the services say to each other, by owner. Generated from the catalogue and the classes in
`libs/contracts` by `python -m contracts.documents`; the same for machines is [asyncapi.json](asyncapi.json).
Over HTTP the gateway translates most requests to routes below `/api/t/<tenant>`; it describes them at `/openapi.json` (OpenAPI 3.1).

An **event** is a fact, published by its owner only. A **command** is an order to its owner. A **request** is a question
or an order whose caller waits for the reply, or for a [Problem](#problem). Whoever reads an event or a reply ignores
fields it does not know; a command or a request with an unknown field is refused.

The subject is `<owner>.<kind>.<name>.v<major>.<tenant>`. The body is JSON, and says nothing that the subject or the
headers say.

## Headers

CloudEvents 1.0 in binary mode. Each may be left out: plain JSON published to a subject is a complete message, whose id
its reader derives from its subject and body under a secret: the same message has the same id, and nobody else can compute it.

| Header | Meaning |
|---|---|
{headers}

## Changing a message

A new optional field keeps the version. Anything else is a new class and subject, published beside the old until nobody
is left in the catalogue who reads the old. `make test` compares every message with its frozen schema in
`libs/contracts/contracts/schemas` and names the message, the field and its readers; `python -m contracts.documents`
freezes what is new. A message that was never released may change as it likes: delete its schema and freeze it anew.
"""


def reference_of(contracts: Mapping[str, Contract], frozen: Mapping[str, Schema]) -> str:
    """The page.

    Args:
        contracts: every body by name.
        frozen: the frozen schemas, for their examples.
    """
    headers = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in HEADERS.items())
    parts = [_INTRODUCTION.format(headers=headers)]
    for owner in (*SERVICES, EACH_SERVICE):
        messages = [
            contract
            for contract in contracts.values()
            if contract.topic and contract.topic.owner == owner and not contract.is_reply
        ]
        parts += _owner(owner, messages, frozen)
    parts += _values_and_words(contracts.values())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)) + "\n"


def _owner(owner: str, messages: list[Contract], frozen: Mapping[str, Schema]) -> Iterator[str]:
    module = import_module(messages[0].model.__module__)
    yield f"\n## {'Every service' if owner == EACH_SERVICE else owner.capitalize()}\n"
    yield f"{inspect.getdoc(module)}\n"
    yield "| Message | Subject | What it says | From → to |\n|---|---|---|---|"
    for contract in messages:
        link = _link(contract.model.__name__)
        yield f"| {link} | `{contract.name}` | {_markdown(contract.summary)} | {_parties(contract)} |"
    for contract in messages:
        yield from _message(contract, frozen)


def _message(contract: Contract, frozen: Mapping[str, Schema]) -> Iterator[str]:
    assert contract.topic
    yield f"\n### {contract.model.__name__}\n"
    subject = contract.topic.owned_by("<service>").type
    yield f"`{subject}.<tenant>`, {contract.topic.kind}, {_parties(contract)}\n"
    yield from _described(contract.schema)
    if contract.topic.kind is Kind.REQUEST:
        reply = contract.model.reply_type().__name__  # type: ignore[attr-defined]
        yield f"Reply: {_link(reply)}\n"
    for example in frozen[contract.name]["examples"]:
        if example:
            body = json.dumps(example, indent=2, ensure_ascii=False)
            yield f"<details><summary>Example</summary>\n\n```json\n{body}\n```\n\n</details>"


def _values_and_words(contracts: Iterable[Contract]) -> Iterator[str]:
    messages = {contract.model for contract in contracts if contract.topic and not contract.is_reply}
    classes = {nested for contract in contracts for nested in nested_in(contract.model)} - messages
    by_name = sorted(classes, key=lambda nested: nested.__name__)
    yield "\n## Replies and values\n"
    for nested in by_name:
        if issubclass(nested, BaseModel):
            yield f"\n### {nested.__name__}\n"
            yield from _described(schema_of(nested))
    yield "\n## Words\n"
    for nested in by_name:
        if issubclass(nested, StrEnum):
            yield f"\n### {nested.__name__}\n"
            yield _markdown(inspect.cleandoc(nested.__doc__ or "")) + "\n"
            meanings = attribute_docstrings(nested)
            for word in nested:
                meaning = f": {_markdown(meanings[word.name])}" if word.name in meanings else ""
                yield f"- `{word}`{meaning}"


def _described(schema: Schema) -> Iterator[str]:
    yield _markdown(schema["description"]) + "\n"
    if not schema.get("properties"):
        return
    yield "| Field | Type | Required | Meaning |\n|---|---|---|---|"
    for name, field in schema["properties"].items():
        required = name in schema.get("required", ())
        meaning = _markdown(field["description"])
        yield f"| `{name}` | {_markdown(type_of(field, required, _link))} | {need_of(field, required)} | {meaning} |"
    yield ""


def need_of(field: Schema, required: bool) -> str:
    """Whether a field must be there, and what it is where it is not."""
    if required:
        return "yes"
    default = field.get("default")
    return f"no, `{json.dumps(default)}`" if isinstance(default, str | int | float) and default != "" else "no"


def type_of(field: Schema, required: bool, link: Callable[[str], str]) -> str:
    """The type of a field in words; that an optional field may be null goes without saying.

    Parameters:
        link: names another type.
    """
    if "$ref" in field:
        return link(field["$ref"].rpartition("/")[2])
    if "anyOf" in field:
        named = [type_of(part, required, link) for part in field["anyOf"] if required or part != {"type": "null"}]
        *most, last = dict.fromkeys(named)
        return f"{', '.join(most)} or {last}" if most else last
    if field.get("type") == "array":
        return f"list of {type_of(field['items'], True, link)}{_bounds(field, 'Items', '')}"
    if field.get("type") == "object":
        values = values_of(field)
        names = f" from {type_of(field['propertyNames'], True, link)}" if "propertyNames" in field else ""
        return f"map{names} to {type_of(values, True, link)}" if isinstance(values, dict) else "JSON object"
    named_type = _FORMATS.get(field.get("format", "")) or _TYPES.get(field.get("type", ""), "any JSON")
    bounds = _bounds(field, "Length", " characters") + _bounds(field, "imum", "")
    pattern = f" `{field['pattern']}`" if "pattern" in field else ""
    return f"{named_type}{bounds}{pattern}"


def _bounds(field: Schema, measure: str, unit: str) -> str:
    low, high = field.get(f"min{measure}"), field.get(f"max{measure}")
    match low, high:
        case None, None:
            return ""
        case None, _:
            return f" (at most {high:,g}{unit})"
        case _, None:
            return f" (at least {low:,g}{unit})"
    return f" ({low:,g} to {high:,g}{unit})"


def _link(name: str) -> str:
    return f"[{name}](#{name.lower()})"


def _parties(contract: Contract) -> str:
    watched = f"; live: {_listed(contract.watchers)}" if contract.watchers else ""
    return f"{_listed(contract.senders)} → {_listed(contract.readers)}{watched}"


def _listed(parties: Iterable[str]) -> str:
    parties = tuple(parties)
    return "every service" if set(SERVICES) == set(parties) else ", ".join(parties)


def _markdown(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|")
