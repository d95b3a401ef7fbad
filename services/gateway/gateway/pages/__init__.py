"""The pages people work in: rendered on the server, useful without JavaScript, and nothing on them from elsewhere."""

from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.staticfiles import StaticFiles

from gateway.pages import dashboard, numbers, sign_in, unsubscribe, win_rates

STATIC: Final = StaticFiles(directory=Path(__file__).parents[1] / "static", packages=[("js_lib_htmx", "static/htmx")])
"""Our style sheet and icon, and htmx from its wheel."""

router = APIRouter(include_in_schema=False)
for part in (sign_in, unsubscribe, dashboard, numbers, win_rates):
    router.include_router(part.router)
