"""Generated: every request of a service has a route, every route answers what its description says, and none tells another tenant."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

import gateway.api
from contracts.catalogue import CATALOGUE
from contracts.message import Request
from tests.gateway.conftest import Gateway, Tenancy, filled

WITHOUT_A_ROUTE = {
    "create_tenant": "the installation's, by its operator",
    "list_tenants": "the installation's, by its operator",
    "tokenise_source_ids": "between services",
    "get_submissions": "an upstream's, about what it published",
    "count_submissions": "an upstream's, about what it published",
    "get_import_key": "the import's, on its operator's machine",
    "begin_import": "the import's, on its operator's machine",
    "note_import": "the import's, on its operator's machine",
    "void_recordings": "between services",
    "leads_with_outcomes": "between services",
    "identify_persons": "between services: whoever may ask can test whether somebody was erased",
    "keep_text": "between services",
    "rebuild_lead_states": "a repair, by the operator",
    "get_recordings": "an upstream's, about what it published",
    "count_recordings": "an upstream's, about what it published",
    "unsubscribe": "the public link of every message, which proves itself",
    "backfill_sent": "taking over another system, by the operator",
    "backfill_pending": "taking over another system, by the operator",
    "generate_history": "the demo's",
    "list_event_months": "the archive, by the operator",
    "archive_events": "the archive, by the operator",
    "restore_events": "the archive, by the operator",
    "get_tenant": "each service's copy, to see whether it has one",
    "republish": "for a broker that lost its disk, by the operator",
    "rotate_keys": "keys of the installation, by the operator",
}
"""The requests that nobody asks over HTTP, and why."""


WANTED = {
    "/dashboard/events": {"kpi": "todays_sends"},
    "/win-rates/events": {"count": "won", "key": "unknown", "intent": "unknown"},
}
"""What is asked of lists of which one has to say which."""


def asked_by_routes() -> set[str]:
    """The names of all that the modules of the API use of the contracts."""
    named = set()
    for module in Path(gateway.api.__file__).parent.glob("*.py"):
        named |= {node.id for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Name)}
    return named


def test_every_request_of_a_service_has_a_route_or_a_reason_for_none() -> None:
    asked = asked_by_routes()
    requests = {entry.message for entry in CATALOGUE if issubclass(entry.message, Request)}
    absent = {request.topic.name for request in requests if request.__name__ not in asked}
    assert absent - WITHOUT_A_ROUTE.keys() == set(), "give each a route in gateway/api, or say here why it has none"
    unheard = {
        entry.message.__name__
        for entry in CATALOGUE
        if entry.message in requests and entry.message.__name__ in asked and "gateway" not in entry.senders
    }
    assert unheard == set(), "the broker lets the gateway ask only what the catalogue says it sends"
    there = {request.topic.name for request in requests}
    assert not (WITHOUT_A_ROUTE.keys() & there) - absent, "these have a route by now: take them off the list"


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def example_of(document: dict[str, Any], operation: dict[str, Any]) -> tuple[dict[str, str], bytes]:
    """The headers and the body that an operation's description gives as its example."""
    headers = {
        parameter["name"]: parameter["schema"].get("examples", ["once"])[0]
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "header"
    } | ({"Idempotency-Key": operation["operationId"]} if "Idempotency-Key" in json.dumps(operation) else {})
    if "requestBody" not in operation:
        return headers, b""
    ((media_type, content),) = operation["requestBody"]["content"].items()
    headers["Content-Type"] = media_type
    if "example" in content:
        return headers, content["example"].encode()
    schema = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
    return headers, json.dumps(schema["examples"][0]).encode()


async def tried(
    document: dict[str, Any], client: httpx.AsyncClient, tenant: str
) -> dict[tuple[str, str], httpx.Response]:
    """What every operation answers to its example; a stream's first word is enough."""
    answers = {}
    for method, path, operation in operations(document):
        headers, body = example_of(document, operation)
        wanted = WANTED.get(path.rpartition("}")[2], {})
        async with client.stream(
            method, filled(path, tenant), params=wanted, headers=headers, content=body
        ) as response:
            if not response.headers["content-type"].startswith("text/event-stream"):
                await response.aread()
            answers[method, path] = response
    return answers


async def test_every_operation_takes_its_example_or_says_what_is_wrong_with_it(gateway: Gateway, acme: Tenancy) -> None:
    document = (await acme.client.get("/openapi.json")).json()
    answers = await tried(document, acme.client, acme.name)
    taken = set()
    for (method, path), response in answers.items():
        assert response.status_code < 500, (method, path, response.text)
        if response.is_success:
            taken.add((method, path))
            assert str(response.status_code) in document["paths"][path][method.lower()]["responses"], (method, path)
        else:
            problem = response.json()
            assert response.headers["content-type"] == "application/problem+json", (method, path)
            assert {"type", "title", "status", "detail", "instance"} <= problem.keys(), (method, path)
    lists = {key for key in answers if key[0] == "GET" and "{" not in key[1].removeprefix("/api/t/{tenant}")}
    unpublished = {("GET", "/api/t/{tenant}/routing")}
    of_nobody = {("GET", "/api/t/{tenant}/outcomes/bulk/leads")}
    assert lists - taken == unpublished | of_nobody, "what else lists or counts needs nothing more"
    assert len(taken) >= 45, sorted(set(answers) - taken)


async def test_another_tenants_key_gets_nothing_from_any_operation(
    gateway: Gateway, acme: Tenancy, anyone: Tenancy
) -> None:
    document = (await acme.client.get("/openapi.json")).json()
    answers = await tried(document, acme.client, anyone.name)
    assert len(answers) > 120
    assert {response.status_code for response in answers.values()} <= {401, 404}
    ours = {(method, path) for method, path in answers if path.startswith("/superadmin/")}
    assert len(ours) >= 5, "and none of the installation's"
