"""What outreach sends: the timeline, page by page and as it changes."""

import asyncio
from collections.abc import AsyncIterator
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
_LASTS_SECONDS: Final = 900.0
"""Then whoever follows connects again, and shows their credentials again."""


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
    after it. The stream ends after a while, or when outreach is away; connect again, as browsers do by themselves.
    """
    following = _follow(principal, query, request.app.state.service.broker.connection)
    return StreamingResponse(following, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _follow(principal: Principal, query: ActivityFilter, client: Client) -> AsyncIterator[str]:
    clock = asyncio.get_running_loop().time
    ends = clock() + _LASTS_SECONDS
    async with live.changes(client, principal.tenant) as changes:
        yield live.AGAIN
        while clock() < ends:
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
