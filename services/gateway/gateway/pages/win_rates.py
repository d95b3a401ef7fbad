"""The page of win rates: a table by week closed or week come, whole or week by week, how it went, and the same as files."""

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from contracts.aggregator.win_rates import (
    Columns,
    Dimension,
    Order,
    TrendOfWinRates,
    View,
    WeeklyWinRates,
    WeeklyWinRateTable,
    WeekName,
    Windowed,
    WinRates,
    WinRateTable,
    WinRateTrend,
)
from contracts.taxonomy import KEY_LENGTH, Intent
from contracts.values import NO_NUL
from gateway.api.win_rates import MOST_WEEKS, AtMost26, Format
from gateway.domain_chart import Chart, chart
from gateway.domain_numbers import opening_rates
from gateway.gate import Admitted, Principal
from gateway.pages.panel import Panel, panel
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/win-rates")

ROWS_SHOWN: Final = 50
MINIMUM: Final = 5
"""A rate of fewer decided leads says little: such groups are shown to who asks for them (outcome capture, win rates dashboard)."""
_PATIENCE_SECONDS: Final = 5.0
"""Longer than the overview's: whoever comes here came for this."""
_ASCENDING: Final = (Order.KEY, Order.INTENT)
"""Columns that are read from the smallest up, unless one asks for the other way; numbers and weeks from the largest down."""

V = TypeVar("V")
Chosen = Annotated[V | None, BeforeValidator(lambda text: text or None)]
"""A choice of a form, of which the empty one is none."""


class Rows(StrEnum):
    """What a row of the table stands for."""

    WINDOW = "window"
    WEEKS = "weeks"


class Shown(BaseModel):
    """What the address of the page says about what it shows."""

    model_config = ConfigDict(frozen=True)

    by: Dimension = Dimension.SOURCE
    view: View = View.CLOSING
    rows: Rows = Rows.WINDOW
    weeks: AtMost26 = MOST_WEEKS
    until: Chosen[WeekName] = None
    intent: Chosen[Intent] = None
    key: Chosen[Annotated[str, Field(max_length=KEY_LENGTH, pattern=NO_NUL)]] = None
    minimum: Annotated[int, Field(ge=0)] = MINIMUM
    sort: Chosen[Order] = None
    descending: bool = True
    page: Annotated[int, Field(ge=1, le=10_000)] = 1

    @property
    def sorted_by(self) -> Order:
        return self.sort or (Order.WEEK if self.rows is Rows.WEEKS else Order.LEADS_ENTERED)

    @property
    def weekly(self) -> bool:
        return self.rows is Rows.WEEKS

    def address(self, tenant: str, **changes: object) -> str:
        """This page as it is shown, changed as given; from its first page on, unless the change is another page."""
        return _address(f"/t/{tenant}/win-rates", self.model_dump() | {"page": 1} | changes)

    def sorting(self, tenant: str, order: Order) -> str:
        """The page sorted by a column: the other way round, where it is sorted by that already."""
        descending = not self.descending if order is self.sorted_by else order not in _ASCENDING
        return self.address(tenant, sort=order, descending=descending)

    def file(self, tenant: str, format_: Format) -> str:
        """Where the same table is had as a file: these rows in this order, of all pages."""
        asked = {name: value for name, value in self.table().items() if value is not None}
        path = f"/api/t/{tenant}/win-rates{'/weekly' if self.weekly else ''}"
        return f"{path}?{urlencode(asked | {'columns': Columns.ALL, 'format': format_})}"

    def table(self) -> dict[str, Any]:
        """Which rows there are, and in which order."""
        order = {"minimum": self.minimum, "sort": self.sorted_by, "descending": str(self.descending).lower()}
        return self.terms() | order

    def terms(self) -> dict[str, Any]:
        """Which leads are counted."""
        return self.model_dump(mode="json", include={"by", "view", "weeks", "until", "intent", "key"})


def _address(path: str, values: dict[str, Any]) -> str:
    query = urlencode(Shown.model_validate(values).model_dump(mode="json", exclude_defaults=True))
    return f"{path}?{query}" if query else path


@router.get("")
async def win_rates(principal: Admitted, shown: Annotated[Shown, Query()]) -> Response:
    """The whole page; the table and both charts are asked for at the same time."""
    terms = shown.terms()
    table, closed, came = await asyncio.gather(
        _table(principal, shown),
        panel(principal, TrendOfWinRates(**terms | {"view": View.CLOSING}), _PATIENCE_SECONDS),
        panel(principal, TrendOfWinRates(**terms | {"view": View.COHORT}), _PATIENCE_SECONDS),
    )
    total = (table.reply.total or 0) if table.reply else 0
    until = table.reply.last_week if table.reply else None
    window = Windowed(by=shown.by, view=shown.view, weeks=shown.weeks, until=until)
    return page(
        "win_rates.html",
        principal=principal,
        shown=shown,
        table=table,
        opens=opening_rates(principal.tenant, window),
        total=total,
        pages=-(-total // ROWS_SHOWN),
        closed=_drawn(closed),
        came=_drawn(came),
    )


async def _table(principal: Principal, shown: Shown) -> Panel[WinRateTable] | Panel[WeeklyWinRateTable]:
    asked = shown.table() | {"limit": ROWS_SHOWN, "page": shown.page}
    if shown.weekly:
        return await panel(principal, WeeklyWinRates(**asked), _PATIENCE_SECONDS)
    return await panel(principal, WinRates(**asked), _PATIENCE_SECONDS)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A trend's chart; none, where there is nothing to show or a problem."""

    chart: Chart | None
    problem: str = ""


def _drawn(trend: Panel[WinRateTrend]) -> Drawn:
    reply = trend.reply
    if reply is None or not reply.points or reply.first_week is None or reply.last_week is None:
        return Drawn(None, trend.problem)
    return Drawn(chart(reply.points, reply.first_week, reply.last_week))
