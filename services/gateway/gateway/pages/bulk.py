"""Recording one outcome of many leads: chosen by what they are, or named in a table; and taking a bulk back."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.datastructures import FormData
from uuid_utils.compat import uuid7

from contracts.cells import harmless
from contracts.message import ProblemCode, ProblemError
from contracts.outcomes import (
    MAX_BULK_ROWS,
    BulkResults,
    BulkRow,
    ChooseLeads,
    ChosenLeads,
    LeadFilter,
    ListBulks,
    ListLeadKeys,
    Outcome,
    Reason,
    RecordOutcomesInBulk,
    VoidOutcomesInBulk,
)
from contracts.taxonomy import KEY_LENGTH, OutcomeType, Tier, key
from contracts.values import NO_NUL
from gateway.api.outcomes import BULK_SECONDS, must_be_admin
from gateway.domain_outcomes import OUTCOMES, Group, Judged, joined, judged, verdict_of_each
from gateway.domain_rows import MOST_CHARACTERS, Row, read_rows
from gateway.gate import Admitted, Principal
from gateway.identity.domain_access import is_admin
from gateway.pages.dashboard import settings_of, time_zone
from gateway.pages.filled_in import RIGHT, Filled, TypedCode, Wrong, WrongError, read, several, typed, wrong_with
from gateway.pages.lead import Why
from gateway.pages.names import NOT_ASKED_FOR, REVEALS, names_of
from gateway.pages.panel import Panel, panel
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/outcomes/bulk")

ROWS_SHOWN: Final = 50
_Key = Annotated[
    str | None,
    Field(max_length=KEY_LENGTH, pattern=NO_NUL),
    BeforeValidator(lambda text: key(text) or None if isinstance(text, str) else text),
]
"""A source, place or partner as people write it, or as its key."""
_ROWS_AT_ONCE: Final = 4_000
"""Rows of a table that are sent in one message, with all that a row may say."""
_FORMS: Final[dict[str, Any]] = {
    "requestBody": {"content": {"multipart/form-data": {}, "application/x-www-form-urlencoded": {}}}
}
_Optional = BeforeValidator(lambda text: text or None)


class Which(BaseModel):
    """Which leads the page shows."""

    model_config = ConfigDict(frozen=True)

    source_key: _Key = None
    geo_key: _Key = None
    partner: _Key = None
    tiers: Annotated[list[Tier], Field(max_length=len(Tier))] = []

    @property
    def filter(self) -> LeadFilter | None:
        """The same for outcomes; none where nothing was chosen."""
        chosen = {name: value for name, value in self.terms().items() if value}
        return LeadFilter.model_validate(chosen) if chosen else None

    def terms(self) -> dict[str, Any]:
        return self.model_dump(mode="json", include=set(Which.model_fields))


class Shown(Which):
    """What the address of the page says about what it shows."""

    cursor: Annotated[Annotated[str, Field(max_length=200)] | None, _Optional] = None

    def address(self, tenant: str, **changes: object) -> str:
        query = urlencode({k: v for k, v in (self.terms() | changes).items() if v}, doseq=True)
        return f"/t/{tenant}/outcomes/bulk" + (f"?{query}" if query else "")


class _What(BaseModel):
    """What is recorded of each lead."""

    model_config = ConfigDict(extra="forbid")

    type: OutcomeType
    occurred_at: Annotated[datetime | None, _Optional] = None
    """When it happened, by the tenant's clock; now, if empty."""
    reason_code: TypedCode = None
    override_reason: Annotated[Reason | None, _Optional] = None
    as_file: bool = False
    """Whether the verdict on each row is answered as a CSV file."""

    def outcome(self, zone: str) -> Outcome:
        """Raises WrongError where the moment is none of this time."""
        at = self.occurred_at or datetime.now(UTC)
        try:
            at = at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
            return Outcome(
                type=self.type, occurred_at=at, reason_code=self.reason_code, override_reason=self.override_reason
            )
        except (ValidationError, OverflowError):
            raise WrongError("occurred_at", "name a moment like 2026-11-30T12:00") from None


class OfChosen(_What, Shown):
    """The form over the table of leads."""

    model_config = ConfigDict(extra="forbid")

    lead_ids: Annotated[list[UUID], Field(max_length=ROWS_SHOWN)] = []
    """Those that were ticked."""
    everything: bool = False
    """Whether all that match are meant, and not those that were ticked."""
    confirmed: bool = False
    """Whether somebody was told how many these are."""


