"""Who may not be contacted: the suppression ledger; and how somebody stands with all campaigns together."""

from uuid import UUID

from sqlalchemy import RowMapping
from uuid_utils.compat import uuid7

from chassis import paging
from chassis.keys import TenantKey, TenantKeys
from chassis.paging import Place
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.message import ProblemCode, ProblemError
from contracts.outreach import people as messages
from contracts.outreach.people import ContactView, SuppressionReason, SuppressionView
from outreach import locks
from outreach.leads import store as leads
from outreach.people import store
from outreach.people.domain_contact import ContactFacts, contact
from outreach.people.suppressing import open_note, seal_note, suppress_person
from outreach.sending import store_queue, store_waiting
from outreach.unsubscribing import Links


async def suppress(keys: TenantKeys, uow: UnitOfWork, request: Received[messages.Suppress]) -> SuppressionView:
    """Whoever holds the person, by whatever lead, stops at once, where the entry is about everything and has no end."""
    tenant, ask = request.tenant, request.body
    key = await keys.of(uow, tenant)  # before anything is locked that others wait for
    await locks.stop_messages(uow, [tenant])
    if ask.suppression_id and (known := await store.entry(uow, tenant, ask.suppression_id)):
        return _view(known, key)
    lead = await _lead(uow, tenant, ask.lead_id)
    if ask.reason is SuppressionReason.COMPLAINT and ask.expires_at:
        raise ProblemError(ProblemCode.INVALID, "a complaint never expires: leave out expires_at", "expires_at")
    id_ = ask.suppression_id or uuid7()
    entry = ask.model_dump(include={"lead_id", "reason", "channel", "campaign_id", "actor", "expires_at"})
    entry["suppression_id"] = id_
    if ask.note:
        entry["note"] = seal_note(key, id_, ask.note)
    await suppress_person(uow, tenant, lead["names"], entry, request.envelope)
    return _view(await _entry(uow, tenant, id_), key)


async def unsubscribe(
    links: Links, uow: UnitOfWork, request: Received[messages.Unsubscribe]
) -> messages.UnsubscribeTaken:
    """The person stops at once, by whatever lead; a second time changes nothing.

    Whatever is wrong with a link is answered alike, so that nobody learns which messages there are.
    """
    tenant, ask = request.tenant, request.body
    # Before anything is locked: whoever has no link holds up nobody.
    if not await links.proves(uow, tenant, ask.message_id, ask.token):
        raise _no_such_link()
    await locks.stop_messages(uow, [tenant])
    message = await store_queue.one(uow, tenant, ask.message_id)
    if message is None or message["erased"]:
        raise _no_such_link()
    entry = {
        "lead_id": message["lead_id"], "reason": SuppressionReason.UNSUBSCRIBED.value, "channel": None,
        "campaign_id": None, "actor": None, "expires_at": None,
    }  # fmt: skip
    if not await store.in_the_ledger(uow, tenant, [(message["names"], entry)]):
        await suppress_person(uow, tenant, message["names"], entry, request.envelope, message_id=ask.message_id)
    return messages.UnsubscribeTaken(message_id=ask.message_id)


async def unsuppress(keys: TenantKeys, uow: UnitOfWork, request: Received[messages.Unsuppress]) -> SuppressionView:
    tenant, ask = request.tenant, request.body
    key = await keys.of(uow, tenant)
    entry = await _entry(uow, tenant, ask.suppression_id)
    if entry["reason"] == SuppressionReason.COMPLAINT:
        raise ProblemError(ProblemCode.CONFLICT, "a complaint never expires, and cannot be lifted", "suppression_id")
    await locks.accounts_change(uow, tenant)
    note = seal_note(key, ask.suppression_id, ask.note, lifted=True) if ask.note else None
    await store.lift(uow, tenant, ask.suppression_id, ask.actor, note)
    await store_waiting.look_again_at_lifted(uow, tenant, ask.suppression_id)
    return _view(await _entry(uow, tenant, ask.suppression_id), key)


