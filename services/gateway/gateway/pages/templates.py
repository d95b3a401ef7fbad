"""Templates: the texts of messages, version by version: written, checked, saved as a new version, and shown for a lead."""

import asyncio
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.gateway.access import Scope
from contracts.message import ProblemError
from contracts.outreach.templates import (
    CheckTemplate,
    GetTemplate,
    ListTemplates,
    ListTemplateVersions,
    PreviewTemplate,
    SaveTemplate,
    TemplateCheck,
    TemplatePreview,
    TemplateView,
)
from contracts.taxonomy import SendKind
from gateway.domain_outreach import KINDS
from gateway.gate import Admitted, Principal, needs
from gateway.pages.dashboard import time_zone
from gateway.pages.forms import address, invalid
from gateway.pages.panel import panel
from gateway.pages.sign_in import see_other
from gateway.pages.win_rates import Chosen
from gateway.problems import STATUS
from gateway.rendering import page

router = APIRouter(prefix="/t/{tenant}/templates")

ROWS_SHOWN: Final = 50
VERSIONS_SHOWN: Final = 20
_PATIENCE_SECONDS: Final = 5.0
"""Longer than the overview's: whoever comes here came for this."""
_PREVIEW_SECONDS: Final = 10.0
"""Outreach asks intake."""


class Shown(BaseModel):
    """What the address of the list says about what it shows."""

    model_config = ConfigDict(frozen=True)

    kind: Chosen[SendKind] = None
    cursor: Annotated[str, Field(max_length=200)] | None = None

    def address(self, tenant: str, **changes: object) -> str:
        return address(f"/t/{tenant}/templates", self, **changes)


class TextForm(BaseModel):
    """The form that writes a template."""

    model_config = ConfigDict(extra="forbid")

    name: str = ""
    kind: SendKind = SendKind.EMAIL
    subject: str = ""
    body: str = ""
    do: str = "check"
    """What the button says that was pressed: ``save``, or ``check``, which keeps nothing."""

    @property
    def texts(self) -> dict[str, Any]:
        return {"kind": self.kind, "subject": self.subject if self.kind is SendKind.EMAIL else None, "body": self.body}


class PreviewForm(BaseModel):
    """The form that shows a version for a lead."""

    model_config = ConfigDict(extra="forbid")

    version: int
    lead_id: str = ""


@router.get("")
async def templates(principal: Admitted, shown: Annotated[Shown, Query()], request: Request) -> Response:
    found, zone = await asyncio.gather(
        panel(principal, ListTemplates(kind=shown.kind, limit=ROWS_SHOWN, cursor=shown.cursor), _PATIENCE_SECONDS),
        time_zone(request, principal.tenant),
    )
    return page(
        "templates.html", principal=principal, shown=shown, found=found, zone=zone, now=datetime.now(UTC),
        tabs=[(text, shown.address(principal.tenant, kind=kind), kind is shown.kind) for kind, text in KINDS.items()],
        **_WORDS,
    )  # fmt: skip


@router.get("/new", dependencies=[needs(Scope.OUTREACH_WRITE)])
async def new_template(principal: Admitted, kind: SendKind = SendKind.EMAIL) -> Response:
    form = TextForm(kind=kind)
    checked = await panel(principal, CheckTemplate(kind=kind, body=" "))
    return _form(principal, form, checked.reply, said=False)


@router.post("/new")
async def write_template(principal: Admitted, form: Annotated[TextForm, Form()]) -> Response:
    """Save it as the first version of a new template; or say what is wrong with it."""
    try:
        if form.do != "save":
            return _form(principal, form, await _checked(principal, form))
        saved = await principal.ask(_saving(principal, form, form.name.strip()))
    except ProblemError as error:
        return await _refused(principal, form, error)
    return see_other(_home(principal, saved.template_id))


