"""Contacts that were found become leads, by the one path of every lead."""

from collections import Counter
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.keys import TenantKey
from chassis.received import Received, Wire
from chassis.unit_of_work import UnitOfWork
from contracts.intake.enrichment import ContactsBecameLeads, SubmitContacts
from contracts.intake.leads import LeadVerdict, SubmissionResult, SubmitLead
from contracts.message import Envelope, id_from_content
from intake.enrichment import contents
from intake.enrichment import store_contacts as store
from intake.enrichment.forgetting import forget_contacts
from intake.submissions.submitting import submit
from intake.vault import suppression

SOURCE = "enrichment"


async def submit_contacts(
    uow: UnitOfWork, key: TenantKey, order: SubmitContacts, cause: Envelope
) -> Counter[LeadVerdict]:
    """Submit contacts of a run that is locked; returns how many got each verdict.

    Those that became leads are held no more. One whose person was erased is forgotten; another that is rejected stays, with the reason.
    """
    rows = await store.unsubmitted(uow, key.tenant, order.run_id, order.limit, only_with_email=order.only_with_email)
    if not rows:
        return Counter()
    companies = await store.companies_of(uow, key.tenant, order.run_id, [row["company_item"] for row in rows])
    leads = []
    for row in rows:
        contact = contents.open_(key, row["sealed"], contents.contact(order.run_id))
        body = _lead(row, contact, companies[row["company_item"]], order.run_id)
        leads.append(_received(uow, key.tenant, body, row, order.run_id, cause))
    verdicts = dict(zip((row["item"] for row in rows), await submit(uow, key, leads, strict=False), strict=True))
    reasons = {item: _reason(verdict) for item, verdict in verdicts.items() if verdict.verdict is LeadVerdict.REJECTED}
    erased = [item for item, reason in reasons.items() if reason == suppression.ERASED]
    await store.submitted(uow, key.tenant, order.run_id, [item for item in verdicts if item not in reasons])
    await store.rejected(uow, key.tenant, order.run_id, reasons)
    await forget_contacts(uow, key.tenant, order.run_id, erased)
    counts = Counter(verdict.verdict for verdict in verdicts.values())
    told = ContactsBecameLeads(run_id=order.run_id, occurred_at=uow.now, actor=order.actor, counts=dict(counts))
    uow.publish(key.tenant, told, cause)
    return counts


def _reason(rejected: SubmissionResult) -> str:
    """The code of the flaw for which it was rejected: those before it would only have been warnings."""
    return rejected.warnings[-1].code


def _lead(row: RowMapping, contact: dict[str, Any], company: dict[str, str], run_id: UUID) -> SubmitLead:
    place = ", ".join(company[name] for name in ("city", "region") if name in company)
    about = {
        "company": company.get("name"),
        "company_domain": company.get("domain"),
        "title": contact.get("title"),
        "email_confidence": contact.get("email_confidence"),
        "enrichment_run": str(run_id),
    }
    return SubmitLead(
        source_system=SOURCE,
        source_id=row["identity"],
        **{name: contact.get(name) for name in ("full_name", "phone", "email", "linkedin_url")},
        source=SOURCE,
        geo=place or None,
        country=company.get("country"),
        metadata={name: value for name, value in about.items() if value is not None},
    )


def _received(
    uow: UnitOfWork, tenant: str, lead: SubmitLead, row: RowMapping, run_id: UUID, cause: Envelope
) -> Received[SubmitLead]:
    """The submission as if it had been sent; one that was rejected and is submitted again is another message."""
    id_ = id_from_content(SOURCE, tenant, str(run_id), str(row["item"]), str(cause.id))
    envelope = Envelope(id_, lead.topic.type, tenant, uow.now, cause.correlation_id, cause.id, cause.traceparent)
    return Received(envelope, lead, Wire(envelope.subject, {}, b"", uow.now))
