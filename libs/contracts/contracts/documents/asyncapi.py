"""The AsyncAPI 3.0 document: every channel, who sends and receives on it, and the shape of what travels there."""

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any, Final

from contracts.catalogue import SERVICES
from contracts.compatibility import Schema
from contracts.documents.contract import OWNER_OF_EACH, Contract, type_of
from contracts.documents.glossary import HEADERS
from contracts.message import EACH_SERVICE, TENANT_PATTERN, Kind, Topic

Object = dict[str, Any]

_ABOUT: Final = """\
Every message of LeadLoop's services, on NATS. Generated from the catalogue by `python -m contracts.documents`.

Events and commands are JetStream messages, requests are core NATS requests answered on the caller's inbox, with the \
reply or with a problem. The tenant is the last token of every subject.
"""


def asyncapi_of(contracts: Mapping[str, Contract], frozen: Mapping[str, Schema]) -> Object:
    """The document, with every schema under components and every reference resolved within it.

    Args:
        contracts: every body by name.
        frozen: the frozen schemas, for their examples.
    """
    messages = {name: _message(contract, frozen[name]["examples"]) for name, contract in contracts.items()}
    channels: Object = {}
    operations: Object = {}
    for name, contract in contracts.items():
        if contract.topic is None:
            continue
        if contract.is_reply:
            channels[name] = _reply_channel(contract)
        else:
            channels[name] = _channel(contract, contract.topic)
            operations |= _operations(contract, contract.topic)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "LeadLoop", "version": version("contracts"), "description": _ABOUT},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": _hoisted(contracts.values()),
            "messageTraits": {"envelope": _envelope()},
            "parameters": {
                "tenant": {"description": f"The tenant's slug, {TENANT_PATTERN}; `_` for the installation's own."},
                "service": {"description": "The service that is meant.", "enum": list(SERVICES)},
            },
        },
    }


def _reference(*path: str) -> Object:
    return {"$ref": "#/" + "/".join(path)}


def _message(contract: Contract, examples: list[Any]) -> Object:
    message = {
        "name": contract.name,
        "title": contract.model.__name__,
        "summary": contract.summary,
        "contentType": "application/json",
        "payload": _reference("components", "schemas", contract.model.__name__),
        "examples": [{"payload": example} for example in examples],
    }
    if contract.topic and not contract.is_reply:
        message["traits"] = [_reference("components", "messageTraits", "envelope")]
    return message


def _envelope() -> Object:
    return {
        "headers": {
            "type": "object",
            "properties": {name: {"type": "string", "description": meaning} for name, meaning in HEADERS.items()},
        },
        "correlationId": {"location": "$message.header#/correlationid"},
    }


def _channel(contract: Contract, topic: Topic) -> Object:
    parameters = ["tenant"] if topic.owner != EACH_SERVICE else ["service", "tenant"]
    return {
        "address": topic.owned_by("{service}").type + ".{tenant}",
        "description": contract.summary,
        "parameters": {name: _reference("components", "parameters", name) for name in parameters},
        "messages": {contract.name: _reference("components", "messages", contract.name)},
    }


def _reply_channel(contract: Contract) -> Object:
    return {
        "address": None,
        "description": "The caller's inbox.",
        "messages": {name: _reference("components", "messages", name) for name in (contract.name, "problem.v1")},
    }


def _operations(contract: Contract, topic: Topic) -> Object:
    each = topic.owner == EACH_SERVICE
    senders = [OWNER_OF_EACH] if each and topic.kind is Kind.EVENT else contract.senders
    readers = [OWNER_OF_EACH] if each and topic.kind is not Kind.EVENT else contract.readers
    operations = {}
    for action, parties in (("send", senders), ("receive", (*readers, *contract.watchers))):
        for party in parties:
            operation: Object = {
                "action": action,
                "channel": _reference("channels", type_of(topic)),
                "messages": [_reference("channels", type_of(topic), "messages", contract.name)],
                "tags": [{"name": party}],
            }
            if topic.kind is Kind.REQUEST:
                reply = f"{contract.name}.reply"
                operation["reply"] = {
                    "channel": _reference("channels", reply),
                    "messages": [_reference("channels", reply, "messages", name) for name in (reply, "problem.v1")],
                }
            operations[f"{party}.{action}.{contract.name}"] = operation
    return operations


def _hoisted(contracts: Iterable[Contract]) -> dict[str, Schema]:
    """Every schema and every definition within one, each once, under its class's name."""
    found: dict[str, Schema] = {}
    for contract in contracts:
        schema = {keyword: value for keyword, value in contract.schema.items() if keyword not in ("$defs", "examples")}
        for name, definition in {**contract.schema.get("$defs", {}), contract.model.__name__: schema}.items():
            found[name] = _relinked(definition)
    return dict(sorted(found.items()))


def _relinked(node: Any) -> Any:
    """The schema with its references pointing to the document's components."""
    if isinstance(node, list):
        return [_relinked(part) for part in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        link = _reference("components", "schemas", node["$ref"].removeprefix("#/$defs/"))
        beside = {keyword: value for keyword, value in node.items() if keyword != "$ref"}
        # AsyncAPI ignores what stands beside a reference.
        return {"allOf": [link], **beside} if beside else link
    return {keyword: _relinked(value) for keyword, value in node.items()}
