"""Templates: the texts that messages are made of, version by version."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from contracts.outreach.templates import (
    CheckTemplate,
    GetTemplate,
    ListTemplates,
    ListTemplateVersions,
    PreviewTemplate,
    SaveTemplate,
    TemplateCheck,
    TemplatePage,
    TemplatePreview,
    TemplateVersionPage,
    TemplateView,
)
from gateway.api.orders import Paging, order, sent
from gateway.gate import Admitted

router = APIRouter(prefix="/templates", tags=["templates"])


@router.get("")
async def list_templates(principal: Admitted, query: Annotated[ListTemplates, Query()]) -> TemplatePage:
    """Templates, the youngest first, a page at a time."""
    return await principal.ask(query)


@router.post("", status_code=HTTPStatus.CREATED)
async def save_template(
    principal: Admitted, given: Annotated[BaseModel, sent(SaveTemplate, "actor")], response: Response
) -> TemplateView:
    """Keep a text as a template's new version. What the newest version says already makes no new one, so it can be repeated."""
    saved = await principal.ask(order(SaveTemplate, given, actor=principal.actor))
    response.headers["Location"] = f"/api/t/{principal.tenant}/templates/{saved.template_id}"
    return saved


@router.post("/check")
async def check_template(principal: Admitted, texts: CheckTemplate) -> TemplateCheck:
    """What is wrong with texts, what they use, and what they look like with sample values; nothing is kept."""
    return await principal.ask(texts)


@router.get("/{template_id}")
async def get_template(principal: Admitted, template_id: UUID) -> TemplateView:
    """A template's newest version."""
    return await principal.ask(GetTemplate(template_id=template_id))


@router.get("/{template_id}/versions")
async def list_template_versions(
    principal: Admitted, template_id: UUID, query: Annotated[Paging, Query()]
) -> TemplateVersionPage:
    """The versions of a template, newest first, a page at a time."""
    return await principal.ask(ListTemplateVersions(template_id=template_id, **query.model_dump()))


@router.get("/{template_id}/versions/{version}")
async def get_template_version(principal: Admitted, template_id: UUID, version: int) -> TemplateView:
    """A version of a template."""
    return await principal.ask(GetTemplate(template_id=template_id, version=version))


@router.post("/{template_id}/preview")
async def preview_template(
    principal: Admitted,
    template_id: UUID,
    given: Annotated[BaseModel, sent(PreviewTemplate, "template_id", "on_behalf_of")],
) -> TemplatePreview:
    """What a version looks like with sample values, or for a lead: then its name is revealed, and audited."""
    preview = order(PreviewTemplate, given, template_id=template_id)
    if preview.lead_id:
        preview = preview.model_copy(update={"on_behalf_of": principal.on_behalf_of()})
    return await principal.ask(preview)
