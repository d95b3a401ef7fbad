"""A browser's window on the pages, and what every page is held to."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import ConsoleMessage, Page, Request, Response

CHROMIUM: Final = shutil.which("chromium")
"""Debian's; Playwright's own browsers are never downloaded."""
PICTURES: Final = Path(__file__).parents[2] / "artefacts" / "screenshots"
WIDE, NARROW = 1280, 390
"""CSS pixels: a laptop, and a phone."""
_HEIGHT: Final = 800
_SERIOUS: Final = ("serious", "critical")
_RULES: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_NOT_FOUND_OUT_HERE: Final = "Failed to load resource"
"""Chromium's line for any status from 400 on: whether that may be is judged by the response itself."""
_FIND: Final = """async rules => {
  const found = await axe.run({runOnly: rules, resultTypes: ['violations']});
  // It leaves them behind, and htmx would carry them over to what it puts there, which the policy forbids.
  document.querySelectorAll('[style=""]').forEach(each => each.removeAttribute('style'));
  return found.violations;
}"""


@dataclass
class Window:
    """A window of somebody's.

    Attributes:
        tenant: whose pages they are signed in to.
        faults: what must not be, on any page they came by: an error or a refusal of the content security policy told on the console, a
            script's uncaught error, a request to another host, a part of a page that was not delivered, an answer of 500 or more.
    """

    page: Page
    origin: str
    tenant: str
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._told)
        self.page.on("pageerror", lambda error: self.faults.append(f"uncaught: {error}"))
        self.page.on("request", self._requested)
        self.page.on("response", self._answered)

    def _told(self, message: ConsoleMessage) -> None:
        refused = "Content Security Policy" in message.text
        if (message.type == "error" or refused) and not message.text.startswith(_NOT_FOUND_OUT_HERE):
            self.faults.append(f"console: {message.text} {message.location}")

    def _requested(self, request: Request) -> None:
        if not request.url.startswith((f"{self.origin}/", "data:", "blob:")):
            self.faults.append(f"a request to another host: {request.url}")

    def _answered(self, response: Response) -> None:
        # What a person asked for may be refused; what a page is made of may not.
        if response.status >= (500 if response.request.is_navigation_request() else 400):
            self.faults.append(f"{response.status} for {urlsplit(response.url).path}")

    async def go(self, rest: str = "") -> Response:
        """Open a page of the tenant by its address."""
        response = await self.page.goto(f"{self.origin}/t/{self.tenant}{rest}")
        assert response is not None
        return response

    async def look(self, name: str) -> None:
        """Keep pictures of the page, light and dark, wide and narrow, and find no serious fault in it.

        Parameters:
            name: of the files, below `artefacts/screenshots`.
        """
        for scheme in ("light", "dark"):
            await self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            for width in (NARROW, WIDE) if scheme == "light" else (WIDE, NARROW):
                await self.page.set_viewport_size({"width": width, "height": _HEIGHT})
                await self.picture(f"{name}-{scheme}-{width}")
                await fits(self.page)
            # Each width is looked at in one of the schemes: a fault of the layout is none of the colours.
            await no_serious_fault(self.page)

    async def picture(self, name: str, *, whole: bool = True) -> None:
        """Keep a picture of the whole page, or of what is in the window."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=PICTURES / f"{name}.jpeg", full_page=whole, quality=60)


async def no_serious_fault(page: Page) -> None:
    """Assert that axe-core finds nothing on the page that keeps somebody from using it."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE_SCRIPT)
    found: list[dict[str, Any]] = await page.evaluate(_FIND, list(_RULES))
    serious = [
        f"{each['id']} ({each['impact']}): {node['html']}: {' '.join(node['failureSummary'].split())}"
        for each in found
        if each["impact"] in _SERIOUS
        for node in each["nodes"]
    ]
    assert not serious, f"{page.url}:\n" + "\n".join(serious)


async def fits(page: Page) -> None:
    """Assert that nothing makes the page itself wider than the window: what is wide scrolls in a place of its own."""
    wide, window = await page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= window, f"{page.url} is {wide} pixels wide in a window of {window}"
