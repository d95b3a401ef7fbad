"""By what persons are known: their leads and tokens, those of persons without a lead included. Nothing of it is kept."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping

from chassis import tenants
from chassis.keys import TenantKey
from chassis.unit_of_work import UnitOfWork
from contracts.intake.leads import Flaw
from contracts.intake.people import IdentifiedPerson, Identity, PersonRef
from intake import locks
from intake.leads import source_ids
from intake.leads import store as leads
from intake.leads.domain_contact import reached_by, read_contact
from intake.leads.domain_field import given_fields
from intake.people import store
from intake.people.tokens import Tokens, tokens_of
from intake.vault import suppression

_MOST_LEADS: Final = 50
"""Of one person."""
_CONTACTS: Final = ("country", "phone", "email", "linkedin_url")


async def identify(uow: UnitOfWork, key: TenantKey, refs: Sequence[PersonRef]) -> list[IdentifiedPerson]:
    """Each of one tenant's persons, in their order."""
    region = (await tenants.settings_of(uow, key.tenant)).region
    read = [_read(ref, region) for ref in refs]
    values = [of_person for of_person, _ in read]
    await locks.linking(uow, key.tenant)
    erased = await suppression.erased_among(uow, key, values)
    tokens = await tokens_of(uow, key, values)
    known = await store.persons_of(uow, key.tenant, [token for each in tokens for token in _all(each)])
    named = await _named(uow, key, refs)
    persons = [
        list(dict.fromkeys([*([row["person_id"]] if row else []), *(known[t] for t in _all(each) if t in known)]))
        for row, each in zip(named, tokens, strict=True)
    ]
    standing = await store.standing_leads(uow, key.tenant, {p for each in persons for p in each}, _MOST_LEADS)
    return [
        _identified(row, each.by_column, flaws, persons_, standing, was_erased is not None)
        for row, each, (_, flaws), persons_, was_erased in zip(named, tokens, read, persons, erased, strict=True)
    ]


def _identified(
    named: RowMapping | None,
    tokens: Mapping[str, str],
    flaws: list[Flaw],
    persons: list[UUID],
    standing: Mapping[UUID, list[UUID]],
    erased: bool,
) -> IdentifiedPerson:
    if erased or (named and named["erased_at"]):
        return IdentifiedPerson(identity=Identity.ERASED)
    first = [named["merged_into"] or named["lead_id"]] if named else []
    lead_ids = list(dict.fromkeys([*first, *(lead for person in persons for lead in standing.get(person, ()))]))
    if not lead_ids and not tokens:
        return IdentifiedPerson(identity=Identity.UNREADABLE if flaws else Identity.UNKNOWN, flaws=flaws)
    return IdentifiedPerson(
        identity=Identity.KNOWN if lead_ids else Identity.UNKNOWN, lead_ids=lead_ids[:_MOST_LEADS],
        person_ids=persons if lead_ids else [], flaws=flaws, **tokens,
    )  # fmt: skip


async def _named(uow: UnitOfWork, key: TenantKey, refs: Sequence[PersonRef]) -> list[RowMapping | None]:
    """The lead that each names, where there is one."""
    lead_ids = [ref.lead_id for ref in refs if ref.lead_id]
    sources = [(ref.source_system, ref.source_id) for ref in refs if ref.source_system and ref.source_id]
    if not lead_ids and not sources:
        return [None] * len(refs)
    public = await source_ids.public(uow, key, sources)
    told = {source: (source[0], id_) for source, id_ in zip(sources, public, strict=True)}
    rows = await leads.named(uow, key.tenant, lead_ids, list(told.values()))
    found: dict[object, RowMapping] = {row["lead_id"]: row for row in rows}
    found |= {(row["source_system"], row["source_id"]): row for row in rows}
    return [found.get(ref.lead_id) or found.get(told.get((ref.source_system, ref.source_id))) for ref in refs]  # type: ignore[arg-type]


def _read(ref: PersonRef, region: str) -> tuple[dict[str, str], list[Flaw]]:
    """What the person is reached by, by the columns of the tokens; and what could not be read."""
    flaws: list[Flaw] = []
    contact = read_contact(dict(given_fields(ref, _CONTACTS)), region, flaws)
    return reached_by(contact.phone.e164 if contact.phone else None, contact.email, contact.linkedin_url), flaws


def _all(tokens: Tokens) -> list[str]:
    return [*tokens.by_column.values(), *tokens.others]
