"""What an answer means for a run: its results are the next step's items, or an item's e-mail address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping

from chassis.keys import TenantKey
from chassis.unit_of_work import UnitOfWork
from contracts.taxonomy import EnrichmentStep
from intake.enrichment import contents
from intake.enrichment import store_work as store
from intake.enrichment.domain_found import (
    company_identity,
    contact_identity,
    read_address,
    read_company,
    read_contact,
)
from intake.enrichment.domain_template import Known
from intake.enrichment.forgetting import forget_contacts
from intake.enrichment.store_claims import Claim
from intake.enrichment.store_work import NewItem
from intake.people.tokens import every_token
from intake.vault import suppression

Results = Sequence[Mapping[str, Any]]
"""What a provider answered, by our names of fields."""


@dataclass(frozen=True, slots=True)
class Work:
    """An item of a run's step, and all that is known for it.

    Attributes:
        region: how the tenant's national telephone numbers are read.
        evidence: the keys of the remembered answers that the item came from.
    """

    claim: Claim
    key: TenantKey
    region: str
    run: RowMapping
    step: RowMapping
    item: RowMapping
    known: Known
    evidence: Sequence[str]

    @property
    def about_a_contact(self) -> bool:
        """Whether the item is a contact; otherwise nothing is personal about it."""
        return self.item["company_item"] is not None


async def without_erased(uow: UnitOfWork, work: Work, results: Results) -> Results | None:
    """What of an answer may be kept: not the persons who were erased; none of it (None) where the item's own person was.

    The erasure may have been made while the provider was asked, or long before and the person found again: a contact that proves to
    be theirs is forgotten. The unit holds `locks.linking`.
    """
    if work.step["step"] == EnrichmentStep.FIND_COMPANIES:
        return results
    found = [_reached_by(work, result) for result in results]
    flaws = await suppression.erased_among(uow, work.key, found)
    if not work.about_a_contact:
        return [result for result, flaw in zip(results, flaws, strict=True) if not flaw]
    if any(flaws):
        await forget_contacts(uow, work.claim.tenant, work.claim.run_id, [work.item["item"]])
        return None
    return None if await store.is_forgotten(uow, work.claim, work.item["item"]) else results


async def settle(uow: UnitOfWork, work: Work, results: Results | None, evidence: str | None = None) -> None:
    """Keep what a provider answered; where it found nothing, the item's next provider has its turn, unless its person was erased.

    Parameters:
        results: what `without_erased` leaves of the answer.
        evidence: the key under which the answer is remembered, if it is.
    """
    step, item = work.step["step"], work.item["item"]
    if results is None:
        await store.finish_item(uow, work.claim, step, item, 0)
        return
    found = await _KEEP[EnrichmentStep(step)](uow, work, results, [evidence] if evidence else [])
    if found is None and work.item["asked"] + 1 < len(work.step["providers"]):
        await store.ask_next(uow, work.claim, step, item)
    else:
        await store.finish_item(uow, work.claim, step, item, found or 0)


def _reached_by(work: Work, result: Mapping[str, Any]) -> dict[str, str]:
    """What the person is reached by whom a result is about."""
    if work.about_a_contact:
        address = read_address(result)
        return {"email_token": address[0]} if address else {}
    return contents.reached_by(read_contact(result) or {}, work.known["company"], work.region)


async def _companies(uow: UnitOfWork, work: Work, results: Results, _: Sequence[str]) -> int | None:
    companies = [company for result in results if (company := read_company(result))]
    items = [NewItem(contents.identity(work.key, company_identity(company)), company) for company in companies]
    if not items:
        return None
    most = work.run["most_companies"] - work.run["companies"]
    return await store.add_items(uow, work.claim, EnrichmentStep.FIND_CONTACTS, items, most)


async def _contacts(uow: UnitOfWork, work: Work, results: Results, evidence: Sequence[str]) -> int | None:
    company = {name: str(value) for name, value in work.known["company"].items()}
    items = []
    for result in results:
        if contact := read_contact(result):
            items.append(
                NewItem(
                    contents.identity(work.key, contact_identity(contact, company)),
                    sealed=contents.seal(work.key, contact, contents.contact(work.claim.run_id)),
                    tokens=every_token(work.key, contents.reached_by(contact, work.known["company"], work.region)),
                    with_email="email" in contact,
                )
            )
    if not items:
        return None
    return await store.add_items(
        uow, work.claim, EnrichmentStep.ENRICH_EMAILS, items, work.run["most_contacts"], work.item["item"], evidence
    )


async def _address(uow: UnitOfWork, work: Work, results: Results, evidence: Sequence[str]) -> int | None:
    addresses = [address for result in results if (address := read_address(result))]
    if not addresses:
        return None
    email, confidence = max(addresses, key=lambda address: address[1] if address[1] is not None else 0.5)
    contact = {**work.known["contact"], "email": email}
    if confidence is not None:
        contact["email_confidence"] = confidence
    await store.keep_address(
        uow, work.claim, work.item["item"],
        contents.seal(work.key, contact, contents.contact(work.claim.run_id)),
        every_token(work.key, contents.reached_by(contact, work.known["company"], work.region)),
        [*work.evidence, *evidence],
    )  # fmt: skip
    return 1


_KEEP = {
    EnrichmentStep.FIND_COMPANIES: _companies,
    EnrichmentStep.FIND_CONTACTS: _contacts,
    EnrichmentStep.ENRICH_EMAILS: _address,
}
