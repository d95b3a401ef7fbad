"""The API's operations and the services' messages as the pages of the reference show them, from their own descriptions. Pure."""

import inspect
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from http import HTTPStatus
from typing import Any, Final

from contracts.catalogue import SERVICES
from contracts.compatibility import Schema
from contracts.documents.contract import Contract, contracts_of
from contracts.documents.examples import example_of
from contracts.documents.reference import need_of, type_of
from contracts.documents.schema import attribute_docstrings, nested_in
from contracts.message import EACH_SERVICE, Kind

_NAMED: Final = "\x1f"
"""Stands around the name of a type, which no text of ours holds."""
_JSON: Final = ("application/json", "application/problem+json")


@dataclass(frozen=True, slots=True)
class Field:
    """A field or a parameter.

    Attributes:
        parts: its type, as words; every second one names another type.
        need: whether it must be there, and what it is where it is not.
    """

    name: str
    parts: Sequence[str]
    need: str
    means: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Type:
    """What a body is made of.

    Attributes:
        words: of a type that is one of a few words, each with what it means.
    """

    name: str
    means: str
    fields: Sequence[Field] = ()
    words: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """An operation in a list."""

    name: str
    method: str
    path: str
    summary: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation may answer.

    Attributes:
        body: the name of its type, if it has one of ours.
        example: as it travels.
    """

    status: str
    means: str
    media_type: str
    body: str
    example: str


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of the API."""

    name: str
    group: str
    method: str
    path: str
    means: str
    scopes: Sequence[str]
    parameters: Sequence[Field]
    media_type: str
    body: str
    example: str
    answers: Sequence[Answer]
    types: Sequence[Type]


@dataclass(frozen=True, slots=True)
class MessageLine:
    """A message in a list."""

    name: str
    called: str
    kind: str
    summary: str
    senders: Sequence[str]
    readers: Sequence[str]


@dataclass(frozen=True, slots=True)
class Message:
    """A message between services.

    Attributes:
        subject: where it is published, but for the tenant behind it.
        types: the message first, then the reply if it is a request, then what they are made of.
    """

    line: MessageLine
    owner: str
    subject: str
    reply: str
    watchers: Sequence[str]
    types: Sequence[Type]
    examples: Sequence[tuple[str, str]]


def operations(document: Mapping[str, Any]) -> dict[str, list[Line]]:
    """Every operation by its group, both in the document's order."""
    groups: dict[str, list[Line]] = {}
    for path, method, found in _each(document):
        line = Line(found["operationId"], method.upper(), path, _first_sentence(found.get("description", "")))
        groups.setdefault(found.get("tags", ["other"])[0], []).append(line)
    return groups


def operation(document: Mapping[str, Any], name: str) -> Operation | None:
    """An operation; none where there is none of that name."""
    for path, method, found in _each(document):
        if found["operationId"] == name:
            return _operation(document, path, method, found)
    return None


def _operation(document: Mapping[str, Any], path: str, method: str, found: Mapping[str, Any]) -> Operation:
    schemas = document["components"]["schemas"]
    ((media_type, content),) = found.get("requestBody", {}).get("content", {"": {}}).items()
    answers = [_answer(schemas, status, each) for status, each in sorted(found["responses"].items())]
    body = _name_of(content.get("schema", {}))
    parameters = [
        Field(
            each["name"], _parts(each["schema"], each.get("required", False)), _need(each),
            each.get("description", ""), each["in"],
        )
        for each in found.get("parameters", ()) if each["name"] != "tenant"
    ]  # fmt: skip
    named = [
        *([body] if body else []),
        *(answer.body for answer in answers if answer.body),
        *(name for each in parameters for name in each.parts[1::2]),
    ]
    return Operation(
        name=name_of(found),
        group=found.get("tags", ["other"])[0],
        method=method.upper(),
        path=path,
        means=found.get("description", ""),
        scopes=[scope for needed in found.get("security", ()) for scopes in needed.values() for scope in scopes],
        parameters=parameters,
        media_type=media_type,
        body=body,
        example=content["example"] if "example" in content else _example(schemas, content.get("schema", {})),
        answers=answers,
        types=_types(schemas, named),
    )


def name_of(found: Mapping[str, Any]) -> str:
    name: str = found["operationId"]
    return name


def _answer(schemas: Mapping[str, Schema], status: str, found: Mapping[str, Any]) -> Answer:
    content = found.get("content", {})
    media_type = next((each for each in _JSON if each in content), next(iter(content), ""))
    schema = content.get(media_type, {}).get("schema", {})
    means = HTTPStatus(int(status)).phrase if status.isdecimal() else "What was wrong"
    example = _example(schemas, schema) if status.isdecimal() else ""
    return Answer("" if status == "default" else status, means, media_type, _name_of(schema), example)


