"""Suppressions: who is not to be contacted, and why; adding and lifting an entry, and the ledger as CSV, in and out."""

import asyncio
from datetime import UTC, date, datetime, time, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, File, Form, Query, Request, Response, UploadFile
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.gateway.access import Scope
from contracts.message import ProblemCode, ProblemError
from contracts.outreach.backfill import ImportSuppressions, RowVerdict
from contracts.outreach.people import ListSuppressions, SuppressionReason, Unsuppress
from contracts.taxonomy import Channel
from gateway.api.kpis import campaign_names
from gateway.api.suppressions import SuppressionImport, imported
from gateway.domain_outreach import CHANNELS, SUPPRESSION_REASONS
from gateway.gate import Admitted, Principal, needs
from gateway.pages.dashboard import time_zone
from gateway.pages.forms import address, invalid
from gateway.pages.names import NOT_ASKED_FOR, REVEALS, names_of
from gateway.pages.panel import panel
from gateway.pages.sign_in import see_other
from gateway.pages.win_rates import Chosen
from gateway.problems import STATUS
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/suppressions")

WRITES: Final = needs(Scope.OUTREACH_READ, Scope.OUTREACH_WRITE)
"""What whoever changes something needs, beside what everybody here does: names are shown to who may not."""
ROWS_SHOWN: Final = 50
NOTE_SHOWN: Final = 200
"""Characters of a note."""
_PATIENCE_SECONDS: Final = 5.0
"""Longer than the overview's: whoever comes here came for this."""
_ADDING_SECONDS: Final = 15.0
"""Outreach asks intake who the person is."""


class Shown(BaseModel):
    """What the address of the page says about what it shows."""

    model_config = ConfigDict(frozen=True)

    lead_id: Chosen[UUID] = None
    cursor: Annotated[str, Field(max_length=200)] | None = None
    whole: UUID | None = None
    """The entry whose notes are shown whole; of others the beginning, where they are long."""

    def address(self, tenant: str, **changes: object) -> str:
        return address(f"/t/{tenant}/suppressions", self, **{"whole": None} | changes)

    def lifting(self, tenant: str, suppression_id: UUID) -> str:
        """Where an entry of this page is lifted, from where one comes back to it."""
        return address(f"/t/{tenant}/suppressions/{suppression_id}/lift", self, cursor=self.cursor)


class NewEntry(BaseModel):
    """The form that adds an entry: about a person by whatever is known of them."""

    model_config = ConfigDict(extra="forbid")

    email: Chosen[str] = None
    phone: Chosen[str] = None
    linkedin_url: Chosen[str] = None
    lead_id: Chosen[str] = None
    reason: SuppressionReason = SuppressionReason.DO_NOT_CONTACT
    channel: Chosen[Channel] = None
    campaign_id: Chosen[UUID] = None
    last_day: Chosen[str] = None
    """The last day on which it holds, by the tenant's clock; without an end, if empty."""
    note: Chosen[str] = None

    def order(self, actor: str, zone: str) -> ImportSuppressions:
        """What is asked of outreach.

        Raises:
            ProblemError: `invalid`.
        """
        known = self.model_dump(include={"email", "phone", "linkedin_url", "lead_id"}, exclude_none=True)
        row = self.model_dump(include={"reason", "channel", "campaign_id", "note"}, exclude_none=True)
        try:
            last_day = date.fromisoformat(self.last_day) if self.last_day else date.max
        except ValueError:
            raise ProblemError(
                ProblemCode.INVALID, "the last day is none: write one like 2026-11-30", "last_day"
            ) from None
        if last_day < date.max:
            row["expires_at"] = datetime.combine(last_day + timedelta(days=1), time(), ZoneInfo(zone))
        try:
            return ImportSuppressions.model_validate({"rows": [{"person": known, **row}], "actor": actor})
        except ValidationError as error:
            raise invalid(error) from None


class Lift(BaseModel):
    """The form that lifts an entry."""

    model_config = ConfigDict(extra="forbid")

    note: str = ""


