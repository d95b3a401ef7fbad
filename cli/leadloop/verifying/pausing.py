"""Pausing: nothing of a campaign begins to leave once `pause_campaign` has answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from contracts.outreach.accounts import NewSandbox
from contracts.outreach.campaigns import CampaignView, GetCampaign, PauseCampaign, ResumeCampaign
from contracts.outreach.sending import MessageHistory, SendState
from contracts.taxonomy import Channel
from leadloop.verifying.check import Check, Delivery, Waiting, conclude, moment, not_kept_by, twice
from leadloop.verifying.stage import AT_ANY_TIME, UNLIMITED, Stage

_BEGINS = moment("2027-01-18 10:00", "UTC")
_MESSAGES = 80
"""More than leave one account at once."""
_SECONDS = 1.0
"""How long the sandbox takes for each: time enough to pause in the middle."""
_EXPLAINED = 10


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a campaign that was paused while its messages were leaving.

    Attributes:
        replied: the campaign as the reply to the pause had it.
        left: what had left a day later.
        waiting: some of what had not, then.
        claimed: how many of those a worker had in hand already before.
        left_resumed: what had left when it had been resumed.
    """

    replied: CampaignView
    left: Sequence[Delivery]
    waiting: Sequence[Waiting]
    claimed: int
    left_resumed: Sequence[Delivery]


async def play(stage: Stage) -> list[Check]:
    await stage.move(_BEGINS)
    await stage.account(
        Channel.EMAIL, "paused", unlimited=True, least_gap_minutes=0, most_gap_minutes=0,
        sandbox=NewSandbox(refuses=0, takes_seconds=_SECONDS),
    )  # fmt: skip
    campaign = await stage.campaign("paused", accounts="paused", daily_cap=UNLIMITED, hours=AT_ANY_TIME)
    await stage.ask(PauseCampaign(campaign_id=campaign))
    leads = await stage.leads("paused", _MESSAGES)
    await stage.until_queued(_MESSAGES, campaign)
    await stage.ask(ResumeCampaign(campaign_id=campaign))

    async def leaving() -> bool:
        view = await stage.ask(GetCampaign(campaign_id=campaign))
        return view.in_flight + view.sent > 0

    await stage.until(leaving)
    replied = await stage.ask(PauseCampaign(campaign_id=campaign))
    await stage.pulse()
    await stage.move(stage.now + timedelta(days=1))
    await stage.pulse()
    left = await stage.log(campaign)
    known = {each.lead_id for each in left}
    waiting = await stage.waiting([lead for lead in leads if lead not in known][:_EXPLAINED], campaign)
    claimed = 0
    for each in waiting:
        history = await stage.ask(MessageHistory(message_id=each.message_id))
        claimed += any(change.state is SendState.CLAIMED for change in history.changes)
    await stage.ask(ResumeCampaign(campaign_id=campaign))
    return [judge(Seen(replied, left, waiting, claimed, await stage.until_left(_MESSAGES, campaign)))]


def judge(seen: Seen) -> Check:
    """What had begun to leave when the reply came left, and nothing else until the campaign was resumed; then all of it did."""
    begun = seen.replied.sent + seen.replied.in_flight
    flaws = [*twice(seen.left_resumed), *not_kept_by("campaign_running", seen.waiting)]
    if len(seen.left) != begun:
        flaws.append(f"{begun} had begun to leave when the pause was answered, and {len(seen.left)} left")
    if not 0 < begun < _MESSAGES:
        flaws.append(f"it was not paused in the middle: {begun} of {_MESSAGES} had begun to leave")
    if not seen.claimed:
        flaws.append("no worker had any of them in hand, so nothing shows that it looks again")
    if len(seen.left_resumed) != _MESSAGES:
        flaws.append(f"{len(seen.left_resumed)} of {_MESSAGES} left when it was resumed")
    return conclude(
        "pause_at_once",
        f"of {_MESSAGES}, {seen.replied.sent} had left and {seen.replied.in_flight} were in flight when pause_campaign answered; a day "
        f"later {len(seen.left)} had left, the others waited for campaign_running, though a worker had claimed some; resumed, {len(seen.left_resumed)} had",
        flaws,
    )
