"""Imports: those there are, a new one step by step, how it goes, and how it is taken back."""

import json
import re
from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from starlette.responses import StreamingResponse

from contracts.gateway.access import Scope
from contracts.intake.imports import (
    CancelImport,
    CheckImport,
    CreateImport,
    GetImport,
    ImportDetails,
    ImportErrorPage,
    ImportPreview,
    ImportState,
    KeptLeadPage,
    ListImportErrors,
    ListImports,
    ListKeptLeads,
    PreviewImport,
    RevertImport,
    SetImportMapping,
    StartImport,
)
from contracts.message import ProblemCode, ProblemError, id_from_content
from contracts.message import Request as Ask
from gateway import live
from gateway.api.imports import UNDER_WAY, errors_file, kept, views
from gateway.gate import Admitted, Principal
from gateway.limits import Kind, limited
from gateway.pages.forms import invalid
from gateway.pages.sign_in import see_other
from gateway.pages.uploading import file_in
from gateway.problems import STATUS
from gateway.rendering import fragment, page

router = APIRouter(prefix="/t/{tenant}/imports")

LEAD_FIELDS: Final = (
    ("source_id", "Id in its system (required)"),
    ("full_name", "Full name"),
    ("email", "E-mail"),
    ("phone", "Telephone"),
    ("linkedin_url", "LinkedIn profile"),
    ("source", "Source"),
    ("geo", "Place"),
    ("country", "Country"),
    ("intent", "Intent"),
    ("timeline", "Timeline"),
    ("price", "Price"),
    ("budget", "Budget"),
    ("tier", "Tier"),
    ("product_interest", "Interest"),
    ("partner", "Partner"),
    ("created_at", "Created at"),
    ("last_activity_at", "Last activity at"),
    ("notes", "Notes"),
)
OUTCOME_FIELDS: Final = (("type", "Outcome"), ("occurred_at", "When it happened"), ("value", "Value"))
_USUAL: Final = {
    "source_id": {"id", "leadid", "recordid", "leadnumber", "prospectid"},
    "full_name": {"name", "fullname", "leadname", "contactname"},
    "email": {"email", "emailaddress", "mail"},
    "phone": {"phone", "telephone", "mobile", "phonenumber", "phone1", "mobilephone"},
    "linkedin_url": {"linkedin", "linkedinurl", "linkedinprofile"},
    "source": {"source", "leadsource"},
    "geo": {"geo", "city", "place", "location"},
    "created_at": {"created", "createdat", "createddate", "createdon"},
}
"""How columns are often called, in small letters and figures: what the form proposes."""
_SYSTEM: Final = "crm"
_ERRORS_SHOWN: Final = 20
_KEPT_SHOWN: Final = 50
_PREVIEWED: Final = 5

Mapped: type[BaseModel] = create_model(
    "Mapped",
    __config__=ConfigDict(extra="forbid"),
    source_system=(str, _SYSTEM),
    **{f"lead_{name}": (str, "") for name, _ in LEAD_FIELDS},
    **{f"outcome_{name}": (str, "") for name, _ in OUTCOME_FIELDS},
)  # type: ignore[call-overload]
"""The form that says which column is what; an empty one is none."""


class Written(BaseModel):
    """The form for a mapping as text."""

    model_config = ConfigDict(extra="forbid")

    mapping: str = ""


class Confirmed(BaseModel):
    """The form that takes an import back."""

    model_config = ConfigDict(extra="forbid")

    sure: bool = False


