"""Whom rows are about: intake knows them by what they are reached by, outreach by names that tell nothing."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping

from chassis.unit_of_work import UnitOfWork
from contracts.intake.people import IdentifiedPersons, IdentifyPersons, Identity, PersonRef
from contracts.message import Envelope, Request
from contracts.outreach.backfill import RowResult, RowVerdict
from outreach.leads import store as leads
from outreach.leads.domain_lead import names_of

Ask = Callable[[str, Request[Any], Envelope], Awaitable[Any]]
"""Asks intake something about a tenant's persons."""

TAKEN: Final = RowResult(verdict=RowVerdict.TAKEN)
KNOWN: Final = RowResult(verdict=RowVerdict.KNOWN)


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a row is about.

    Attributes:
        names: all that they are known by.
        lead_ids: the leads that stand for them at intake, the one to be used first.
        leads: those of them that outreach has heard of.
        refusal: why nothing can be taken over of them.
    """

    names: Sequence[str] = ()
    lead_ids: Sequence[UUID] = ()
    leads: Sequence[RowMapping] = ()
    refusal: RowResult | None = None

    @property
    def lead_id(self) -> UUID | None:
        return self.lead_ids[0] if self.lead_ids else None


async def identify(
    uow: UnitOfWork, ask: Ask, tenant: str, refs: Mapping[int, PersonRef], cause: Envelope
) -> dict[int, Person]:
    """Who each of these is.

    Raises:
        ProblemError: intake does not answer.
    """
    if not refs:
        return {}
    answer: IdentifiedPersons = await ask(tenant, IdentifyPersons(persons=list(refs.values())), cause)
    found = answer.persons
    known = await leads.several(uow, tenant, {lead for each in found for lead in each.lead_ids})
    persons = {}
    for at, person in zip(refs, found, strict=True):
        theirs = [known[lead] for lead in person.lead_ids if lead in known]
        names = dict.fromkeys([*names_of(person), *(name for lead in theirs for name in lead["names"])])
        if person.identity is Identity.ERASED:
            why = refused("the person was erased: nothing is kept of them", "person")
        elif person.identity is Identity.UNREADABLE:
            why = refused(person.flaws[0].message, f"person.{person.flaws[0].field}")
        elif not names:
            why = refused(
                "intake has no such lead: import it, or give the person's phone, email or linkedin_url", "person"
            )
        else:
            why = None
        persons[at] = Person(list(names), person.lead_ids, theirs, why)
    return persons


def refused(reason: str, field: str | None = None) -> RowResult:
    return RowResult(verdict=RowVerdict.REFUSED, field=field, reason=reason)