@router.get("/{template_id}")
async def template(
    principal: Admitted,
    template_id: UUID,
    request: Request,
    version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """A version of a template, the newest where none is named, with sample values in it; and the versions there are."""
    return await _show(principal, template_id, version, request, cursor)


@router.get("/{template_id}/edit", dependencies=[needs(Scope.OUTREACH_WRITE)])
async def edit_template(
    principal: Admitted, template_id: UUID, version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None
) -> Response:
    """The form that writes the next version, beginning with what one says."""
    known = await principal.ask(GetTemplate(template_id=template_id, version=version))
    form = TextForm(name=known.name, kind=known.kind, subject=known.subject or "", body=known.body)
    return _form(principal, form, await _checked(principal, form), known)


@router.post("/{template_id}/edit")
async def save_version(principal: Admitted, template_id: UUID, form: Annotated[TextForm, Form()]) -> Response:
    """Save it as the next version; or say what is wrong with it."""
    known = await principal.ask(GetTemplate(template_id=template_id))
    form = form.model_copy(update={"name": known.name, "kind": known.kind})
    try:
        if form.do != "save":
            return _form(principal, form, await _checked(principal, form), known)
        await principal.ask(_saving(principal, form, known.name))
    except ProblemError as error:
        return await _refused(principal, form, error, known)
    return see_other(_home(principal, template_id))


@router.post("/{template_id}/preview")
async def preview_template(
    principal: Admitted, template_id: UUID, form: Annotated[PreviewForm, Form()], request: Request
) -> Response:
    """What a version looks like for a lead: its name is revealed, and audited."""
    try:
        lead_id = UUID(form.lead_id.strip())
    except ValueError:
        return await _show(
            principal,
            template_id,
            form.version,
            request,
            typed=form.lead_id,
            wrong="this is no lead's id: copy it from the lead's page",
        )
    try:
        wish = PreviewTemplate(
            template_id=template_id, version=form.version, lead_id=lead_id, on_behalf_of=principal.on_behalf_of()
        )
        made = await principal.ask(wish, seconds=_PREVIEW_SECONDS)
    except ProblemError as error:
        return await _show(
            principal,
            template_id,
            form.version,
            request,
            typed=form.lead_id,
            wrong=error.problem.message,
            status=STATUS[error.problem.code],
        )
    return await _show(principal, template_id, form.version, request, preview=made, lead_id=lead_id)


async def _show(
    principal: Principal,
    template_id: UUID,
    version: int | None,
    request: Request,
    cursor: str | None = None,
    *,
    preview: TemplatePreview | None = None,
    lead_id: UUID | None = None,
    typed: str = "",
    wrong: str = "",
    status: HTTPStatus = HTTPStatus.BAD_REQUEST,
) -> Response:
    known, versions, zone = await asyncio.gather(
        principal.ask(GetTemplate(template_id=template_id, version=version)),
        panel(principal, ListTemplateVersions(template_id=template_id, limit=VERSIONS_SHOWN, cursor=cursor)),
        time_zone(request, principal.tenant),
    )
    sample = await panel(principal, CheckTemplate(kind=known.kind, subject=known.subject, body=known.body))
    return page(
        "template.html", status if wrong else HTTPStatus.OK, principal=principal, template=known, versions=versions,
        sample=sample, preview=preview, lead_id=lead_id, typed=typed, wrong=wrong, zone=zone, now=datetime.now(UTC), **_WORDS,
    )  # fmt: skip


async def _checked(principal: Principal, form: TextForm) -> TemplateCheck:
    try:
        return await principal.ask(CheckTemplate(**form.texts))
    except ValidationError as error:
        raise invalid(error) from None


async def _refused(
    principal: Principal, form: TextForm, error: ProblemError, known: TemplateView | None = None
) -> Response:
    """The form again: with what is wrong with the texts, where that is what it was refused for."""
    try:
        checked = await _checked(principal, form)
    except ProblemError:
        checked = None
    return _form(principal, form, checked, known, wrong=None if checked and checked.flaws else error)


def _form(
    principal: Principal,
    form: TextForm,
    checked: TemplateCheck | None,
    known: TemplateView | None = None,
    *,
    wrong: ProblemError | None = None,
    said: bool = True,
) -> Response:
    """The form.

    Parameters:
        said: whether what is wrong with the texts is said.
    """
    status = STATUS[wrong.problem.code] if wrong else HTTPStatus.OK
    if said and form.do == "save" and checked and checked.flaws:
        status = HTTPStatus.BAD_REQUEST
    return page(
        "template_form.html", status, principal=principal, form=form, checked=checked, known=known, said=said,
        tabs=[(text, f"/t/{principal.tenant}/templates/new?kind={kind}", kind is form.kind) for kind, text in KINDS.items()],
        wrong=wrong.problem.message if wrong else "", **_WORDS,
    )  # fmt: skip


def _saving(principal: Principal, form: TextForm, name: str) -> SaveTemplate:
    try:
        return SaveTemplate(name=name, **form.texts, actor=principal.actor)
    except ValidationError as error:
        raise invalid(error) from None


def _home(principal: Principal, template_id: UUID) -> str:
    return f"/t/{principal.tenant}/templates/{template_id}"


_WORDS: Final[dict[str, Any]] = {"kinds": KINDS}
