"""A tenant in which there is nothing yet: each page says what is missing and what to do next, and shows no empty table."""

import re
from typing import Final

import pytest

from contracts.taxonomy import Role
from tests.gateway.conftest import Gateway, behind_the_gate
from tests.gateway.test_numbers_page import text_of

WITH_SOMETHING: Final = {
    "/account": "oneself",
    "/audit": "that the first user was added",
    "/operations": "the services",
    "/operations/validation": "the numbers, compared with no event",
    "/reference": "what there is to ask",
    "/settings/limits": "the limits, as they are without anybody's doing",
    "/settings/users": "oneself",
}
"""The pages that list nothing, or something from the first day on, and what."""
A_WAY_ON: Final = re.compile(r"<a |<code>|<form|<button|\b(?:above|below|appears?|by itself|operator|admin)\b")
"""What leads on: something to follow, to type or to press, where that is, who does it, or that it comes by itself."""


def lists(gateway: Gateway) -> list[str]:
    """Every page of a tenant that is about nothing in particular."""
    paths = [path for method, path in behind_the_gate(gateway.app) if method == "GET" and path.startswith("/t/")]
    return [path for path in paths if path.count("{") == 1 and not path.endswith(("/live", ".csv", "/new"))]


def empties(page: str) -> list[str]:
    return re.findall(r'<div class="empty">(.*?)</div>', page, re.DOTALL)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.VIEWER])
async def test_a_page_without_anything_says_what_to_do_next(gateway: Gateway, tenant: str, role: Role) -> None:
    await gateway.registered(tenant)
    full, wrong = set(), []
    async with gateway.client() as browser:
        browser.headers["Accept"] = "text/html"
        await gateway.sign_in(browser, tenant, await gateway.user(tenant, role))
        for path in lists(gateway):
            answer = await browser.get(path.replace("{tenant}", tenant))
            if answer.status_code == 403 and role is Role.VIEWER:
                continue
            assert answer.status_code == 200, (path, answer.text)
            page = answer.text
            for tag, row in (("tbody", "<tr"), ("ul", "<li"), ("ol", "<li"), ("dl", "<dt")):
                for inside in re.findall(rf"<{tag}\b[^>]*>(.*?)</{tag}>", page, re.DOTALL):
                    if row not in inside:
                        wrong.append(f"{path}: nothing stands in a <{tag}>")
            said = empties(page)
            for each in said:
                _, _, more = each.partition("</p>")
                if not A_WAY_ON.search(more):
                    wrong.append(f"{path}: this does not say what to do next: {text_of(each)}")
            if not said:
                full.add(path.removeprefix("/t/{tenant}"))
    assert wrong == []
    assert full == WITH_SOMETHING.keys() if role is Role.ADMIN else full <= WITH_SOMETHING.keys()
