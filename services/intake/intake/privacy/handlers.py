"""What intake does when it is asked for what is personal, or that it be forgotten."""

from collections.abc import Callable, Sequence
from uuid import UUID

from chassis import paging
from chassis.caller import Caller
from chassis.keys import TenantKeys
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.intake import erasure as erasure_messages
from contracts.intake import privacy as messages
from contracts.intake import texts as text_messages
from contracts.message import Problem, ProblemCode, ProblemError
from contracts.operations import PersonalDataDropped
from contracts.taxonomy import Purpose
from intake.leads.problems import no_such_lead
from intake.people import store as people
from intake.privacy import erasing, revealing, store_audit, store_erasure, store_export, texts
from intake.privacy.asking import Asker
from intake.privacy.domain_export import Place
from intake.privacy.exporting import Exporter


class Handlers:
    """The vault's handlers; `ask` gives what asks the other services, once the service runs."""

    def __init__(self, keys: TenantKeys, ask: Callable[[], Caller]) -> None:
        self._keys = keys
        self._ask = ask

    async def reveal_pii(self, uow: UnitOfWork, request: Received[messages.RevealPii]) -> messages.Revelation | Problem:
        ask, who = request.body, Asker.of(request)
        who.must_be_allowed_to_see(ask.purpose)
        key = await self._keys.of(uow, request.tenant)
        wanted = list(dict.fromkeys(ask.lead_ids))
        shown = await revealing.reveal(uow, key, who, ask.purpose, wanted, ask.fields, request.envelope)
        return shown if isinstance(shown, Problem) else messages.Revelation(leads=shown)

    async def keep_text(self, uow: UnitOfWork, request: Received[text_messages.KeepText]) -> text_messages.TextKept:
        key = await self._keys.of(uow, request.tenant)
        kept = await texts.keep(uow, key, request.body)
        return text_messages.TextKept(text_id=request.body.text_id, kept=kept)

    async def reveal_texts(
        self, uow: UnitOfWork, request: Received[text_messages.RevealTexts]
    ) -> text_messages.RevealedTexts | Problem:
        ask, who = request.body, Asker.of(request)
        who.must_be_allowed_to_see(ask.purpose)
        key = await self._keys.of(uow, request.tenant)
        wanted = list(dict.fromkeys(ask.text_ids))
        shown = await texts.reveal(uow, key, who, ask.purpose, wanted, request.envelope)
        return shown if isinstance(shown, Problem) else text_messages.RevealedTexts(texts=shown)

    async def list_reveals(self, uow: UnitOfWork, request: Received[messages.ListReveals]) -> messages.RevealPage:
        ask = request.body
        filters = ask.model_dump(include={"actor", "lead_id", "person_id", "purpose", "since", "until"})
        rows = await store_audit.reveals(uow, request.tenant, filters, paging.after(ask.cursor, UUID), ask.limit + 1)
        page = [messages.RevealView.model_validate(dict(row)) for row in rows[: ask.limit]]
        return messages.RevealPage(reveals=page, next_cursor=str(page[-1].reveal_id) if len(rows) > ask.limit else None)

    async def erase_lead(
        self, uow: UnitOfWork, request: Received[erasure_messages.EraseLead]
    ) -> erasure_messages.ErasureResult:
        ask, who = request.body, Asker.of(request)
        who.must_be_allowed_to_answer_for_a_person()
        key = await self._keys.of(uow, request.tenant)
        erased = await erasing.erase(uow, key, ask, who, request.envelope)
        if erased is None:
            field = "lead_id" if ask.lead_id else "person_id"
            raise ProblemError(ProblemCode.NOT_FOUND, f"this tenant has no such {field.removesuffix('_id')}", field)
        return erased

    async def get_erasure_certificate(
        self, uow: UnitOfWork, request: Received[erasure_messages.GetErasureCertificate]
    ) -> erasure_messages.ErasureCertificate:
        found = await erasing.certificate(uow, request.tenant, request.body.erasure_id)
        if found is None:
            raise _no_erasure()
        return found

    async def lift_suppression(
        self, uow: UnitOfWork, request: Received[erasure_messages.LiftSuppression]
    ) -> erasure_messages.LiftResult:
        ask, who = request.body, Asker.of(request)
        who.must_be_allowed_to_answer_for_a_person()
        if await store_erasure.erasure(uow, request.tenant, ask.erasure_id) is None:
            raise _no_erasure()
        entries, leads = await store_erasure.lift(uow, request.tenant, ask.erasure_id, who.caller, ask.reason)
        if entries or leads:
            event = erasure_messages.SuppressionLifted(
                erasure_id=ask.erasure_id, reason=ask.reason, service=who.service, actor=who.actor, occurred_at=uow.now
            )
            uow.publish(request.tenant, event, request.envelope)
        return erasure_messages.LiftResult(erasure_id=ask.erasure_id, entries=entries)

    async def export_lead(
        self, uow: UnitOfWork, request: Received[messages.ExportLead]
    ) -> messages.ExportPage | Problem:
        ask, who, tenant = request.body, Asker.of(request), request.tenant
        who.must_be_allowed_to_answer_for_a_person()
        begin = paging.after(ask.cursor, Place.read)
        key = await self._keys.of(uow, tenant)
        person = await store_erasure.person_of(uow, tenant, ask.lead_id)
        if person is None:
            raise no_such_lead()
        persons = await people.persons_with(uow, tenant, person)
        leads = await store_export.leads_of(uow, tenant, persons)
        if begin and begin.lead_id not in leads:
            raise ProblemError(ProblemCode.INVALID, "this cursor is another person's", "cursor")
        # Counted as one person, or whoever is merged of many could never be given what is known of them.
        if problem := await revealing.too_many(uow, tenant, who, {person}, request.envelope):
            return problem
        exporter = Exporter(uow, key, self._ask(), request.envelope)
        entries, following = await exporter.page(list(leads), begin)
        shown = [(lead_id, leads[lead_id], ["export"]) for lead_id in dict.fromkeys(e.lead_id for e in entries)]
        await revealing.record(uow, tenant, who, Purpose.SUBJECT_REQUEST, shown, request.envelope)
        return messages.ExportPage(person_id=person, entries=entries, next_cursor=str(following) if following else None)


async def confirm_drop(uow: UnitOfWork, received: Sequence[Received[PersonalDataDropped]]) -> None:
    """Keep which service has dropped what, for the certificate."""
    await store_erasure.confirm(
        uow,
        [
            (m.tenant, m.body.erasure_id, m.envelope.type.partition(".")[0], m.body.lead_id, m.body.dropped)
            for m in received
        ],
    )


def _no_erasure() -> ProblemError:
    return ProblemError(ProblemCode.NOT_FOUND, "this tenant has no such erasure", "erasure_id")
