"""Whether a message that another system was about to send can become one of a campaign's here, and to which lead. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from contracts.outreach.backfill import PendingRow
from contracts.outreach.campaigns import CampaignState, EnrollmentEnd, Step
from contracts.outreach.templates import TemplatePart
from contracts.taxonomy import CHANNEL_OF, SendKind
from outreach.templates.domain_template import flaw_of


class RefusedError(Exception):
    """It cannot; `field` is what is wrong, and the message says why and what to do."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


def step_of(row: PendingRow, state: CampaignState | None, steps: Sequence[Step]) -> Step:
    """The step that it becomes a message of.

    Parameters:
        state: the campaign's; none where there is no such campaign.

    Raises:
        RefusedError: the campaign sends nothing, has no such step, or neither it nor the row says what is sent.
    """
    if state is None:
        raise RefusedError("campaign_id", "there is no such campaign: list_campaigns shows those there are")
    if state is CampaignState.ARCHIVED:
        raise RefusedError("campaign_id", "the campaign is archived, and sends nothing")
    if row.step > len(steps):
        raise RefusedError("step", f"the campaign has {len(steps)} steps")
    step = steps[row.step - 1]
    if row.body is None and not step.variants:
        raise RefusedError("body", "is empty, and the campaign's step has no template: give one of the two")
    if row.body is not None and (step.kind is SendKind.EMAIL) != (row.subject is not None):
        wanted = "needs one" if step.kind is SendKind.EMAIL else "has none"
        raise RefusedError("subject", f"the campaign's step is of kind {step.kind}, which {wanted}")
    for part, text in ((TemplatePart.SUBJECT, row.subject), (TemplatePart.BODY, row.body)):
        if text is not None and (flaw := flaw_of(step.kind, part, text)):
            raise RefusedError(part.value, flaw.message)
    return step


def already_in(end: EnrollmentEnd | None) -> str:
    """Why a person who is in the campaign already is not put into it again.

    Parameters:
        end: why its sequence has ended for them; none where it goes on.
    """
    if end is None:
        return "the person is in the campaign already, and its messages to them come by themselves"
    return (
        f"the campaign has ended for the person ({end}): nothing more of it is sent to them; "
        "name another campaign if this is to be sent"
    )


@dataclass(frozen=True, slots=True)
class Lead:
    """A lead of a person, as far as reaching them goes; one that `stands` is neither merged nor erased."""

    lead_id: UUID
    channels: Sequence[str]
    stands: bool


def lead_for(step: Step, leads: Sequence[Lead]) -> UUID:
    """The first of a person's leads that the step's message can go to.

    Raises:
        RefusedError: there is none.
    """
    channel = CHANNEL_OF[step.kind]
    standing = [lead for lead in leads if lead.stands]
    if not standing:
        raise RefusedError("person", "intake has no lead of theirs: import it first")
    for lead in standing:
        if channel in lead.channels:
            return lead.lead_id
    raise RefusedError("person", f"no lead of theirs has an address for {channel}")
