"""Whatever fits the description, or nearly so, is taken or refused: no server error, and every refusal is a problem."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Any, Final
from uuid import uuid4

import schemathesis
from hypothesis import HealthCheck, given, settings

from tests.gateway.conftest import Gateway, Tenancy
from tests.gateway.webhooks.test_webhooks import Sender, account, service_of

_SECONDS: Final = 7.0
"""Operations that come later are left out, on a slow machine most of them: they come in an order that changes from day to day."""
_EXAMPLES: Final = 2
_ENDLESS: Final = "/live"
_SIGNED: Final = "/hooks/{tenant}/{account_id}"
_OF_TENANT: Final = ("/api/t/{tenant}", _SIGNED)
"""The others are a superadmin's, whose session no program has: `test_breadth` sends them their examples."""
_NO_FAULT: Final = 503
"""A request that another service did not answer in time, on a machine with other things to do."""


class Attack:
    """Sends what schemathesis makes of a description, for a while.

    Attributes:
        tried: the operations that were reached in that time, with what they answered.
        faults: what went wrong, each with how to repeat it.
    """

    def __init__(self, url: str, tenancy: Tenancy, sender: Sender) -> None:
        self.tried: dict[str, set[int]] = {}
        self.faults: list[str] = []
        self._url, self._tenancy, self._sender = url, tenancy, sender

    def on(self, document: dict[str, Any]) -> None:
        operations = [found.ok() for found in schemathesis.openapi.from_dict(document).get_all_operations()]
        Random(datetime.now(UTC).toordinal()).shuffle(operations)
        operations.sort(key=lambda operation: operation.path != _SIGNED)  # the only one of its kind comes every day
        self._try(operations[0], lambda case: None)  # the first takes long: hypothesis reads every module for constants
        ends = time.monotonic() + _SECONDS
        for operation in operations:
            if time.monotonic() > ends:
                return
            if operation.path.startswith(_OF_TENANT) and not operation.path.endswith(_ENDLESS):
                self._try(operation, self._send)

    def _try(self, operation: Any, attempt: Callable[[Any], None]) -> None:
        limits = settings(
            max_examples=_EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
        )  # fmt: skip
        limits(given(operation.as_strategy())(attempt))()

    def _send(self, case: Any) -> None:
        case.path_parameters["tenant"] = self._tenancy.name
        authorize = self._with_key
        if case.operation.path == _SIGNED:
            case.path_parameters["account_id"] = self._sender.path.rpartition("/")[2]
            authorize = self._signed
        response = case.call(base_url=self._url, auth=authorize, timeout=20)
        self.tried.setdefault(case.operation.label, set()).add(response.status_code)
        media_type = response.headers.get("content-type", [""])[0]
        if response.status_code >= 500 and response.status_code != _NO_FAULT:
            self.faults.append(f"{response.status_code} {case.as_curl_command()}")
        elif response.status_code >= 400 and media_type != "application/problem+json":
            self.faults.append(f"{media_type} {case.as_curl_command()}")

    def _with_key(self, request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {self._tenancy.secret}"
        return request

    def _signed(self, request: Any) -> Any:
        """A webhook that is looked at, whatever is in it."""
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        signature = self._sender.signed(body, uuid4().hex, int(datetime.now(UTC).timestamp()))
        request.headers.update({name: value for name, value in signature.items() if name != "Content-Type"})
        return request


async def test_nothing_that_is_sent_is_a_server_error(gateway: Gateway, acme: Tenancy) -> None:
    document = (await acme.client.get("/openapi.json")).json()
    attack = Attack(gateway.url, acme, await service_of(gateway, acme, await account(gateway, acme)))
    await asyncio.to_thread(attack.on, document)
    assert attack.faults == []
    assert len(attack.tried) >= 5
    assert 401 not in attack.tried[f"POST {_SIGNED}"], "what is signed is looked at"
