"""An import over HTTP: upload, mapping, dry run, progress, errors, revert."""

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx

from contracts.intake.imports import CHUNK_BYTES
from tests.gateway.api.test_journeys import get, send
from tests.gateway.conftest import Gateway, Tenancy
from tests.gateway.test_api import assert_problem
from tests.waiting import until

MAPPING = """
source_system: crm
lead:
  source_id: {column: Id}
  full_name: {column: Name}
  email: {column: Email}
outcomes:
  - type: {column: Outcome}
"""
HEADER = "Id,Name,Email,Outcome\n"


def rows(count: int, more: str = "") -> bytes:
    each = (f"L-{n},Zebedee {n},zebedee{n}@example.com,{'contacted' if n == 1 else ''}\n" for n in range(1, count + 1))
    return (HEADER + "".join(each) + more).encode()


async def upload(acme: Tenancy, run_id: str, content: Any, **query: Any) -> httpx.Response:
    path = acme.path(f"/imports/{run_id}/file")
    return await acme.client.put(path, content=content, params=query, headers={"Content-Type": "text/csv"})


async def stands(acme: Tenancy, run_id: str, state: str) -> Any:
    async def looked() -> Any:
        view = await get(acme, f"/imports/{run_id}")
        return view if view["state"] == state else None

    return await until(looked, seconds=30, what=f"the import being {state}")


async def test_a_file_is_uploaded_mapped_checked_imported_and_taken_back(acme: Tenancy) -> None:
    made = await send(acme, "POST", "/imports", {"file_name": "leads.csv"}, 201, **{"Idempotency-Key": "one"})
    same = await send(acme, "POST", "/imports", {"file_name": "leads.csv"}, 201, **{"Idempotency-Key": "one"})
    run_id = made["run_id"]
    assert same["run_id"] == run_id
    uploaded = await upload(acme, run_id, rows(3, ",=cmd(),x@example.com,\n"))
    assert (uploaded.status_code, uploaded.json()["state"]) == (200, "ready")
    assert (await get(acme, f"/imports/{run_id}"))["columns"] == ["Id", "Name", "Email", "Outcome"]
    wrong = await acme.client.put(
        acme.path(f"/imports/{run_id}/mapping"), json={"mapping": MAPPING.replace("Name", "Nam")}
    )
    assert_problem(wrong, 400, "mapping")
    assert 'did you mean "Name"?' in wrong.text.replace("\\", "")
    await send(acme, "PUT", f"/imports/{run_id}/mapping", {"mapping": MAPPING})
    shown = await send(acme, "POST", f"/imports/{run_id}/preview", {"limit": 1})
    assert shown["rows"] == [["L-1", "Zebedee 1", "zebedee1@example.com", "contacted"]]

    await send(acme, "POST", f"/imports/{run_id}/check", status=202)
    checked = await stands(acme, run_id, "ready")
    assert (checked["checked"], checked["check"]["rows"], checked["check"]["bad_rows"]) == (True, 4, 1)
    assert (await get(acme, "/leads"))["leads"] == []

    await send(acme, "POST", f"/imports/{run_id}/start", {}, 202)
    progress = [event async for event in followed(acme, run_id)]
    assert progress[-1] == ("end", None)
    last = progress[-2][1]
    assert (last["state"], last["counts"]["accepted"], last["counts"]["outcomes_recorded"]) == ("completed", 3, 1)
    assert len((await get(acme, "/leads"))["leads"]) == 3
    assert [each["row"] for each in (await get(acme, f"/imports/{run_id}/errors"))["errors"]] == [4]
    exported = await acme.client.get(acme.path(f"/imports/{run_id}/errors/export"))
    assert exported.text.splitlines()[0] == "row,line,field,reason"
    assert exported.text.splitlines()[1].startswith("4,5,source_id,")
    assert [each["run_id"] for each in (await get(acme, "/imports"))["imports"]] == [run_id]

    await send(acme, "POST", f"/imports/{run_id}/revert", status=202)
    reverted = await stands(acme, run_id, "reverted")
    assert reverted["reverted"] == {"withdrawn": 3, "kept": 0, "outcomes_voided": 1}
    assert (await get(acme, f"/imports/{run_id}/kept"))["leads"] == []


async def test_a_large_file_is_kept_as_it_comes_and_goes_on_where_it_broke_off(acme: Tenancy) -> None:
    content = rows(30_000)
    assert len(content) > 2 * CHUNK_BYTES
    run_id = (await send(acme, "POST", "/imports", {"file_name": "large.csv"}, 201))["run_id"]

    async def breaking_off() -> AsyncIterator[bytes]:
        yield content[: CHUNK_BYTES + 7]
        raise OSError

    with suppress(OSError):
        await upload(acme, run_id, breaking_off())

    async def first_chunk() -> bool:
        return bool((await get(acme, f"/imports/{run_id}"))["chunks"] == 1)

    await until(first_chunk, what="the first chunk being kept")

    async def the_rest() -> AsyncIterator[bytes]:
        for at in range(CHUNK_BYTES, len(content), 60_000):
            yield content[at : at + 60_000]

    uploaded = await upload(acme, run_id, the_rest(), from_chunk=1)
    assert (uploaded.status_code, uploaded.json()["bytes"]) == (200, len(content))
    again = await upload(acme, run_id, content)
    assert again.status_code == 200
    other = await upload(acme, run_id, content.replace(b"Zebedee", b"Ephraim"))
    assert_problem(other, 409, "run_id")
    await send(acme, "POST", f"/imports/{run_id}/cancel")


async def test_an_empty_file_and_a_stranger_are_refused(acme: Tenancy, gateway: Gateway, anyone: Tenancy) -> None:
    run_id = (await send(acme, "POST", "/imports", {"file_name": "empty.csv"}, 201))["run_id"]
    assert_problem(await upload(acme, run_id, b""), 400)
    assert_problem(await anyone.client.get(anyone.path(f"/imports/{run_id}")), 404, "run_id")
    assert_problem(await anyone.client.get(anyone.path(f"/imports/{run_id}/progress/live")), 404, "run_id")
    assert_problem(await upload(anyone, run_id, rows(1)), 404, "run_id")


async def followed(acme: Tenancy, run_id: str) -> AsyncIterator[tuple[str, Any]]:
    event = ""
    async with acme.client.stream("GET", acme.path(f"/imports/{run_id}/progress/live")) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        async for line in response.aiter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                event = value
            elif line.startswith("data:"):
                yield event, json.loads(value) if value else None
