"""The page behind a number: exactly the events that it counts, as of the moment it was shown at."""

from datetime import UTC, datetime
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from contracts.aggregator.kpis import Kpi, ListKpiEvents
from contracts.values import Moment
from gateway.api.kpis import campaign_names
from gateway.domain_activity import tell
from gateway.domain_numbers import NAMES, opening, part_in_words
from gateway.gate import Admitted, Principal
from gateway.pages.dashboard import time_zone
from gateway.pages.names import NOT_ASKED_FOR, REVEALS, names_of
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/numbers")

ROWS_SHOWN: Final = 50
BODY_SHOWN: Final = 1_000
"""Characters of an event's body."""


class Opened(BaseModel):
    """What the address of the page says about what it shows."""

    model_config = ConfigDict(frozen=True)

    part: Annotated[str, Field(max_length=200)] | None = None
    as_of: Annotated[Moment | None, BeforeValidator(lambda text: text or None)] = None
    cursor: Annotated[str, Field(max_length=200)] | None = None
    whole: UUID | None = None
    """The event of which all is shown; of others the beginning, where they are long."""


@router.get("/{kpi}")
async def number(principal: Admitted, kpi: Kpi, opened: Annotated[Opened, Query()], request: Request) -> Response:
    """A page of the events that a number counts, the last that occurred first."""
    return await _show(principal, kpi, opened, request)


@router.post("/{kpi}", dependencies=REVEALS)
async def number_by_name(
    principal: Admitted, kpi: Kpi, opened: Annotated[Opened, Query()], request: Request
) -> Response:
    """The same page, with what the leads are called."""
    return await _show(principal, kpi, opened, request, named=True)


async def _show(principal: Principal, kpi: Kpi, opened: Opened, request: Request, *, named: bool = False) -> Response:
    found = await principal.ask(ListKpiEvents(kpi=kpi, limit=ROWS_SHOWN, **opened.model_dump(exclude={"whole"})))
    part = opened.part
    campaigns = await campaign_names(principal) if part or any(event.campaign_id for event in found.events) else {}
    leads = [event.lead_id for event in found.events if event.lead_id]
    opens = opening(principal.tenant, found.as_of)
    terms = {"kpi": kpi.value, "as_of": found.as_of.isoformat()} | ({} if part is None else {"part": part})
    return page(
        "number.html",
        principal=principal,
        kpi=kpi,
        opened=opened,
        told=BODY_SHOWN,
        named=NAMES[kpi],
        part=part,
        part_in_words=part_in_words(kpi, part, campaigns) if part is not None else "",
        campaigns=campaigns,
        found=found,
        first=opened.cursor is None,
        lines=[(event, tell(event)) for event in found.events],
        opens=opens,
        address=opens(kpi, part, **({"cursor": opened.cursor} if opened.cursor else {})),
        names=await names_of(principal, leads) if named else NOT_ASKED_FOR,
        overview=f"/t/{principal.tenant}?{urlencode({'as_of': found.as_of.isoformat()})}",
        program=f"/api/t/{principal.tenant}/dashboard/events?{urlencode(terms)}",
        zone=await time_zone(request, principal.tenant),
        now=datetime.now(UTC),
    )
