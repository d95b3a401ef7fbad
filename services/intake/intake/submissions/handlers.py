"""What intake does with what is submitted, and what it answers about that."""

from collections.abc import Sequence
from typing import Any

from chassis.keys import TenantKeys
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.intake import leads as messages
from intake.limits.admission import Admission
from intake.submissions import store
from intake.submissions.submitting import submit


class Handlers:
    """The handlers of submissions; they share the tenants' keys, and who decides what may come in now."""

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

    async def submit_lead_now(
        self, uow: UnitOfWork, request: Received[messages.SubmitLeadNow]
    ) -> messages.SubmissionResult:
        allowance = await self._admission.let_in_now(uow, request)
        (submitted,) = await submit(uow, await self._keys.of(uow, request.tenant), [request], strict=True)
        return submitted.model_copy(update={"allowance": allowance})

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
