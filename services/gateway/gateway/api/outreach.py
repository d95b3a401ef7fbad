"""What outreach sends: the timeline, page by page and as it changes."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from nats.aio.client import Client
from starlette.responses import StreamingResponse

from contracts.message import ProblemError
from contracts.outreach.activity import MOST_NAMED, ActivityFilter, ActivityPage, ListActivity
from gateway import live
from gateway.gate import Admitted, Principal

router = APIRouter(tags=["outreach"])

_TOGETHER_SECONDS: Final = 0.2
"""What changes within this time is asked for at once."""


@router.get("/outreach/activity")
async def list_activity(principal: Admitted, query: Annotated[ListActivity, Query()]) -> ActivityPage:
    """What was sent, given up, and is to be sent, on one timeline, a page at a time."""
    return await principal.ask(query)


@router.get(
    "/outreach/activity/live",
    dependencies=[live.SEAT],
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def follow_activity(
    principal: Admitted, query: Annotated[ActivityFilter, Query()], request: Request
) -> StreamingResponse:
    """The timeline's entries as they change, as server-sent events: an `entry` has the data of one in a page.

    `ready` comes first, and again when something may have been missed: read the page then. An entry that has changed since is told
    after it. The stream ends after a while, with what let its listener in, or when outreach is away; connect again, as browsers do by
    themselves.
    """
    return live.stream(principal, _follow(principal, query, request.app.state.service.broker.connection))


async def _follow(principal: Principal, query: ActivityFilter, client: Client) -> AsyncGenerator[str]:
    async with live.changes(client, principal.tenant) as changes:
        while True:
            if changes.gap():
                yield live.told("ready")
            await changes.wait(live.SIGN_OF_LIFE_SECONDS)
            messages = changes.take(MOST_NAMED)
            if not messages:
                yield live.SIGN_OF_LIFE
                continue
            try:
                asked = ListActivity(**query.model_dump(), message_ids=messages, limit=MOST_NAMED)
                page = await principal.ask(asked)
            except ProblemError:
                return
            for entry in page.entries:
                yield live.told("entry", entry.model_dump_json())
            await asyncio.sleep(_TOGETHER_SECONDS)
