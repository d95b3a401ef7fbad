"""What intake does with what it is sent and asked."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis import paging
from chassis.keys import TenantKeys
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.intake import leads as messages
from intake.leads import source_ids, store
from intake.leads.problems import no_such_lead
from intake.leads.shown import view
from intake.leads.submissions import submit
from intake.limits.admission import Admission


class Handlers:
    """Intake's handlers; they share the tenants' keys, and who decides what may come in now."""

    def __init__(self, keys: TenantKeys, admission: Admission) -> None:
        self._keys = keys
        self._admission = admission

    async def submit_leads(self, uow: UnitOfWork, received: Sequence[Received[messages.SubmitLead]]) -> None:
        by_tenant: dict[str, list[Received[Any]]] = {}
        for message in await self._admission.let_in(uow, received):
            by_tenant.setdefault(message.tenant, []).append(message)
        for tenant, submissions in sorted(by_tenant.items()):  # as everybody does who locks several tenants' work
            # A file may be imported again when the inbox has forgotten its commands: then, of two submissions of one
            # lead, the first would undo what the second changed.
            judged = {row["submission_id"] for row in await store.verdicts(uow, tenant, [m.id for m in submissions])}
            new = [message for message in submissions if message.id not in judged]
            await submit(uow, await self._keys.of(uow, tenant), new, strict=False)

    async def submit_lead_now(self, uow: UnitOfWork, request: Received[messages.SubmitLeadNow]) -> messages.Submitted:
        allowance = await self._admission.let_in_now(uow, request)
        (submitted,) = await submit(uow, await self._keys.of(uow, request.tenant), [request], strict=True)
        return submitted.model_copy(update={"allowance": allowance})

    async def get_lead(self, uow: UnitOfWork, request: Received[messages.GetLead]) -> messages.LeadView:
        row = await store.lead(uow, request.tenant, request.body.lead_id)
        if row is None:
            raise no_such_lead()
        return view(row)

    async def list_leads(self, uow: UnitOfWork, request: Received[messages.ListLeads]) -> messages.LeadPage:
        ask = request.body
        filters = ask.model_dump(include={"source_key", "geo_key", "intent", "tier"})
        before = paging.after(ask.cursor, UUID)
        rows = await store.page(uow, request.tenant, filters, before, ask.limit + 1, include_merged=ask.include_merged)
        leads = [view(row) for row in rows[: ask.limit]]
        return messages.LeadPage(leads=leads, next_cursor=str(leads[-1].lead_id) if len(rows) > ask.limit else None)

    async def get_submissions(
        self, uow: UnitOfWork, request: Received[messages.GetSubmissions]
    ) -> messages.SubmissionList:
        rows = await store.verdicts(uow, request.tenant, request.body.submission_ids)
        return messages.SubmissionList(submissions=[messages.SubmissionView.model_validate(dict(row)) for row in rows])

    async def count_submissions(
        self, uow: UnitOfWork, request: Received[messages.CountSubmissions]
    ) -> messages.SubmissionCounts:
        counts = await store.count_verdicts(uow, request.tenant, request.body.correlation_id)
        return messages.SubmissionCounts.model_validate({"counts": counts})

    async def get_import_key(self, uow: UnitOfWork, request: Received[messages.GetImportKey]) -> messages.ImportKey:
        key = await self._keys.of(uow, request.tenant)
        # Like a token that lasts: no rotation changes it, and it tells nothing of the key it is made with.
        return messages.ImportKey(key=key.lasting_token("import", ""))

    async def tokenise_source_ids(
        self, uow: UnitOfWork, request: Received[messages.TokeniseSourceIds]
    ) -> messages.SourceIds:
        key = await self._keys.of(uow, request.tenant)
        named = [(lead.source_system, lead.source_id) for lead in request.body.leads]
        return messages.SourceIds(source_ids=await source_ids.public(uow, key, named))
