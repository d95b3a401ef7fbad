"""Win rates, as the aggregator counts them."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from contracts.aggregator.win_rates import (
    MOST_ROWS,
    Columns,
    ListWinRateEvents,
    Table,
    TrendOfWinRates,
    WeeklyWinRate,
    WeeklyWinRates,
    WeeklyWinRateTable,
    WinRateEventPage,
    WinRates,
    WinRateTable,
    WinRateTrend,
    columns,
    to_csv,
    whole,
)
from gateway.gate import Admitted, Principal
from gateway.parquet import to_parquet

router = APIRouter(tags=["win rates"])

MOST_WEEKS: Final = 26
"""Over how many weeks a page or a program may ask; the command line asks over any."""
AtMost26 = Annotated[int, Field(ge=1, le=MOST_WEEKS)]


class Format(StrEnum):
    """How a table is written."""

    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


_MEDIA_TYPES: Final = {Format.CSV: "text/csv", Format.PARQUET: "application/vnd.apache.parquet"}
_FILES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
        }
    }
}


class Writing(BaseModel):
    """How a table is written."""

    format: Format | None = None
    """What the header `Accept` asks for, if empty; JSON, if that asks for none of them."""
    columns: Columns = Columns.COUNTS
    """Which columns a file has; JSON has all."""


class WinRateQuery(WinRates, Writing):
    """Which win rates, and how they are written."""

    weeks: AtMost26 = MOST_WEEKS
    """How many ISO weeks, `until` included."""


class WeeklyWinRateQuery(WeeklyWinRates, Writing):
    """Which win rates, and how they are written."""

    weeks: AtMost26 = MOST_WEEKS
    """How many ISO weeks, `until` included."""


class TrendQuery(TrendOfWinRates):
    """The trend of which win rates."""

    weeks: AtMost26 = MOST_WEEKS
    """How many ISO weeks, `until` included."""


class WinRateEventsQuery(ListWinRateEvents):
    """The events behind which count."""

    weeks: AtMost26 = MOST_WEEKS
    """How many ISO weeks, `until` included."""


@router.get("/win-rates", response_model=WinRateTable, responses=_FILES)
async def win_rates(
    principal: Admitted, query: Annotated[WinRateQuery, Query()], request: Request
) -> WinRateTable | Response:
    """Win rates by source or place: distinct leads over the whole window, by the attribution frozen into their outcomes.

    With `view=cohort` the leads that came in the window, by the attribution they came with. A file, CSV or Parquet, has the rows
    of all pages; its columns are `key,intent,leads_entered,appointments,won,lost,win_rate`, and with `columns=all` also
    `decided,low,high` and of cohorts `maturity`.
    """
    return await _answered(request, query, principal, lambda terms: principal.ask(WinRates(**terms)))


@router.get("/win-rates/weekly", response_model=WeeklyWinRateTable, responses=_FILES)
async def weekly_win_rates(
    principal: Admitted, query: Annotated[WeeklyWinRateQuery, Query()], request: Request
) -> WeeklyWinRateTable | Response:
    """Win rates week by week: a file has the column `week` before the others."""
    return await _answered(request, query, principal, lambda terms: principal.ask(WeeklyWinRates(**terms)))


@router.get("/win-rates/trend")
async def win_rate_trend(principal: Admitted, query: Annotated[TrendQuery, Query()]) -> WinRateTrend:
    """All matching leads of each week together."""
    return await principal.ask(TrendOfWinRates(**query.model_dump()))


@router.get("/win-rates/events")
async def win_rate_events(principal: Admitted, query: Annotated[WinRateEventsQuery, Query()]) -> WinRateEventPage:
    """The events that a count of a row comes from, one of each lead, a page at a time; pass the table's `by`, `view`, weeks, key and intent."""
    return await principal.ask(ListWinRateEvents(**query.model_dump()))


async def _answered(
    request: Request,
    query: WinRateQuery | WeeklyWinRateQuery,
    principal: Principal,
    ask: Callable[[dict[str, Any]], Awaitable[Table]],
) -> Table | Response:
    """The table as it is wanted: a page of it, or all of it in a file, in the same order."""
    terms = query.model_dump(exclude=set(Writing.model_fields))
    format_ = query.format or _accepted(request.headers.get("accept", ""))
    if format_ is Format.JSON:
        return await ask(terms)
    weekly = isinstance(query, WeeklyWinRates)
    table = await whole(lambda page: ask(terms | {"page": page, "limit": MOST_ROWS}))
    names = columns(query.view, weekly, query.columns)
    body = to_csv(table.rows, names) if format_ is Format.CSV else to_parquet(WeeklyWinRate, table.rows, names)
    name = f"{principal.tenant}-{'weekly-' * weekly}win-rates-by-{query.by}.{format_}"
    return Response(
        body, media_type=_MEDIA_TYPES[format_], headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _accepted(accept: str) -> Format:
    return next((format_ for format_, media_type in _MEDIA_TYPES.items() if media_type in accept), Format.JSON)
