"""Outreach's campaigns are remembered as they tell of themselves: that one was started, and what came of it."""

from collections.abc import Sequence
from typing import Any, Final

from chassis.keys import TenantKeys
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.intake.memory import RecordAction
from contracts.outreach.campaigns import CampaignCompleted, CampaignStarted
from contracts.outreach.sending import MessageSent
from contracts.taxonomy import ActionStatus
from intake.memory import recalling

_UNNAMED: Final = "outreach"
"""Who acted, where a campaign was started by nobody who is named."""


class Campaigns:
    """What is heard of campaigns; an action has its campaign's id."""

    def __init__(self, keys: TenantKeys) -> None:
        self._keys = keys

    async def follow(self, uow: UnitOfWork, received: Sequence[Received[CampaignStarted | CampaignCompleted]]) -> None:
        """Handles `CampaignStarted` and `CampaignCompleted`, in the order in which they came."""
        for message in received:
            match message.body:
                case CampaignStarted() as started:
                    order = RecordAction(
                        action_id=started.campaign_id,
                        actor=started.actor or _UNNAMED,
                        status=ActionStatus.NO_ACTION,  # so far
                        proceeded_anyway=started.proceeded_anyway,
                        **started.outline.about(),
                    )
                    await recalling.record(uow, await self._keys.of(uow, message.tenant), order, message.envelope)
                case CampaignCompleted(outcome=outcome, campaign_id=campaign_id) if outcome:
                    told = {(message.tenant, campaign_id): message.envelope}
                    await recalling.advance(uow, told, outcome)


async def note_sent(uow: UnitOfWork, received: Sequence[Received[Any]]) -> None:
    """With its first `MessageSent` a campaign of which nothing had come is under way; other messages say nothing of it."""
    told = {
        (message.tenant, message.body.campaign_id): message.envelope
        for message in received
        if isinstance(message.body, MessageSent)
    }
    if told:
        await recalling.advance(uow, told, ActionStatus.PARTIAL)