@router.get("")
async def suppressions(principal: Admitted, shown: Annotated[Shown, Query()], request: Request) -> Response:
    return await _show(principal, shown, request)


@router.post("", dependencies=REVEALS)
async def with_names(principal: Admitted, shown: Annotated[Shown, Query()], request: Request) -> Response:
    return await _show(principal, shown, request, named=True)


@router.post("/add", dependencies=[WRITES])
async def suppress(principal: Admitted, form: Annotated[NewEntry, Form()], request: Request) -> Response:
    try:
        order = form.order(principal.actor, await time_zone(request, principal.tenant))
        (result,) = (await principal.ask(order, seconds=_ADDING_SECONDS)).results
        if result.verdict is RowVerdict.REFUSED:
            raise ProblemError(ProblemCode.INVALID, result.reason or "this entry was refused", result.field)
    except ProblemError as error:
        return await _show(principal, Shown(), request, wrong=error, form=form)
    return see_other(_home(principal))


@router.post("/import", dependencies=[WRITES])
async def import_file(
    principal: Admitted,
    request: Request,
    file: Annotated[UploadFile, File()],
    dry_run: Annotated[bool, Form()] = False,
) -> Response:
    """Have the persons of a CSV file not be contacted, or only say what would become of each row."""
    try:
        done = await imported(principal, await file.read(), dry_run)
    except ProblemError as error:
        return await _show(principal, Shown(), request, wrong=error)
    return await _show(principal, Shown(), request, done=done, dry_run=dry_run)


@router.post("/{suppression_id}/lift", dependencies=[WRITES])
async def lift(
    principal: Admitted,
    suppression_id: UUID,
    shown: Annotated[Shown, Query()],
    form: Annotated[Lift, Form()],
    request: Request,
) -> Response:
    """End an entry, and say why."""
    try:
        if not form.note.strip():
            raise ProblemError(ProblemCode.INVALID, "say why it is lifted: the ledger keeps it", "note")
        wish = Unsuppress(suppression_id=suppression_id, actor=principal.actor, note=form.note.strip())
        await principal.ask(wish)
    except ValidationError as error:
        return await _show(principal, shown, request, wrong=invalid(error), lifting=(suppression_id, form.note))
    except ProblemError as error:
        return await _show(principal, shown, request, wrong=error, lifting=(suppression_id, form.note))
    return see_other(shown.address(principal.tenant, cursor=shown.cursor))


async def _show(
    principal: Principal,
    shown: Shown,
    request: Request,
    *,
    wrong: ProblemError | None = None,
    form: NewEntry | None = None,
    lifting: tuple[UUID | None, str] = (None, ""),
    done: SuppressionImport | None = None,
    dry_run: bool = False,
    named: bool = False,
) -> Response:
    found, campaigns, zone = await asyncio.gather(
        panel(principal, ListSuppressions(**shown.model_dump(exclude={"whole"}), limit=ROWS_SHOWN), _PATIENCE_SECONDS),
        campaign_names(principal),
        time_zone(request, principal.tenant),
    )
    leads = [entry.lead_id for entry in found.reply.suppressions if entry.lead_id] if found.reply else []
    return page(
        "suppressions.html", STATUS[wrong.problem.code] if wrong else HTTPStatus.OK, principal=principal, shown=shown,
        found=found, campaigns=campaigns, form=form or NewEntry(), lifting=lifting, noted=NOTE_SHOWN, done=done, dry_run=dry_run, zone=zone,
        names=await names_of(principal, leads) if named else NOT_ASKED_FOR, now=datetime.now(UTC),
        wrong=wrong.problem.message if wrong else "", **_WORDS,
    )  # fmt: skip


def _home(principal: Principal) -> str:
    return f"/t/{principal.tenant}/suppressions"


_WORDS: Final[dict[str, Any]] = {"channels": CHANNELS, "reasons": SUPPRESSION_REASONS}
