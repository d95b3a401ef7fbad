"""What outreach does when it is asked about templates."""

from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping
from uuid_utils.compat import uuid7

from chassis import paging
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.intake.privacy import PersonalField, RevealPii, RevealState, Revelation
from contracts.message import Envelope, ProblemCode, ProblemError
from contracts.outreach import templates as messages
from contracts.taxonomy import Purpose, Role, SendKind
from outreach.templates import domain_template, domain_values, store
from outreach.templates.domain_flaws import TemplateError

Ask = Callable[[str, RevealPii, Envelope], Awaitable[Revelation]]

MAY_PREVIEW: Final = frozenset({Role.AGENT, Role.OPERATOR, Role.ADMIN, Role.SUPERADMIN})
"""Who may see a lead's values in a message: the roles to which intake shows them for sending messages by way of the gateway."""
PLACEHOLDERS: Final = {
    domain_values.SENDER_NAME: "[sender.name]",
    domain_values.UNSUBSCRIBE_URL: "https://unsubscribe.example/preview",
}
"""What stands in a preview for what an account and a message will bring."""


class Handlers:
    """The answers about templates.

    Parameters:
        ask: asks intake on behalf of a tenant, because of a message.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def save(self, uow: UnitOfWork, request: Received[messages.SaveTemplate]) -> messages.TemplateView:
        tenant, order = request.tenant, request.body
        body = order.body.replace("\r\n", "\n")  # as forms and editors send it
        if flaws := domain_template.check(order.kind, order.subject, body):
            raise ProblemError(ProblemCode.INVALID, "; ".join(flaw.message for flaw in flaws[:5]), flaws[0].part)
        template = await store.name(uow, tenant, uuid7(), order.name, order.kind)
        if template["kind"] != order.kind:
            raise ProblemError(
                ProblemCode.CONFLICT,
                f"the template of this name is for {template['kind']}: give this one another name", "kind",
            )  # fmt: skip
        template_id = template["template_id"]
        newest = await store.version(uow, tenant, template_id, None)
        if newest and (newest["subject"], newest["body"]) == (order.subject, body):
            return _view(newest)
        uses = domain_template.all_variables(order.kind, order.subject, body)
        number = await store.keep(uow, tenant, template_id, order.subject, body, uses, order.actor)
        event = messages.TemplateSaved(
            template_id=template_id, template=order.name, send_kind=order.kind, version=number, saved_by=order.actor,
            occurred_at=uow.now,
        )  # fmt: skip
        uow.publish(tenant, event, request.envelope)
        return _view(await _version(uow, tenant, template_id, number))

    async def check(self, uow: UnitOfWork, request: Received[messages.CheckTemplate]) -> messages.TemplateCheck:
        """Of the service's own rules alone: no tenant's data is read."""
        order = request.body
        body = order.body.replace("\r\n", "\n")
        flaws = domain_template.check(order.kind, order.subject, body)
        try:
            uses = sorted(domain_template.all_variables(order.kind, order.subject, body))
        except TemplateError:
            uses = []
        checked = messages.TemplateCheck(flaws=flaws, variables=uses, may_use=list(domain_values.known(order.kind)))
        if flaws:
            return checked
        samples = {name: PLACEHOLDERS.get(name, f"[{name}]") for name in uses}
        made = domain_template.render(order.kind, order.subject, body, samples)
        return checked.model_copy(update={"subject": made.subject, "body": made.body})

    async def get(self, uow: UnitOfWork, request: Received[messages.GetTemplate]) -> messages.TemplateView:
        return _view(await _version(uow, request.tenant, request.body.template_id, request.body.version))

    async def list_templates(self, uow: UnitOfWork, request: Received[messages.ListTemplates]) -> messages.TemplatePage:
        ask = request.body
        before = paging.after(ask.cursor, UUID)
        rows = await store.page(uow, request.tenant, ask.kind, ask.template_ids, before, ask.limit + 1)
        found = [messages.TemplateSummary.model_validate(dict(row)) for row in rows[: ask.limit]]
        more = str(found[-1].template_id) if len(rows) > ask.limit else None
        return messages.TemplatePage(templates=found, next_cursor=more)

    async def list_versions(
        self, uow: UnitOfWork, request: Received[messages.ListTemplateVersions]
    ) -> messages.TemplateVersionPage:
        ask = request.body
        await _version(uow, request.tenant, ask.template_id, None)
        before = paging.after(ask.cursor, _version_number)
        rows = await store.page_of_versions(uow, request.tenant, ask.template_id, before, ask.limit + 1)
        found = [messages.TemplateVersionSummary.model_validate(dict(row)) for row in rows[: ask.limit]]
        more = str(found[-1].version) if len(rows) > ask.limit else None
        return messages.TemplateVersionPage(versions=found, next_cursor=more)

    async def preview(self, uow: UnitOfWork, request: Received[messages.PreviewTemplate]) -> messages.TemplatePreview:
        tenant, order = request.tenant, request.body
        row = await _version(uow, tenant, order.template_id, order.version)
        if order.lead_id:
            known = await self._values(uow, request, order.lead_id, row)
        else:
            known = order.sample or {}
        preview = messages.TemplatePreview(template_id=order.template_id, version=row["version"])
        try:
            made = domain_template.render(SendKind(row["kind"]), row["subject"], row["body"], {**PLACEHOLDERS, **known})
        except TemplateError as error:
            return preview.model_copy(update={"flaws": error.flaws})
        return preview.model_copy(update={"subject": made.subject, "body": made.body})

    async def _values(
        self, uow: UnitOfWork, request: Received[messages.PreviewTemplate], lead_id: UUID, row: RowMapping
    ) -> dict[str, str]:
        """What is known of a lead, as far as the template uses it: of what it does not use, nothing is revealed.

        Raises:
            ProblemError: `forbidden`, nobody is named who may see it; `not_found`, outreach or intake has no such lead, or its
                person was erased; or what intake refuses it for.
        """
        viewer = request.body.on_behalf_of
        if viewer is None or viewer.role not in MAY_PREVIEW:
            raise ProblemError(
                ProblemCode.FORBIDDEN, "only a user who may send messages is shown a lead's preview", "on_behalf_of"
            )
        lead = await store.attribution(uow, request.tenant, lead_id)
        if lead is None:
            raise _no_such_lead()
        uses = row["variables"]
        fields = [PersonalField.NAME] if domain_values.takes_a_name(uses) else []
        fields += [PersonalField.METADATA] if domain_values.metadata_of(uses) else []
        name, metadata = await self._reveal(request, lead_id, fields) if fields else (None, {})
        event = messages.TemplatePreviewed(
            template_id=row["template_id"], version=row["version"], lead_id=lead_id, actor=viewer.user,
            role=viewer.role, occurred_at=uow.now,
        )  # fmt: skip
        uow.publish(request.tenant, event, request.envelope)
        return domain_values.values(name, lead["attribution"], {**lead["metadata"], **metadata})

    async def _reveal(
        self, request: Received[messages.PreviewTemplate], lead_id: UUID, fields: list[PersonalField]
    ) -> tuple[str | None, dict[str, Any]]:
        """The lead's name and metadata that intake shows to outreach itself: it lets outreach ask on behalf of nobody."""
        wish = RevealPii(lead_ids=[lead_id], purpose=Purpose.SEND_MESSAGE, fields=fields)
        (shown,) = (await self._ask(request.tenant, wish, request.envelope)).leads
        if shown.state is not RevealState.REVEALED:
            raise _no_such_lead()
        return shown.name, shown.metadata or {}


async def _version(uow: UnitOfWork, tenant: str, template_id: UUID, number: int | None) -> RowMapping:
    row = await store.version(uow, tenant, template_id, number)
    if row is None and number is not None and await store.version(uow, tenant, template_id, None):
        raise ProblemError(
            ProblemCode.NOT_FOUND,
            "the template has no such version: list_template_versions says which it has",
            "version",
        )
    if row is None:
        raise ProblemError(
            ProblemCode.NOT_FOUND, "there is no such template: list_templates shows those there are", "template_id"
        )
    return row


def _version_number(cursor: str) -> int:
    number = int(cursor)
    if not 0 < number < 2**31:
        raise ValueError("no version has this number")
    return number


def _no_such_lead() -> ProblemError:
    return ProblemError(ProblemCode.NOT_FOUND, "there is no such lead, or its person was erased", "lead_id")


def _view(row: RowMapping) -> messages.TemplateView:
    return messages.TemplateView.model_validate(dict(row))
