"""Whatever fits the description, or nearly so, is taken or refused as it says: on every operation there is, present and future.

The requests are made of the description alone, one after the other and without chance: the same every day, until the description changes.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any, Final
from uuid import uuid4

import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from contracts.message import PLATFORM
from gateway import live
from tests.gateway.conftest import Gateway, Tenancy
from tests.gateway.webhooks.test_webhooks import Sender, account, service_of

_CHECKS: Final = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance, negative_data_rejection,
]  # fmt: skip
_SENT: Final = {GenerationMode.POSITIVE: 1, GenerationMode.NEGATIVE: 2}
"""How many requests of an operation are sent that fit its description, and that do not. There are some 190 operations, and it is to take no more than 25 s."""
_STEP: Final = 3
"""Every so many that are made is sent: those that follow one another are about the same field."""
_SIGNED: Final = "/hooks/{tenant}/{account_id}"
_ONCE: Final = "Idempotency-Key"
_AWAY: Final = 503
_TRIES: Final = 3
"""Another service may be slow to answer, on a machine with other things to do."""


def narrowed(document: dict[str, Any], tenancy: Tenancy, sender: Sender) -> dict[str, Any]:
    """The description of one tenant's operations and one account's webhooks: to others nothing is told, whatever is sent."""
    known = {"tenant", "account_id"}
    paths = {}
    for path, methods in document["paths"].items():
        here = sender.path if path == _SIGNED else path.replace("{tenant}", tenancy.name)
        paths[here] = {
            method: operation
            | {
                "parameters": [
                    parameter
                    for parameter in operation.get("parameters", [])
                    if parameter["in"] != "path" or parameter["name"] not in known or f"{{{parameter['name']}}}" in here
                ]
            }
            for method, operation in methods.items()
        }
    return document | {"paths": paths}


def _cases(schema: Any, operation: Any, mode: GenerationMode, most: int) -> Iterator[Any]:
    config = schema.config.generation_for(operation=operation)
    made = schema.iter_coverage_cases(operation, generation_modes=[mode], generation_config=config)
    cases = list(islice((case for case in made if case.meta.generation.mode is mode), 1 + (most - 1) * _STEP))
    return iter(cases[::_STEP] if len(cases) > most else cases)


def _wrong(case: Any) -> str | None:
    """The parameter that a request is about."""
    return getattr(case.meta.phase.data, "parameter", None)


def _moments(operation: Any) -> set[str]:
    """The parameters that are moments: a number is one too, in seconds since 1970, which no description can say."""
    return {parameter.name for parameter in operation.query if "date-time" in json.dumps(parameter.definition)}


class Attack:
    """Sends what schemathesis makes of a description.

    Attributes:
        answered: what each operation answered to what fits it, and to what does not.
        faults: what went wrong, each with how to repeat it.
    """

    def __init__(self, url: str, tenancy: Tenancy, sender: Sender, superadmin: str) -> None:
        self.answered: dict[str, dict[GenerationMode, Counter[int]]] = {}
        self.faults: list[str] = []
        self._url, self._tenancy, self._sender, self._superadmin = url, tenancy, sender, superadmin

    def on(self, document: dict[str, Any]) -> None:
        schema = schemathesis.openapi.from_dict(narrowed(document, self._tenancy, self._sender))
        for found in schema.get_all_operations():
            operation = found.ok()
            answered = self.answered[operation.label] = {}
            for mode, most in _SENT.items():
                answered[mode] = Counter(self._send(case) for case in _cases(schema, operation, mode, most))

    def _send(self, case: Any) -> int:
        authorize = self._with_key
        if case.operation.path == self._sender.path:
            authorize = self._signed
        elif case.operation.path.startswith("/superadmin/"):
            authorize = self._with_session
        if _ONCE in case.headers and _wrong(case) != _ONCE:
            case.headers[_ONCE] = uuid4().hex
        for _ in range(_TRIES):
            response = case.call(base_url=self._url, auth=authorize, timeout=60)
            if response.status_code != _AWAY:
                break
        lenient = [negative_data_rejection] if _wrong(case) in _moments(case.operation) else []
        try:
            case.validate_response(response, checks=_CHECKS, excluded_checks=lenient)
        except FailureGroup as found:
            self.faults += [f"{fault.title}: {fault.message}\n{case.as_curl_command()}" for fault in found.exceptions]
        return int(response.status_code)

    def _with_key(self, request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {self._tenancy.secret}"
        return request

    def _with_session(self, request: Any) -> Any:
        request.headers["Cookie"] = self._superadmin
        request.headers.pop("Authorization", None)  # as the description has it, and which would count
        return request

    def _signed(self, request: Any) -> Any:
        """A webhook that is looked at, whatever is in it."""
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        signature = self._sender.signed(body, uuid4().hex, int(datetime.now(UTC).timestamp()))
        request.headers.update({name: value for name, value in signature.items() if name != "Content-Type"})
        return request


async def test_every_operation_answers_as_its_description_says(
    gateway: Gateway, acme: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_LASTS_SECONDS", 0)  # a stream ends with the first thing that it tells
    async with gateway.client() as browser:
        await gateway.sign_in(browser, PLATFORM)
        superadmin = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    document = (await acme.client.get("/openapi.json")).json()
    sender = await service_of(gateway, acme, await account(gateway, acme))
    attack = Attack(gateway.url, acme, sender, superadmin)
    await asyncio.to_thread(attack.on, document)
    assert attack.faults == []
    assert len(attack.answered) == sum(len(methods) for methods in document["paths"].values()) > 150
    unsent = [label for label, answered in attack.answered.items() if not all(answered.values())]
    assert unsent == [], "each is sent what fits it, and what does not"
    met: dict[int, set[str]] = {}
    for label, answered in attack.answered.items():
        for status in chain.from_iterable(answered.values()):
            met.setdefault(status, set()).add(label)
    assert met.get(401, set()) == set(), "who is let in is looked at"
    assert {200, 201, 400, 404} <= met.keys()
