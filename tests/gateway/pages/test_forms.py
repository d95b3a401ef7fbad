"""What somebody typed into a form is never lost: where a field does not hold, the page comes back with all of it, and says so at the field."""

import re
from collections.abc import AsyncIterator
from enum import Enum
from html import unescape
from types import NoneType
from typing import Any, Literal, get_args, get_origin
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError

from contracts.gateway.users import ListUsers
from gateway.gate import each
from tests.gateway.conftest import Gateway, Tenancy

TYPED = "Quite <a> long thing & more"
FAR_TOO_LONG = "a far too long thing " * 20_000
HIDDEN = {"code", "cursor", "days", "expected", "one", "version", "weekdays"}
"""Fields of text or numbers that nobody types: the page says them itself or offers them, or a button does."""


@pytest.fixture
async def admin(gateway: Gateway, anyone: Tenancy) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway.client() as browser:
        browser.headers["Accept"] = "text/html"
        await gateway.sign_in(browser, anyone.name)
        yield browser


@pytest.fixture(scope="module")
async def lead_id(anyone: Tenancy) -> str:
    lead = {
        "source_system": "crm",
        "source_id": uuid4().hex,
        "full_name": "Ada Example",
        "tier": "A",
        "timeline": "0-30",
    }
    return str((await anyone.client.post(anyone.path("/leads"), json=lead)).raise_for_status().json()["lead_id"])


def is_chosen(kind: Any) -> bool:
    """Whether a field is of what a page offers, and not of what somebody types."""
    if kind is NoneType or get_origin(kind) is Literal:
        return True
    if args := [arg for arg in get_args(kind) if isinstance(arg, type) or get_origin(arg)]:
        return all(map(is_chosen, args))
    return isinstance(kind, type) and (issubclass(kind, Enum | UUID) or kind is bool)


def takes_anything(kind: type[BaseModel], name: str) -> bool:
    try:
        field = kind.model_fields[name]
        several = get_origin(field.annotation) is list
        TypeAdapter(field.rebuild_annotation()).validate_python([FAR_TOO_LONG] if several else FAR_TOO_LONG)
    except ValidationError:
        return False
    return True


def test_no_form_is_judged_before_its_page_can_show_it_again(gateway: Gateway) -> None:
    judged = set()
    for route, method in each(gateway.app.routes):
        original = route.original_route
        if method != "POST" or "/api/" in str(route.path) or not isinstance(original, APIRoute):
            continue
        form = original.body_field.field_info.annotation if original.body_field else None
        for name, field in form.model_fields.items() if isinstance(form, type) and issubclass(form, BaseModel) else ():
            if name not in {*HIDDEN, "file"} and not is_chosen(field.annotation) and not takes_anything(form, name):
                judged.add(f"{route.path} {name}")
    assert not judged, "read these with `filled_in.read`, so that the page can show what was typed"


def fields(page: str) -> dict[str, str]:
    """What the page's fields hold."""
    inputs = re.findall(r'<input[^>]* name="(\w+)" type="[a-z-]+" value="([^"]*)"', page)
    areas = re.findall(r'<textarea[^>]* name="(\w+)"[^>]*>\n([^<]*)</textarea>', page)
    return {name: unescape(value) for name, value in (*inputs, *areas) if value}


def said_at(page: str, id_: str) -> str:
    """What is said to be wrong with a field, where whoever hears the page finds it by the field."""
    assert re.search(rf'id="{id_}"[^>]* aria-describedby="{id_}-wrong" aria-invalid="true"', page), page
    return unescape(page.split(f'id="{id_}-wrong">')[1].partition("<")[0])


OF_LEAD = {"type": "closed_won", "notes": TYPED, "value": "12.5", "currency": "USD", "reason_code": "price", "occurred_at": "2026-06-01T12:00"}  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"occurred_at": "yesterday"}, "Write a moment like 2026-11-30T12:00."),
        ({"occurred_at": ""}, "Fill this in."),
        ({"occurred_at": "0001-01-01T00:00"}, "Name a moment since 1900 at which it happened."),
        ({"value": "much"}, "Input should be a valid decimal."),
        ({"value": "-1"}, "Input should be greater than or equal to 0."),
        ({"currency": "dollars"}, "Write something like USD."),
        ({"reason_code": "too-high!"}, "Write something like price_too_high."),
        ({"override_reason": "a" * 501}, "String should have at most 500 characters."),
    ],
)
async def test_an_outcome_that_was_mistyped_is_not_typed_again(
    admin: httpx.AsyncClient, anyone: Tenancy, lead_id: str, wrong: dict[str, str], says: str
) -> None:
    sent = OF_LEAD | wrong
    answer = await admin.post(f"/t/{anyone.name}/leads/{lead_id}/outcomes", data=sent)
    assert answer.status_code == 400 and said_at(answer.text, next(iter(wrong))) == says
    kept = fields(answer.text)
    assert {name: kept.get(name, "") for name in sent if name != "type"} == {
        name: value for name, value in sent.items() if name != "type"
    }
    assert '<option value="closed_won" selected>' in answer.text