async def list_suppressions(
    keys: TenantKeys, uow: UnitOfWork, request: Received[messages.ListSuppressions]
) -> messages.SuppressionList:
    ask = request.body
    names = await leads.names_of_person(uow, request.tenant, ask.lead_id) if ask.lead_id else None
    if ask.lead_id and names is None:
        raise _no_such_lead()
    rows = await store.ledger(uow, request.tenant, names, paging.after(ask.cursor, UUID), ask.limit + 1)
    key = await keys.of(uow, request.tenant)
    page, cursor = paging.cut(rows, ask.limit, lambda row: row["suppression_id"])
    views = [_view(row, key) for row in page]
    return messages.SuppressionList(suppressions=views, next_cursor=cursor)


async def get_contact(uow: UnitOfWork, request: Received[messages.GetContact]) -> ContactView:
    """Computed from who holds the person and from the ledger whenever it is asked, so that it cannot drift."""
    row = await store.contact(uow, request.tenant, request.body.lead_id)
    if row is None:
        raise _no_such_lead()
    return ContactView.model_validate(contact(ContactFacts(**row), uow.now).model_dump())


async def list_contacts(uow: UnitOfWork, request: Received[messages.ListContacts]) -> messages.ContactPage:
    """Who is looked for may be rare, so that a page ends where so many were looked at, whatever it holds by then."""
    ask = request.body
    found: list[messages.Contact] = []
    last: UUID | None = None
    most = ask.limit if ask.status is None and ask.eligible is None else messages.MOST_LOOKED_AT
    rows = await store.contacts(uow, request.tenant, paging.after(ask.cursor, UUID), most)
    for row in rows:
        last = row["lead_id"]
        one = contact(ContactFacts(**row), uow.now)
        if ask.status in (None, one.status) and ask.eligible in (None, one.eligible_for_outreach):
            found.append(one)
        if len(found) == ask.limit:
            break
    more = last is not None and (len(found) == ask.limit or len(rows) == most)
    return messages.ContactPage(contacts=found, next_cursor=str(last) if more else None)


async def outreach_history(uow: UnitOfWork, request: Received[messages.OutreachHistory]) -> messages.HistoryPage:
    ask = request.body
    await _lead(uow, request.tenant, ask.lead_id)
    before = paging.after(ask.cursor, Place.read)
    rows = await store.history(uow, request.tenant, ask.lead_id, before, ask.limit + 1)
    page, cursor = paging.cut(rows, ask.limit, lambda row: Place(row["sent_at"], row["history_id"]))
    entries = [messages.HistoryEntry.model_validate(dict(row)) for row in page]
    return messages.HistoryPage(entries=entries, next_cursor=cursor)


async def _lead(uow: UnitOfWork, tenant: str, lead_id: UUID) -> RowMapping:
    lead = await leads.one(uow, tenant, lead_id)
    if lead is None:
        raise _no_such_lead()
    return lead


def _no_such_lead() -> ProblemError:
    return ProblemError(ProblemCode.NOT_FOUND, "outreach knows no such lead of this tenant", "lead_id")


def _no_such_link() -> ProblemError:
    return ProblemError(ProblemCode.NOT_FOUND, "this is no message's link, or its person was erased", "token")


async def _entry(uow: UnitOfWork, tenant: str, id_: UUID) -> RowMapping:
    row = await store.entry(uow, tenant, id_)
    if row is None:
        raise ProblemError(
            ProblemCode.NOT_FOUND,
            "the suppression ledger has no such entry; list_suppressions shows it",
            "suppression_id",
        )
    return row


def _view(row: RowMapping, key: TenantKey) -> SuppressionView:
    id_, note, lift_note = row["suppression_id"], row["note"], row["lift_note"]
    notes = {
        "note": open_note(key, id_, note) if note else None,
        "lift_note": open_note(key, id_, lift_note, lifted=True) if lift_note else None,
    }
    return SuppressionView.model_validate({**row, **notes})