class OfTable(_What):
    """The form for a table that was pasted."""

    rows: Annotated[str, Field(max_length=MOST_CHARACTERS, pattern=NO_NUL)] = ""


class Voiding(Why):
    """The form that takes a bulk back."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Done:
    """What a form did, to be shown above the rest."""

    judged: Judged | None = None
    bulk_id: UUID | None = None
    voided: int | None = None
    wrong: Wrong = RIGHT
    about: str = ""
    """What was wrong: ``chosen``, ``table``, or the bulk that was to be taken back."""
    typed: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What was filled in there."""
    ticked: frozenset[str] = frozenset()
    """The leads that were ticked."""
    count: int | None = None
    """Of how many leads it would be recorded, for somebody to confirm."""
    form: "OfChosen | None" = field(default=None, repr=False)
    at: datetime | None = None
    """When it happened, to be said again with the same: recorded twice is recorded once."""


@router.get("")
async def bulk(principal: Admitted, shown: Annotated[Shown, Query()], request: Request) -> Response:
    return await _show(principal, request, shown)


@router.post("", dependencies=REVEALS)
async def bulk_by_name(principal: Admitted, shown: Annotated[Shown, Query()], request: Request) -> Response:
    """The same page, with what its leads are called."""
    return await _show(principal, request, shown, named=True)


@router.post("/record")
async def record_of_chosen(principal: Admitted, sent: Filled, request: Request) -> Response:
    """Record an outcome of the leads that were ticked, or of all that match."""
    shown = Shown()
    try:
        shown = read(Shown, sent)
        form = read(OfChosen, sent)
        outcome = form.outcome(await time_zone(request, principal.tenant))
        must_be_admin(principal, outcome)
        rows = [BulkRow(lead_id=lead_id) for lead_id in form.lead_ids]
        if form.everything and shown.filter and not form.confirmed:
            found = await principal.ask(ChooseLeads(leads=shown.filter, count=True, limit=1), seconds=BULK_SECONDS)
            return await _show(principal, request, shown, Done(count=found.count, form=form, at=outcome.occurred_at))
        if form.everything and shown.filter:
            order = RecordOutcomesInBulk(outcome=outcome, leads=shown.filter, recorded_by=principal.actor)
        elif rows and not form.everything:
            order = RecordOutcomesInBulk(outcome=outcome, rows=rows, recorded_by=principal.actor)
        else:
            raise ProblemError(ProblemCode.INVALID, "no lead was ticked: tick some, or record it of all that match")
        results = await principal.ask(order, seconds=BULK_SECONDS)
    except (WrongError, ProblemError) as error:
        ticked = frozenset(several(sent, "lead_ids"))
        return await _show(
            principal, request, shown, Done(wrong=wrong_with(error), about="chosen", typed=typed(sent), ticked=ticked)
        )
    named = [str(lead_id) for lead_id in results.lead_ids or form.lead_ids]
    if form.as_file:
        return _file(
            principal, [(lead, *said) for lead, said in zip(named, verdict_of_each(results, len(named)), strict=True)]
        )
    return await _show(principal, request, shown, Done(judged(results, named), results.bulk_id, at=outcome.occurred_at))


@router.post("/table", openapi_extra=_FORMS)
async def record_of_table(principal: Admitted, request: Request) -> Response:
    """Record the outcomes of a table that was pasted or uploaded: each row its own verdict, those that cannot be read too."""
    given, content = await _table(request)
    try:
        form, pasted = _read(given, content)
        zone = await time_zone(request, principal.tenant)
        outcome = form.outcome(zone)
        must_be_admin(principal, outcome)
        rows = read_rows(pasted, form.type, ZoneInfo(zone))
        results = await _record(principal, outcome, rows)
    except (WrongError, ProblemError) as error:
        return await _show(
            principal, request, Shown(), Done(wrong=wrong_with(error), about="table", typed=typed(given))
        )
    if form.as_file:
        verdicts = verdict_of_each(results, sum(row.order is not None for row in rows))
        return _file(
            principal, [(row.named, *(next(verdicts) if row.order else ("Cannot be read", row.flaw))) for row in rows]
        )
    good = [row for row in rows if row.order]
    found = judged(results, [row.named for row in good], [row.number for row in good])
    return await _show(
        principal, request, Shown(), Done(_with_flaws(found, rows), results.bulk_id, at=outcome.occurred_at)
    )


