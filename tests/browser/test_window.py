"""The checks of every journey see what they are for."""

import pytest
from playwright.async_api import Browser, Route

from tests.browser.window import Window, fits, no_serious_fault
from tests.gateway.conftest import Gateway

_POLICY = "default-src 'none'; script-src 'self'; connect-src *; img-src *"
_BAD = """<!doctype html><title>Bad</title><main><h1>Bad</h1>
<img src="https://elsewhere.example/pixel.png"><button></button><p style="color: red">x</p><script>alert(1)</script>
<script src="/static/none.js"></script><div><img alt="" src="/static/mark.svg" width="2000"></div></main>"""


async def test_what_must_not_be_on_a_page_is_seen(chromium: Browser, gateway: Gateway) -> None:
    async def answer(route: Route) -> None:
        headers = {"Content-Type": "text/html", "Content-Security-Policy": _POLICY}
        await route.fulfill(body=_BAD, headers=headers)

    async with await chromium.new_context() as context:
        window = Window(await context.new_page(), gateway.url, "nobody")
        await window.page.route("**/t/nobody", answer)
        await window.go()
        for what in ("inline script", "inline style", "elsewhere.example", "404 for /static/none.js"):
            assert any(what in fault for fault in window.faults), (what, window.faults)
        with pytest.raises(AssertionError, match=r"(?s)image-alt.*button-name|button-name.*image-alt"):
            await no_serious_fault(window.page)
        with pytest.raises(AssertionError, match="pixels wide"):
            await fits(window.page)
