"""What the leads of a list are called: shown to whoever asks for it, once, and each lead audited.

A list never shows a name by itself. It has a button (`ui.show_names`) that sends a POST to the list's own address; the route
answers with the same page and the names of the leads on it, and nothing keeps them:

    @router.post("", dependencies=REVEALS)
    async def with_names(principal: Admitted, shown: ...) -> Response:
        return await _show(principal, shown, named=True)

    names = await names_of(principal, lead_ids) if named else NOT_ASKED_FOR
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from contracts.gateway.access import Scope
from contracts.intake.privacy import MOST_REVEALED, PersonalField, RevealPii, RevealState
from contracts.message import ProblemError
from contracts.taxonomy import Purpose
from gateway.gate import Principal, needs
from gateway.limits import Kind, limited

REVEALS: Final[Sequence[Any]] = (needs(Scope.PERSONAL_READ, Scope.PERSONAL_READ), limited(Kind.PERSONAL))
"""What a route that shows names needs, beside what its router does, and of which kind it is."""


@dataclass(frozen=True, slots=True)
class Names:
    """What leads are called, for one answer.

    Attributes:
        asked: whether somebody asked for them.
        problem: why they are not shown, if they are not.
    """

    by_lead: Mapping[UUID, str] = field(default_factory=dict, repr=False)
    asked: bool = False
    problem: str = ""


NOT_ASKED_FOR: Final = Names()


async def names_of(principal: Principal, lead_ids: Iterable[UUID]) -> Names:
    """The names of the leads on a page, each audited as shown for work on it.

    A lead without a name, or whose person was erased, is called nothing. What intake refuses, as beyond the tenant's limit of
    persons an hour, is told in the names' place.

    Args:
        lead_ids: 100 at most, which is what a page may hold.
    """
    wanted = list(dict.fromkeys(lead_ids))[:MOST_REVEALED]
    if not wanted:
        return Names(asked=True)
    try:
        order = RevealPii(
            lead_ids=wanted, purpose=Purpose.WORK_LEAD, on_behalf_of=principal.on_behalf_of(), fields=[PersonalField.NAME]
        )  # fmt: skip
        found = await principal.ask(order)
    except ProblemError as error:
        return Names(asked=True, problem=error.problem.message)
    shown = {lead.lead_id: lead.name or "" for lead in found.leads if lead.state is RevealState.REVEALED}
    return Names(shown, asked=True)
