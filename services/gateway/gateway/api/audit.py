"""The audit of changes to the tenant, its users, its keys and how they sign in."""

import csv
import io
import json
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from contracts.cells import harmless
from contracts.gateway.audit import Change, ChangePage, ListChanges
from gateway.api.win_rates import Format
from gateway.gate import Admitted

router = APIRouter(tags=["audit"])


class ChangeQuery(ListChanges):
    """Which changes, and how they are written."""

    format: Format | None = None
    """What the header `Accept` asks for, if empty; JSON, if that asks for neither."""


@router.get(
    "/audit", response_model=ChangePage, responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}
)
async def list_changes(
    principal: Admitted, query: Annotated[ChangeQuery, Query()], request: Request, response: Response
) -> ChangePage | Response:
    """Who changed what, newest first, a page at a time; the next page is named in the header `Link` too. Also as CSV."""
    page = await principal.ask(ListChanges.model_validate(query.model_dump(exclude={"format"})))
    if page.next_cursor:
        following = request.url.include_query_params(cursor=page.next_cursor)
        response.headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    wanted = query.format or (Format.CSV if "text/csv" in request.headers.get("accept", "") else Format.JSON)
    if wanted is Format.JSON:
        return page
    response.headers["Content-Disposition"] = f'attachment; filename="{principal.tenant}-audit.csv"'
    return Response(_csv(page), media_type="text/csv", headers=dict(response.headers))


def _csv(page: ChangePage) -> str:
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(Change.model_fields)
    for change in page.changes:
        row = change.model_dump(mode="json") | {"detail": json.dumps(change.detail)}
        table.writerow([harmless(cell) for cell in row.values()])
    return out.getvalue()