@router.post("/{bulk_id}/void")
async def void_bulk(principal: Admitted, bulk_id: UUID, form: Filled, request: Request) -> Response:
    """Take back all that a bulk recorded."""
    try:
        given = read(Voiding, form)
        order = VoidOutcomesInBulk(
            bulk_id=bulk_id, reason_code=given.why_code, reason=given.why, voided_by=principal.actor
        )
        voided = await principal.ask(order, seconds=BULK_SECONDS)
    except (WrongError, ProblemError) as error:
        done = Done(wrong=wrong_with(error), about=str(bulk_id), typed=typed(form))
        return await _show(principal, request, Shown(), done)
    return await _show(principal, request, Shown(), Done(voided=voided.counts.get("voided", 0)))  # type: ignore[call-overload]


async def _record(principal: Principal, outcome: Outcome, rows: Sequence[Row]) -> BulkResults:
    if not rows:
        raise ProblemError(ProblemCode.INVALID, "there is no row: paste some, or choose a file", "rows")
    if len(rows) > MAX_BULK_ROWS:
        text = f"{len(rows):,} rows are more than a bulk takes, which is {MAX_BULK_ROWS:,}: import the file"
        raise ProblemError(ProblemCode.INVALID, text, "rows")
    orders = [row.order for row in rows if row.order]
    bulk_id, parts = uuid7(), []
    for start in range(0, len(orders), _ROWS_AT_ONCE):
        part = orders[start : start + _ROWS_AT_ONCE]
        order = RecordOutcomesInBulk(outcome=outcome, rows=part, recorded_by=principal.actor, bulk_id=bulk_id)
        parts.append((await principal.ask(order, seconds=BULK_SECONDS), len(part)))
    return joined(parts)


async def _table(request: Request) -> tuple[FormData, bytes]:
    """The form, and what the file holds that came with it."""
    async with request.form(max_files=1, max_fields=10, max_part_size=MOST_CHARACTERS) as form:
        file = form.get("file")
        content = b"" if file is None or isinstance(file, str) else await file.read()
        return FormData([(name, value) for name, value in form.multi_items() if name != "file"]), content


def _read(form: FormData, content: bytes) -> tuple[OfTable, str]:
    """The form and its rows: those of the file where there is one, else those that were pasted.

    Raises:
        WrongError: a field cannot be read, or the file is no text.
    """
    given = read(OfTable, form)
    try:
        return given, content.decode("utf-8-sig") or given.rows
    except UnicodeDecodeError:
        raise WrongError("", "the file is no text in UTF-8; save it as CSV in UTF-8") from None


def _with_flaws(found: Judged, rows: Sequence[Row]) -> Judged:
    flaws: dict[str, list[Row]] = {}
    for row in rows:
        if row.order is None:
            flaws.setdefault(row.flaw, []).append(row)
    unread = [
        Group("Cannot be read", "critical", flaw, len(those), [(row.number, row.named) for row in those[:ROWS_SHOWN]])
        for flaw, those in flaws.items()
    ]
    return Judged(found.recorded, [*unread, *found.groups])


def _file(principal: Principal, rows: Sequence[tuple[str, str, str]]) -> Response:
    """The verdict on each row, as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("row", "lead", "verdict", "why"))
    writer.writerows((number, *map(harmless, row)) for number, row in enumerate(rows, start=1))
    name = f'attachment; filename="{principal.tenant}-verdicts.csv"'
    return Response(out.getvalue(), media_type="text/csv", headers={"Content-Disposition": name})


async def _show(
    principal: Principal,
    request: Request,
    shown: Shown,
    done: Done | None = None,
    *,
    named: bool = False,
) -> Response:
    leads: Panel[ChosenLeads] | None = None
    if shown.filter:
        leads = await panel(principal, ChooseLeads(leads=shown.filter, limit=ROWS_SHOWN, cursor=shown.cursor))
    names = NOT_ASKED_FOR
    if named and leads and leads.reply:
        names = await names_of(principal, [lead.lead_id for lead in leads.reply.leads])
    settings = await settings_of(request.app.state.service, principal.tenant)
    return page(
        "bulk.html", done.wrong.status if done else HTTPStatus.OK, principal=principal, shown=shown, done=done, leads=leads, names=names,
        keys=await panel(principal, ListLeadKeys()), bulks=await panel(principal, ListBulks()), outcomes=OUTCOMES,
        tiers=list(Tier), most=MAX_BULK_ROWS, most_characters=MOST_CHARACTERS, may_override=is_admin(principal.allowed),
        settings=settings, zone=settings.time_zone, now=datetime.now(UTC),
    )  # fmt: skip
