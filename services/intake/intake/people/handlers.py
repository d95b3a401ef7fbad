"""What intake does when it is asked about persons."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import RowMapping

from chassis import paging, tenants
from chassis.keys import TenantKeys
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.gateway import TenantSettings
from contracts.intake import people as messages
from contracts.intake.leads import Flaw, LeadPage, LeadView
from contracts.message import ProblemCode, ProblemError
from intake.leads import store as leads
from intake.leads.domain_contact import reached_by, read_contact
from intake.leads.domain_field import given_fields, refusal
from intake.leads.problems import no_such_lead
from intake.leads.shown import view
from intake.people import domain_review, identifying, merging, parting, store, store_review
from intake.people.tokens import every_token


async def merge_leads(uow: UnitOfWork, request: Received[messages.MergeLeads]) -> LeadView:
    settings = await tenants.settings_of(uow, request.tenant)
    return view(await merging.merge(uow, request, settings), settings.metadata_allowed)


async def unmerge_lead(uow: UnitOfWork, request: Received[messages.UnmergeLead]) -> messages.UnmergeResult:
    settings = await tenants.settings_of(uow, request.tenant)
    lead, survivor = (view(row, settings.metadata_allowed) for row in await merging.unmerge(uow, request, settings))
    return messages.UnmergeResult(lead=lead, survivor=survivor)


async def get_person(uow: UnitOfWork, request: Received[messages.GetPerson]) -> messages.PersonView:
    ask = request.body
    person = ask.person_id
    if ask.lead_id:
        lead = await leads.lead(uow, request.tenant, ask.lead_id)
        if lead is None:
            raise no_such_lead()
        person = lead["person_id"]
    assert person, "the contract asks for one of the two"
    before = paging.after(ask.cursor, UUID)
    rows = await store.leads_of(uow, request.tenant, person, before, ask.limit + 1)
    if not rows and before is None:
        text = "this tenant has no such person; where two were found to be one, ask by lead_id"
        raise ProblemError(ProblemCode.NOT_FOUND, text, "person_id")
    page, cursor = _page(rows, ask.limit, await tenants.settings_of(uow, request.tenant))
    return messages.PersonView(person_id=person, leads=page, next_cursor=cursor)


async def find_leads(keys: TenantKeys, uow: UnitOfWork, request: Received[messages.FindLeads]) -> LeadPage:
    """The leads of whoever has what is asked for; without any where nobody has it, for whatever reason."""
    tenant, ask, flaws = request.tenant, request.body, list[Flaw]()
    settings = await tenants.settings_of(uow, tenant)
    given = dict(given_fields(ask, ("country", "phone", "email", "linkedin_url")))
    contact = read_contact(given, settings.region, flaws)
    if flaws:
        raise refusal(flaws)
    before = paging.after(ask.cursor, UUID)
    values = reached_by(contact.phone.e164 if contact.phone else None, contact.email, contact.linkedin_url)
    tokens = every_token(await keys.of(uow, tenant), values)
    rows = await store.find_leads(uow, tenant, tokens, before, ask.limit + 1)
    page, cursor = _page(rows, ask.limit, settings)
    return LeadPage(leads=page, next_cursor=cursor)


async def identify_persons(
    keys: TenantKeys, uow: UnitOfWork, request: Received[messages.IdentifyPersons]
) -> messages.IdentifiedPersons:
    key = await keys.of(uow, request.tenant)
    return messages.IdentifiedPersons(persons=await identifying.identify(uow, key, request.body.persons))


async def leads_for_review(uow: UnitOfWork, request: Received[messages.LeadsForReview]) -> messages.ReviewPage:
    ask = request.body
    rows = await store_review.page(uow, request.tenant, paging.after(ask.cursor, _place), ask.limit + 1)
    pairs = [
        messages.ReviewPair.model_validate({**row, "reasons": domain_review.reasons(row["score"])})
        for row in rows[: ask.limit]
    ]
    cursor = f"{pairs[-1].score}.{pairs[-1].lead_id}.{pairs[-1].other_id}" if len(rows) > ask.limit else None
    return messages.ReviewPage(pairs=pairs, next_cursor=cursor)


async def dismiss_review(
    keys: TenantKeys, uow: UnitOfWork, request: Received[messages.DismissReview]
) -> messages.DismissResult:
    return messages.DismissResult(dismissed=await parting.keep_apart(uow, keys, request))


def _page(rows: Sequence[RowMapping], limit: int, settings: TenantSettings) -> tuple[list[LeadView], str | None]:
    """The leads of a page, and the cursor of the next one; `rows` has one more where there is one."""
    page = [view(row, settings.metadata_allowed) for row in rows[:limit]]
    return page, str(page[-1].lead_id) if len(rows) > limit else None


def _place(cursor: str) -> store_review.Place:
    score, lead, other = cursor.split(".")
    return int(score), UUID(lead), UUID(other)
