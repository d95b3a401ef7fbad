"""What is taken of a request's body, and what every answer has."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from fastapi import APIRouter, FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st

from contracts.gateway.access import Scope
from gateway.bodies import MOST_BYTES, MOST_NESTED, OF_ANYBODY, OF_PAGES, OF_UPLOADS, nesting, taken_by
from gateway.gate import needs
from gateway.limits import Kind, limited
from tests.gateway.api.test_breadth import example_of, operations
from tests.gateway.conftest import Gateway, Tenancy, filled, routes
from tests.gateway.test_api import LEAD, assert_problem

JSON = {"Content-Type": "application/json"}


async def in_chunks(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 65_536):
        yield content[start : start + 65_536]


def padded(size: int) -> bytes:
    """A body of so many bytes."""
    start, end = json.dumps(LEAD)[:-1].encode() + b', "campaign": "', b'"}'
    return start + b"x" * (size - len(start) - len(end)) + end


async def test_a_body_of_one_byte_beyond_the_limit_is_refused_whether_or_not_it_tells_its_length(
    anyone: Tenancy,
) -> None:
    path = anyone.path("/leads")
    for content in (padded(MOST_BYTES + 1), in_chunks(padded(MOST_BYTES + 1))):
        refused = await anyone.client.post(path, content=content, headers=JSON)
        assert "1,048,576 bytes" in assert_problem(refused, 413)["detail"]
    assert_problem(await anyone.client.post(path, content=padded(MOST_BYTES), headers=JSON), 400, "?")


async def test_whoever_shows_nothing_sends_little_and_a_page_takes_less_than_a_program_sends(
    gateway: Gateway, acme: Tenancy
) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    async with gateway.client() as browser:
        assert (await browser.post("/sign-in", content=b"x" * (OF_ANYBODY + 1), headers=form)).status_code == 413
        await gateway.sign_in(browser, acme.name)
        path = f"/t/{acme.name}/settings/keys"
        big = b"label=" + b"x" * OF_PAGES
        assert (await browser.post(path, content=big, headers=form)).status_code == 413
        file = {"file": ("suppressions.csv", b"\xff" * OF_PAGES, "text/csv")}
        there = await browser.post(f"/t/{acme.name}/suppressions/import", files=file, data={"dry_run": "true"})
        assert there.status_code != 413, "a form with a file takes what a program may send"


@pytest.mark.parametrize(
    "given",
    [
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "text/json+x"},
        {"Content-Type": ""},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_a_body_in_another_format_is_refused_with_what_is_taken(anyone: Tenancy, given: dict[str, str]) -> None:
    refused = await anyone.client.post(anyone.path("/leads"), content=json.dumps(LEAD), headers=given)
    assert assert_problem(refused, 415)["type"] == "urn:leadloop:problem:unsupported_media_type"
    if "Content-Encoding" not in given:
        assert refused.headers["accept"] == "application/json"


async def test_what_is_json_by_another_name_is_taken_and_a_file_is_a_file(acme: Tenancy) -> None:
    for name in ("application/json; charset=utf-8", "application/vnd.crm+json"):
        taken = await acme.client.post(acme.path("/leads"), content=json.dumps(LEAD), headers={"Content-Type": name})
        assert taken.status_code in (200, 201)
    path = acme.path("/suppressions/import")
    assert_problem(await acme.client.post(path, json={}), 415)
    rows = await acme.client.post(path, content=b"email\n", headers={"Content-Type": "text/csv; charset=utf-8"})
    assert rows.status_code == 200


async def test_json_that_goes_too_deep_is_refused_before_anybody_reads_it(acme: Tenancy) -> None:
    def deep(levels: int) -> bytes:
        return b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)

    lead = json.dumps(LEAD)[:-1].encode()
    for levels, status in ((MOST_NESTED - 1, (201, 400)), (MOST_NESTED, (400,)), (900, (400,)), (100_000, (400,))):
        body = lead + b', "metadata": {"x": ' + deep(levels - 1) + b"}}"
        answer = await acme.client.post(acme.path("/leads"), content=body, headers=JSON)
        assert answer.status_code in status, answer.text
        assert ("levels deep" in answer.text) is (MOST_NESTED <= levels <= 900)


@given(
    st.recursive(
        st.none() | st.text('[]{}"\\x', max_size=9) | st.integers(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('[{"\\', max_size=3), inner, max_size=3),
        max_leaves=200,
    ),
    st.integers(0, 3 * MOST_NESTED),
)
def test_how_deep_a_text_goes_is_told_rightly_wherever_it_matters(value: Any, around: int) -> None:
    for _ in range(around):
        value = [value]

    def depth(value: Any) -> int:
        if not isinstance(value, dict | list):
            return 0
        return 1 + max(map(depth, value.values() if isinstance(value, dict) else value), default=0)

    text = json.dumps(value).encode()
    assert (nesting(text) > MOST_NESTED) is (depth(value) > MOST_NESTED)


def test_how_deep_a_text_goes_is_found_in_one_pass_over_it_whatever_it_holds() -> None:
    began = time.process_time()
    for unclosed in (b'"' + b'\\"' * 500_000, b'"' * 1_000_001, b'"' + b"\\" * 1_000_000, b'"\\' * 500_000):
        assert nesting(b"[" * (MOST_NESTED + 1) + unclosed) > MOST_NESTED
    assert time.process_time() - began < 5


async def test_an_upload_is_read_as_it_comes_and_takes_more_than_memory_should_hold() -> None:
    app, router = FastAPI(openapi_url=None, docs_url=None, redoc_url=None), APIRouter()
    csv = {"requestBody": {"content": {"text/csv": {}}}}

    @router.put("/file", dependencies=[limited(Kind.UPLOADING)], openapi_extra=csv)
    async def take(request: Request) -> None: ...

    write = needs(Scope.IMPORTS_READ, Scope.IMPORTS_WRITE)
    app.include_router(router, prefix="/api/t/{tenant}", dependencies=[write, limited(Kind.READING, Kind.WRITING)])
    taken = taken_by(app.routes)[take]
    assert (taken.most, taken.formats, taken.streamed) == (OF_UPLOADS, ("text/csv",), True)
    assert OF_UPLOADS > 100 * MOST_BYTES


async def test_every_operation_refuses_another_format_and_long_strings(gateway: Gateway, acme: Tenancy) -> None:
    """Generated: of every operation that takes a body, with the strings of its example."""
    document = (await acme.client.get("/openapi.json")).json()
    tried = 0
    for method, path, operation in operations(document):
        if "requestBody" not in operation or not path.startswith("/api/t/"):
            continue
        headers, body = example_of(document, operation)
        headers.pop("Idempotency-Key", None)
        address = filled(path, acme.name)
        other = await acme.client.request(method, address, headers=headers | {"Content-Type": "text/xml"}, content=body)
        assert other.status_code == 415, (method, path, other.text)
        if headers["Content-Type"] != "application/json":
            continue
        example = json.loads(body)
        strings = [name for name, value in example.items() if isinstance(value, str)]
        long = example | dict.fromkeys(strings, "x" * (900_000 // max(1, len(strings))))
        answer = await acme.client.request(method, address, headers=headers, content=json.dumps(long))
        assert answer.status_code < 500, (method, path, answer.text[:300])
        assert not strings or answer.status_code in (400, 403, 404, 409), (method, path, answer.status_code)
        tried += bool(strings)
    assert tried > 15


async def test_every_answer_has_the_id_of_its_request(gateway: Gateway, acme: Tenancy, anyone: Tenancy) -> None:
    """Generated: of every route, let in or not; of what there is not, too."""
    addresses = [
        (method, filled(path, acme.name)) for method, path in routes(gateway.app) if not path.endswith("/live")
    ]
    addresses += [("GET", "/nothing"), ("BREW", "/healthz"), ("POST", acme.path("/leads/x/y/z")), ("GET", "/t/acme/..")]
    seen = set()
    async with gateway.client() as nobody:
        for method, path in addresses:
            answer = await nobody.request(method, path)
            seen.add(UUID(answer.headers["x-request-id"]))
    assert len(seen) == len(addresses) > 100