def _example(schemas: Mapping[str, Schema], schema: Schema) -> str:
    """What a body looks like; nothing where it is not one of ours."""
    name = _name_of(schema)
    examples = schemas.get(name, {}).get("examples", ())
    return json.dumps(examples[0], indent=2, ensure_ascii=False) if examples else ""


def _name_of(schema: Schema) -> str:
    name: str = schema.get("$ref", "").rpartition("/")[2]
    return name


def _need(parameter: Mapping[str, Any]) -> str:
    return need_of(parameter["schema"], parameter.get("required", False))


def _types(schemas: Mapping[str, Schema], named: Iterable[str]) -> list[Type]:
    """The types that are named, and all that they are made of, each once and in the order in which they are met."""
    found: dict[str, Type] = {}
    waiting = list(dict.fromkeys(named))
    while waiting:
        name = waiting.pop(0)
        if name in found or name not in schemas:
            continue
        found[name] = _type(name, schemas[name])
        waiting += [part for field in found[name].fields for part in field.parts[1::2]]
    return list(found.values())


def _type(name: str, schema: Schema) -> Type:
    required = schema.get("required", ())
    fields = [
        Field(field, _parts(part, field in required), need_of(part, field in required), part.get("description", ""))
        for field, part in schema.get("properties", {}).items()
    ] + [
        Field(value, _parts({"$ref": target}, True), "one of these", f"Where `{schema['discriminator']['propertyName']}` says so.")
        for value, target in schema.get("discriminator", {}).get("mapping", {}).items()
    ]  # fmt: skip
    meanings = _meanings().get(name, {})
    words = [(str(word), meanings.get(str(word), "")) for word in schema.get("enum", ())]
    return Type(name, inspect.cleandoc(schema.get("description", "")), fields, words)


def _parts(schema: Schema, required: bool) -> list[str]:
    return type_of(schema, required, lambda name: f"{_NAMED}{name}{_NAMED}").split(_NAMED)


def _each(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, found in methods.items():
            yield path, method, found


def _first_sentence(text: str) -> str:
    return text.partition("\n\n")[0].replace("\n", " ")


OWNERS: Final = (*SERVICES, EACH_SERVICE)


@cache
def messages() -> Mapping[str, Contract]:
    """Every message by its name."""
    return {name: contract for name, contract in contracts_of().items() if contract.topic and not contract.is_reply}


def messages_of(owner: str) -> list[MessageLine]:
    """The messages of an owner, in the catalogue's order."""
    return [_line(contract) for contract in messages().values() if contract.topic and contract.topic.owner == owner]


def message(name: str) -> Message | None:
    """A message; none where there is none of that name."""
    contract = messages().get(name)
    if contract is None or contract.topic is None:
        return None
    bodies = [contract]
    if contract.topic.kind is Kind.REQUEST:
        bodies.append(contracts_of()[f"{name}.reply"])
    types: dict[str, Type] = {}
    for body in bodies:
        types[body.model.__name__] = _type(body.model.__name__, body.schema)
    for body in bodies:
        definitions = body.schema.get("$defs", {})
        named = [part for field in types[body.model.__name__].fields for part in field.parts[1::2]]
        types = {**{found.name: found for found in _types(definitions, named)}, **types}
    first = [body.model.__name__ for body in bodies]
    return Message(
        line=_line(contract),
        owner=contract.topic.owner,
        subject=contract.topic.owned_by("<service>").type,
        reply=first[1] if len(first) > 1 else "",
        watchers=contract.watchers,
        types=[*(types[name] for name in first), *(found for name, found in types.items() if name not in first)],
        examples=[(body.model.__name__, _travelling(body)) for body in bodies if body.schema.get("properties")],
    )


def _travelling(body: Contract) -> str:
    return json.dumps(example_of(body.schema), indent=2, ensure_ascii=False)


def _line(contract: Contract) -> MessageLine:
    assert contract.topic
    return MessageLine(
        contract.name, contract.model.__name__, contract.topic.kind.value, contract.summary, contract.senders,
        contract.readers,
    )  # fmt: skip


@cache
def _meanings() -> Mapping[str, Mapping[str, str]]:
    """Of each type that is one of a few words, what its words mean."""
    found: dict[str, dict[str, str]] = {}
    for contract in contracts_of().values():
        for model in nested_in(contract.model):
            if issubclass(model, StrEnum) and model.__name__ not in found:
                meanings = attribute_docstrings(model)
                found[model.__name__] = {word.value: meanings.get(word.name, "") for word in model}
    return found
