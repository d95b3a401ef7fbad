"""What campaigns are compared by, and what came of one: what intake's memory of actions is asked and told."""

from collections.abc import Iterable

from contracts.outreach.campaigns import AudienceView, CampaignOutline, Step, StepOutline
from contracts.taxonomy import ActionStatus
from contracts.values import Key


def outline(audience: AudienceView, steps: Iterable[Step], offer: Key | None) -> CampaignOutline:
    """What makes a campaign the same outreach as another: its title, its accounts, its hours and its pace do not."""
    outlines = (
        StepOutline(
            kind=step.kind,
            templates=tuple(variant.template_id for variant in step.variants),
            condition=_view(step.condition),
        )
        for step in steps
    )
    return CampaignOutline(audience=_view(audience), offer=offer, steps=tuple(outlines))


def outcome(*, sent: int, going_on: bool) -> ActionStatus:
    """What came of a campaign that ends now.

    Parameters:
        sent: how many of its messages were sent.
        going_on: whether a lead was still in its sequence, or to be enrolled.
    """
    if not sent:
        return ActionStatus.NO_ACTION
    return ActionStatus.PARTIAL if going_on else ActionStatus.COMPLETED


def _view(audience: AudienceView) -> AudienceView:
    return AudienceView(**dict(audience))