@router.get("")
async def imports(
    principal: Admitted,
    state: Annotated[ImportState | Literal[""], Query()] = "",
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    return await _list(principal, state or None, cursor)


@router.post("", dependencies=[limited(Kind.UPLOADING)])
async def upload(principal: Admitted, request: Request, once: Annotated[str, Query(max_length=64)] = "") -> Response:
    """Keep a file as it comes; then its columns are mapped.

    Parameters:
        once: the form's own key, of which the import's id is made: sent twice it is one import, whose file is the same.
    """
    try:
        name, content = await file_in(request, "file")
        run_id = id_from_content("form", principal.tenant, principal.actor, once) if once else uuid4()
        made = await principal.ask(CreateImport(run_id=run_id, file_name=name, actor=principal.actor))
        await kept(principal, made.run_id, content)
    except ProblemError as error:
        return await _list(principal, wrong=error)
    return see_other(f"/t/{principal.tenant}/imports/{made.run_id}")


@router.get("/{run_id}")
async def show_import(principal: Admitted, run_id: UUID) -> Response:
    return await _show(principal, run_id)


@router.get("/{run_id}/live", dependencies=[live.SEAT])
async def import_live(principal: Admitted, run_id: UUID) -> StreamingResponse:
    """How it goes, as server-sent events, for the page to show in the place of what it shows; at the end it loads itself anew."""
    first = await principal.ask(GetImport(run_id=run_id))
    return live.stream(principal, _told(principal, first))


async def _told(principal: Principal, first: ImportDetails) -> AsyncGenerator[str]:
    async for view in views(principal, first):
        if view is None:
            yield live.SIGN_OF_LIFE
        elif view.state in UNDER_WAY:
            yield live.told("list", fragment("import_progress.html", view=view))
        else:
            yield live.told("end")


@router.get("/{run_id}/errors.csv")
async def download_errors(principal: Admitted, run_id: UUID) -> Response:
    return await errors_file(principal, run_id)


@router.post("/{run_id}/columns")
async def map_columns(principal: Admitted, run_id: UUID, form: Annotated[Mapped, Form()]) -> Response:
    """Make a mapping of the columns that were chosen."""
    return await _map(principal, run_id, _mapping(form.__dict__), chosen=form.__dict__)


@router.post("/{run_id}/mapping")
async def write_mapping(principal: Admitted, run_id: UUID, form: Annotated[Written, Form()]) -> Response:
    return await _map(principal, run_id, form.mapping, written=form.mapping)


@router.post("/{run_id}/preview")
async def preview(principal: Admitted, run_id: UUID) -> Response:
    """Show the first rows this once: that they were seen is told."""
    try:
        shown = await principal.ask(PreviewImport(run_id=run_id, limit=_PREVIEWED, actor=principal.actor))
    except ProblemError as error:
        return await _show(principal, run_id, wrong=error)
    return await _show(principal, run_id, shown=shown)


@router.post("/{run_id}/check")
async def check(principal: Admitted, run_id: UUID) -> Response:
    return await _done(principal, run_id, CheckImport(run_id=run_id, actor=principal.actor))


@router.post("/{run_id}/start")
async def start(principal: Admitted, run_id: UUID) -> Response:
    return await _done(principal, run_id, StartImport(run_id=run_id, actor=principal.actor))


@router.post("/{run_id}/cancel")
async def cancel(principal: Admitted, run_id: UUID) -> Response:
    return await _done(principal, run_id, CancelImport(run_id=run_id, actor=principal.actor))


@router.post("/{run_id}/revert")
async def revert(principal: Admitted, run_id: UUID, form: Annotated[Confirmed, Form()]) -> Response:
    """Take it back; whoever does has said that they are sure."""
    if not form.sure:
        wrong = ProblemError(
            ProblemCode.INVALID, "tick that you are sure: what is taken back is not imported again by itself"
        )
        return await _show(principal, run_id, wrong=wrong)
    return await _done(principal, run_id, RevertImport(run_id=run_id, actor=principal.actor))


async def _map(
    principal: Principal,
    run_id: UUID,
    mapping: str,
    *,
    chosen: dict[str, str] | None = None,
    written: str | None = None,
) -> Response:
    """Set the mapping; the page again, with what was `chosen` or `written`, where it is refused."""
    try:
        await principal.ask(SetImportMapping(run_id=run_id, mapping=mapping))
    except ValidationError as error:
        return await _show(principal, run_id, wrong=invalid(error), chosen=chosen, written=written)
    except ProblemError as error:
        return await _show(principal, run_id, wrong=error, chosen=chosen, written=written)
    return see_other(f"/t/{principal.tenant}/imports/{run_id}")


async def _done(principal: Principal, run_id: UUID, order: Ask[Any]) -> Response:
    try:
        await principal.ask(order)
    except ProblemError as error:
        return await _show(principal, run_id, wrong=error)
    return see_other(f"/t/{principal.tenant}/imports/{run_id}")


async def _list(
    principal: Principal,
    state: ImportState | None = None,
    cursor: str | None = None,
    *,
    wrong: ProblemError | None = None,
) -> Response:
    found = await principal.ask(ListImports(state=state, cursor=cursor))
    return page(
        "imports.html", STATUS[wrong.problem.code] if wrong else HTTPStatus.OK, principal=principal, found=found,
        state=state or "", states=[("", "all"), *((each.value, each.value) for each in ImportState)],
        may_import=Scope.IMPORTS_WRITE in principal.allowed, wrong=wrong.problem.message if wrong else "",
    )  # fmt: skip


async def _show(
    principal: Principal,
    run_id: UUID,
    *,
    wrong: ProblemError | None = None,
    shown: ImportPreview | None = None,
    chosen: dict[str, str] | None = None,
    written: str | None = None,
) -> Response:
    view = await principal.ask(GetImport(run_id=run_id))
    errors = ImportErrorPage(errors=[])
    if view.counts.errors or (view.check and view.check.errors):
        errors = await principal.ask(ListImportErrors(run_id=run_id, limit=_ERRORS_SHOWN))
    stay = KeptLeadPage(leads=[])
    if view.reverted and view.reverted.kept:
        stay = await principal.ask(ListKeptLeads(run_id=run_id, limit=_KEPT_SHOWN))
    return page(
        "import.html", STATUS[wrong.problem.code] if wrong else HTTPStatus.OK, principal=principal, view=view,
        errors=errors, stay=stay, shown=shown, chosen=_chosen(view) if chosen is None else chosen, lead_fields=LEAD_FIELDS,
        outcome_fields=OUTCOME_FIELDS, written=view.mapping or "" if written is None else written,
        under_way=view.state in UNDER_WAY, may_import=Scope.IMPORTS_WRITE in principal.allowed,
        wrong=wrong.problem.message.splitlines() if wrong else [],
    )  # fmt: skip


def _mapping(chosen: dict[str, str]) -> str:
    """The mapping that the form says, as `leadloop import` reads one."""
    lead = {name: {"column": column} for name, _ in LEAD_FIELDS if (column := chosen[f"lead_{name}"])}
    outcome = {name: {"column": column} for name, _ in OUTCOME_FIELDS if (column := chosen[f"outcome_{name}"])}
    mapping: dict[str, Any] = {"source_system": chosen["source_system"], "lead": lead}
    if outcome:
        mapping["outcomes"] = [outcome]
    return json.dumps(mapping, indent=2, ensure_ascii=False)


def _chosen(view: ImportDetails) -> dict[str, str]:
    """What the form shows as chosen: what it was set to, else what the columns are likely to be."""
    if view.mapping:
        try:
            said = json.loads(view.mapping)
            rules = {f"lead_{name}": rule["column"] for name, rule in said["lead"].items()}
            for outcome in said.get("outcomes", []):
                rules |= {f"outcome_{name}": rule["column"] for name, rule in outcome.items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            pass  # written by hand: the text says it, and the form what is likely
        else:
            return {**rules, "source_system": said.get("source_system", _SYSTEM)}
    plain = {re.sub(r"[^a-z0-9]", "", column.lower()): column for column in reversed(view.columns)}
    likely = {"source_system": _SYSTEM}
    for name, _ in LEAD_FIELDS:
        if found := (_USUAL.get(name, set()) | {name.replace("_", "")}) & plain.keys():
            likely[f"lead_{name}"] = plain[min(found)]
    return likely
