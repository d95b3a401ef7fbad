"""Win rates, as the aggregator counts them."""

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from contracts.aggregator.win_rates import WeeklyWinRates, WeeklyWinRateTable, WinRates, WinRateTable
from gateway.gate import Admitted

router = APIRouter(tags=["win rates"])


class Format(StrEnum):
    """How a table is written."""

    JSON = "json"
    CSV = "csv"


class WinRateQuery(WinRates):
    """Which win rates, and how they are written."""

    format: Format | None = None
    """What the header `Accept` asks for, if empty; JSON, if that asks for neither."""


@router.get(
    "/win-rates",
    response_model=WinRateTable,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def win_rates(
    principal: Admitted, query: Annotated[WinRateQuery, Query()], request: Request
) -> WinRateTable | Response:
    """Win rates by source or place: distinct leads over the whole window, by the attribution frozen into their outcomes.

    As CSV its columns are `key,intent,leads_entered,appointments,won,lost,win_rate`.
    """
    table = await principal.ask(WinRates.model_validate(query.model_dump(exclude={"format"})))
    wanted = query.format or (Format.CSV if "text/csv" in request.headers.get("accept", "") else Format.JSON)
    if wanted is Format.JSON:
        return table
    name = f"{principal.tenant}-win-rates-by-{table.by}.csv"
    return Response(
        table.to_csv(), media_type="text/csv", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


@router.get("/win-rates/weekly")
async def weekly_win_rates(principal: Admitted, query: Annotated[WeeklyWinRates, Query()]) -> WeeklyWinRateTable:
    """Win rates week by week."""
    return await principal.ask(query)
