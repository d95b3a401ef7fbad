"""Contacts that were found become leads, by the one path of every lead."""

from collections import Counter
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.keys import TenantKey
from chassis.received import Received, Wire
from chassis.unit_of_work import UnitOfWork
from contracts.intake.enrichment import ContactsBecameLeads, SubmitContacts
from contracts.intake.leads import LeadVerdict, SubmitLead
from contracts.message import Envelope, id_from_content
from intake.enrichment import contents, store
from intake.leads.submissions import submit

SOURCE = "enrichment"


async def submit_contacts(
    uow: UnitOfWork, key: TenantKey, order: SubmitContacts, cause: Envelope
) -> Counter[LeadVerdict]:
    """Submit contacts of a run that is locked; returns how many got each verdict."""
    rows = await store.unsubmitted(uow, key.tenant, order.run_id, order.limit, only_with_email=order.only_with_email)
    if not rows:
        return Counter()
    companies = await store.companies_of(uow, key.tenant, order.run_id, [row["company_item"] for row in rows])
    leads = []
    for row in rows:
        contact = contents.open_(key, row["sealed"], contents.contact(order.run_id))
        body = _lead(row, contact, companies[row["company_item"]], order.run_id)
        leads.append(_received(uow, key.tenant, body, row, order.run_id, cause))
    counts = Counter(verdict.verdict for verdict in await submit(uow, key, leads, strict=False))
    await store.submitted(uow, key.tenant, order.run_id, [row["item"] for row in rows])
    told = ContactsBecameLeads(run_id=order.run_id, occurred_at=uow.now, actor=order.actor, counts=dict(counts))
    uow.publish(key.tenant, told, cause)
    return counts


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
        metadata={name: value for name, value in about.items() if value is not None},
    )


def _received(
    uow: UnitOfWork, tenant: str, lead: SubmitLead, row: RowMapping, run_id: UUID, cause: Envelope
) -> Received[SubmitLead]:
    """The submission as if it had been sent: the same contact of a run is the same message."""
    id_ = id_from_content(SOURCE, tenant, str(run_id), str(row["item"]))
    envelope = Envelope(id_, lead.topic.type, tenant, uow.now, cause.correlation_id, cause.id, cause.traceparent)
    return Received(envelope, lead, Wire(envelope.subject, {}, b"", uow.now))