async def test_why_an_outcome_is_taken_back_is_not_typed_again(
    admin: httpx.AsyncClient, anyone: Tenancy, lead_id: str
) -> None:
    address = f"/t/{anyone.name}/leads/{lead_id}"
    recorded = await admin.post(f"{address}/outcomes", data={"type": "contacted", "occurred_at": "2026-06-01T12:00"})
    outcome_id = recorded.headers["location"].partition("recorded=")[2].partition("#")[0]
    sent = {"why_code": "No <way>!", "why": "It was the other one"}
    answer = await admin.post(f"{address}/outcomes/{outcome_id}/void", data=sent)
    assert answer.status_code == 400
    assert {name: value for name, value in fields(answer.text).items() if name in sent} == sent
    correcting = {**OF_LEAD, **sent, "why_code": "price"} | {"value": "much"}
    answer = await admin.post(f"{address}/outcomes/{outcome_id}/correct", data=correcting)
    assert answer.status_code == 400 and said_at(answer.text, "value")
    kept = fields(answer.text)
    assert kept["why"] == sent["why"] and kept["notes"] == TYPED and f"/outcomes/{outcome_id}/correct" in answer.text


async def test_a_user_that_was_mistyped_is_not_typed_again_nor_added(
    gateway: Gateway, admin: httpx.AsyncClient, anyone: Tenancy
) -> None:
    address = f"/t/{anyone.name}/settings/users"
    sent = {"name": TYPED, "email": "no address", "role": "auditor"}
    answer = await admin.post(address, data=sent)
    assert answer.status_code == 400 and said_at(answer.text, "email") == "Write something like grace@example.com."
    kept = fields(answer.text)
    assert (kept["name"], kept["email"]) == (TYPED, "no address")
    assert '<option value="auditor" selected>' in answer.text.split('id="add"')[1]
    users = (await gateway.platform.caller.ask(anyone.name, ListUsers())).users
    assert TYPED not in {user.name for user in users}


@pytest.mark.parametrize(
    ("wrong", "at", "says"),
    [
        ({"label": ""}, "label", "Fill this in."),
        ({"label": "x" * 101}, "label", "String should have at most 100 characters."),
        ({"expires_on": "soon"}, "expires_on", "Write a day like 2026-11-30."),
        ({"expires_on": "2020-01-01"}, "expires_on", "Lies in the past: the key would open nothing."),
    ],
)
async def test_a_key_that_was_mistyped_is_not_typed_again_nor_made(
    admin: httpx.AsyncClient, anyone: Tenancy, wrong: dict[str, str], at: str, says: str
) -> None:
    sent = {"label": TYPED, "expires_on": "2999-01-01", "scopes": ["leads:read"]} | wrong
    answer = await admin.post(f"/t/{anyone.name}/settings/keys", data=sent)
    assert answer.status_code == 400 and said_at(answer.text, at) == says and "ll_" not in answer.text
    kept = fields(answer.text)
    assert {name: kept.get(name, "") for name in ("label", "expires_on")} | {"scopes": ["leads:read"]} == sent
    assert re.findall(r'name="scopes" value="([a-z:]+)" checked', answer.text) == ["leads:read"]


@pytest.mark.parametrize(
    ("path", "sent", "kept", "part"),
    [
        ("/outcomes/bulk/record", {"type": "contacted", "occurred_at": "soon", "reason_code": "price", "tiers": "A"}, "occurred_at reason_code", "leads"),
        ("/outcomes/bulk/table", {"type": "contacted", "reason_code": "no such!", "rows": "a,contacted"}, "reason_code rows", "table"),
        ("/suppressions/add", {"email": "ada@example.com", "last_day": "soon", "note": TYPED}, "email last_day note", "add"),
        ("/leads/views?tier=A", {"name": "x" * 61}, "name", "leads"),
    ],
    ids=["bulk", "table", "suppression", "view"],
)  # fmt: skip
async def test_no_other_form_is_typed_again(
    admin: httpx.AsyncClient, anyone: Tenancy, lead_id: str, path: str, sent: dict[str, str], kept: str, part: str
) -> None:
    answer = await admin.post(f"/t/{anyone.name}{path}", data=sent)
    assert answer.status_code == 400 and 'role="alert"' in answer.text
    shown = fields(answer.text.split(f'id="{part}"')[1].partition("</section>")[0])
    assert {name: shown.get(name) for name in kept.split()} == {name: sent[name] for name in kept.split()}


async def test_a_password_is_never_shown_again(gateway: Gateway, admin: httpx.AsyncClient, anyone: Tenancy) -> None:
    secret = "x" * 201
    answer = await admin.post(f"/t/{anyone.name}/account/password", data={"password": secret})
    assert answer.status_code == 400 and secret not in answer.text
    async with gateway.client() as browser:
        sent = {"tenant": anyone.name, "email": "not one", "password": "hunter2hunter2"}
        answer = await browser.post("/sign-in", data=sent)
        assert answer.status_code == 400 and said_at(answer.text, "email") == "Write something like grace@example.com."
        assert 'value="not one"' in answer.text and sent["password"] not in answer.text
        answer = await browser.post("/sign-in", data=sent | {"email": "nobody@example.com"})
        assert answer.status_code == 401 and 'value="nobody@example.com"' in answer.text
