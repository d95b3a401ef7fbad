"""The tenant's events, as the aggregator stores them."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from contracts.aggregator.events import EventPage, ListEvents
from gateway.api.win_rates import Format
from gateway.gate import Admitted

router = APIRouter(tags=["events"])


class EventQuery(ListEvents):
    """Which events, and how they are written."""

    format: Format | None = None
    """What the header `Accept` asks for, if empty; JSON, if that asks for neither."""


@router.get(
    "/events", response_model=EventPage, responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}
)
async def list_events(
    principal: Admitted, query: Annotated[EventQuery, Query()], request: Request, response: Response
) -> EventPage | Response:
    """Events, a page at a time: last told first, or last occurred first where types, a campaign, an account or when they occurred is given.

    The next page is named in the header `Link` too. As CSV it has a column for each field, the body in JSON.
    """
    page = await principal.ask(ListEvents.model_validate(query.model_dump(exclude={"format"})))
    if page.next_cursor:
        following = request.url.include_query_params(cursor=page.next_cursor)
        response.headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    wanted = query.format or (Format.CSV if "text/csv" in request.headers.get("accept", "") else Format.JSON)
    if wanted is Format.JSON:
        return page
    response.headers["Content-Disposition"] = f'attachment; filename="{principal.tenant}-events.csv"'
    return Response(page.to_csv(), media_type="text/csv", headers=dict(response.headers))
