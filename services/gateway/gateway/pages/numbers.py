"""The page behind a number: exactly the events that it counts, as of the moment it was shown at."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from contracts.aggregator.events import StoredEvent
from contracts.aggregator.kpis import Kpi, ListKpiEvents
from contracts.aggregator.win_rates import Count, ListWinRateEvents, Windowed
from contracts.taxonomy import KEY_LENGTH, UNKNOWN
from contracts.values import NO_NUL, Moment
from gateway.api.kpis import campaign_names
from gateway.api.win_rates import MOST_WEEKS, AtMost26
from gateway.domain_activity import tell
from gateway.domain_numbers import NAMES, count_in_words, opening, part_in_words
from gateway.gate import Admitted, Principal
from gateway.pages.dashboard import time_zone
from gateway.pages.names import NOT_ASKED_FOR, REVEALS, names_of
from gateway.rendering import clock, page

router = APIRouter(prefix="/t/{tenant}/numbers")

ROWS_SHOWN: Final = 50
BODY_SHOWN: Final = 1_000
"""Characters of an event's body."""


class Paged(BaseModel):
    """Where in the events somebody is."""

    cursor: Annotated[str, Field(max_length=200)] | None = None
    whole: UUID | None = None
    """The event of which all is shown; of others the beginning, where they are long."""


class Opened(Paged):
    """What the address of a number's page says about what it shows."""

    model_config = ConfigDict(frozen=True)

    part: Annotated[str, Field(max_length=200)] | None = None
    as_of: Annotated[Moment | None, BeforeValidator(lambda text: text or None)] = None


class OpenedRate(Windowed, Paged):
    """The same of a count of win rates."""

    model_config = ConfigDict(frozen=True)

    weeks: AtMost26 = MOST_WEEKS
    count: Count = Count.LEADS_ENTERED
    key: Annotated[str, Field(min_length=1, max_length=KEY_LENGTH, pattern=NO_NUL)] = UNKNOWN
    intent: Annotated[str, Field(min_length=1, max_length=20, pattern=NO_NUL)] = UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """What a page of events says about the number that they are behind.

    Attributes:
        title: what is counted.
        note: as of when, or of which weeks.
        means: which events are behind it.
        nothing: what it says where there are none.
        all_parts: where the whole number is, if this is a part.
        address: where this page is, with what is said besides.
        back: where the number is, and what leads there.
        program: where programs have the same.
        order: in which order the events come.
    """

    title: str
    note: str
    means: str
    nothing: str
    all_parts: str
    address: Callable[..., str]
    back: tuple[str, str]
    program: str
    order: str


@router.get("/win_rates")
async def rate(principal: Admitted, opened: Annotated[OpenedRate, Query()], request: Request) -> Response:
    """A page of the events that a count of win rates comes from, one of each lead."""
    return await _rate(principal, opened, request)


@router.post("/win_rates", dependencies=REVEALS)
async def rate_by_name(principal: Admitted, opened: Annotated[OpenedRate, Query()], request: Request) -> Response:
    """The same page, with what the leads are called."""
    return await _rate(principal, opened, request, named=True)


@router.get("/{kpi}")
async def number(principal: Admitted, kpi: Kpi, opened: Annotated[Opened, Query()], request: Request) -> Response:
    """A page of the events that a number counts, the last that occurred first."""
    return await _number(principal, kpi, opened, request)


@router.post("/{kpi}", dependencies=REVEALS)
async def number_by_name(
    principal: Admitted, kpi: Kpi, opened: Annotated[Opened, Query()], request: Request
) -> Response:
    """The same page, with what the leads are called."""
    return await _number(principal, kpi, opened, request, named=True)


async def _rate(principal: Principal, opened: OpenedRate, request: Request, *, named: bool = False) -> Response:
    asked = opened.model_dump(mode="json", exclude={"whole"}, exclude_none=True)
    found = await principal.ask(ListWinRateEvents.model_validate(asked | {"limit": ROWS_SHOWN}))
    terms = {name: value for name, value in asked.items() if name != "cursor"}
    home, (title, means) = f"/t/{principal.tenant}", count_in_words(opened.count, opened.view)
    weeks = "1 week" if opened.weeks == 1 else f"{opened.weeks} weeks"
    rates = {name: value for name, value in terms.items() if name in ("by", "view", "weeks", "until")} | {"minimum": 0}
    behind = Behind(
        title=f"{title}: {opened.key}, {opened.intent}",
        note=f"{weeks} up to {opened.until or 'the one under way'}",
        means=means,
        nothing="No lead of this group counts in these weeks; those that do are in all win rates, below.",
        all_parts="",
        address=lambda **more: f"{home}/numbers/win_rates?{urlencode(terms | more)}",
        back=(f"{home}/win-rates?{urlencode(rates)}", "All win rates of these weeks"),
        program=f"/api{home}/win-rates/events?{urlencode(terms)}",
        order="They come by lead.",
    )
    return await _show(principal, request, behind, found.events, found.next_cursor, opened, named=named)


async def _number(principal: Principal, kpi: Kpi, opened: Opened, request: Request, *, named: bool = False) -> Response:
    found = await principal.ask(ListKpiEvents(kpi=kpi, limit=ROWS_SHOWN, **opened.model_dump(exclude={"whole"})))
    part = opened.part
    campaigns = await campaign_names(principal) if part else {}
    home, opens = f"/t/{principal.tenant}", opening(principal.tenant, found.as_of)
    terms = {"kpi": kpi.value, "as_of": found.as_of.isoformat()} | ({} if part is None else {"part": part})
    words = NAMES[kpi]
    zone = await time_zone(request, principal.tenant)
    behind = Behind(
        title=words.title if part is None else f"{words.title}: {part_in_words(kpi, part, campaigns)}",
        note=f"as of {clock(found.as_of, zone, datetime.now(UTC))}, {zone}",
        means=words.means,
        nothing=words.first if part is None else "Nothing of this was counted as of this moment.",
        all_parts="" if part is None else opens(kpi),
        address=lambda **more: opens(kpi, part, **more),
        back=(f"{home}?{urlencode({'as_of': found.as_of.isoformat()})}", "All numbers as of this moment"),
        program=f"/api{home}/dashboard/events?{urlencode(terms)}",
        order="The last that occurred comes first.",
    )
    return await _show(principal, request, behind, found.events, found.next_cursor, opened, named=named)


async def _show(
    principal: Principal,
    request: Request,
    behind: Behind,
    events: Sequence[StoredEvent],
    next_cursor: str | None,
    at: Paged,
    *,
    named: bool,
) -> Response:
    leads = [event.lead_id for event in events if event.lead_id]
    return page(
        "number.html",
        principal=principal,
        behind=behind,
        cursor={} if at.cursor is None else {"cursor": at.cursor},
        whole=at.whole,
        told=BODY_SHOWN,
        campaigns=await campaign_names(principal) if any(event.campaign_id for event in events) else {},
        lines=[(event, tell(event)) for event in events],
        next_cursor=next_cursor,
        names=await names_of(principal, leads) if named else NOT_ASKED_FOR,
        zone=await time_zone(request, principal.tenant),
        now=datetime.now(UTC),
    )
