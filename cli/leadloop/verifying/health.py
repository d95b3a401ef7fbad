"""Health: an account whose health is below 30 sends nothing, and says why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from contracts.outreach.accounts import HealthTerm, NewSandbox, ResumeAccount, SetAccount
from contracts.outreach.campaigns import GetCampaign
from contracts.taxonomy import Channel
from leadloop.verifying.check import Check, Delivery, Waiting, conclude, moment, not_kept_by, twice
from leadloop.verifying.stage import AT_ANY_TIME, TAKES_ALL, Stage

BLOCKED_BELOW = 30
_BEGINS = moment("2027-01-11 10:00", "UTC")
_CAMPAIGNS, _LEADS_EACH = 4, 4
"""Few bounces in each campaign, and each at a domain of its own, so that it is the account's health that stops them."""


@dataclass(frozen=True, slots=True)
class Standing:
    """An account after so many of its messages had bounced."""

    bounces: int
    health: int
    blocked: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of an account of which every message bounces, then none would.

    Attributes:
        course: its health from bounce to bounce, as it is with none at first.
        terms: why its health was as low as it was at last.
        waiting: what was left to be sent, a day after the last bounce.
        left_blocked: what left until then, though the sandbox would have taken it.
        left_resumed: what left when a person had resumed the account.
    """

    account_id: UUID
    course: Sequence[Standing]
    terms: Sequence[HealthTerm]
    waiting: Sequence[Waiting]
    left_blocked: Sequence[Delivery]
    left_resumed: Sequence[Delivery]


async def play(stage: Stage) -> list[Check]:
    await stage.move(_BEGINS)
    account = await stage.account(Channel.EMAIL, "ill", sandbox=NewSandbox(refuses=1))
    campaigns, leads = [], {}
    for number in range(_CAMPAIGNS):
        campaigns.append(await stage.campaign(f"ill_{number}", accounts="ill", hours=AT_ANY_TIME))

    async def bounces() -> int:
        return sum([(await stage.ask(GetCampaign(campaign_id=campaign))).failed for campaign in campaigns])

    course = [await _standing(stage, account, 0)]
    for number, campaign in enumerate(campaigns):
        leads[campaign] = await stage.leads(f"ill_{number}", _LEADS_EACH)
        await stage.until_queued(_LEADS_EACH, campaign)
    for count in range(1, _CAMPAIGNS * _LEADS_EACH):

        async def bounced(count: int = count) -> bool:
            return await bounces() >= count

        if not await stage.until(bounced):
            break
        course.append(await _standing(stage, account, await bounces()))
        if course[-1].blocked:
            break
        next_at = (await stage.explain_account(account)).account.next_at
        await stage.move(next_at or stage.now)
    await stage.ask(SetAccount(account_id=account, sandbox=TAKES_ALL))
    await stage.move(stage.now + timedelta(days=1))
    await stage.pulse()
    terms = (await stage.explain_account(account)).terms
    left_blocked = await stage.log(*campaigns)
    waiting = [
        each
        for campaign in campaigns
        for each in await stage.waiting(leads[campaign], campaign)
        if each.state == "queued"
    ]
    await stage.ask(ResumeAccount(account_id=account))
    left_resumed = await stage.until_left(len(left_blocked) + 1, *campaigns)
    return [judge(Seen(account, course, terms, waiting, left_blocked, left_resumed))]


async def _standing(stage: Stage, account: UUID, bounces: int) -> Standing:
    view = (await stage.explain_account(account)).account
    return Standing(bounces, view.health, view.blocked)


def judge(seen: Seen) -> Check:
    """It sent for as long as its health was 30 or more, and nothing from when it was less, until a person resumed it."""
    well, ill = seen.course[:-1], seen.course[-1]
    flaws = [*twice(seen.left_resumed), *not_kept_by("account_healthy", seen.waiting)]
    if [each.bounces for each in seen.course] != list(range(len(seen.course))):
        flaws.append("not one message after the other bounced")
    if any(each.blocked or each.health < BLOCKED_BELOW for each in well):
        flaws.append(f"it sent with a health below {BLOCKED_BELOW}, or was blocked with a better one")
    if not well or ill.health >= BLOCKED_BELOW or not ill.blocked:
        flaws.append(f"its health came to {ill.health}, blocked: {ill.blocked}")
    if seen.left_blocked:
        flaws.append(f"{len(seen.left_blocked)} messages left while it was blocked")
    if any(each.earliest for each in seen.waiting):
        flaws.append("what waits has a date, and is to wait for its health")
    if not any(term.trouble == "recipient_bounce" and term.count == ill.bounces for term in seen.terms):
        flaws.append("explain_account does not name the bounces")
    if not seen.left_resumed or any(each.account_id != seen.account_id for each in seen.left_resumed):
        flaws.append("nothing left when it was resumed, so nothing shows that it was its health")
    why = ", ".join(
        f"{term.trouble}: {term.count} in {term.sends} sends, {term.points_lost:g} points" for term in seen.terms
    )
    return conclude(
        "account_health_blocks",
        f"health {' '.join(str(each.health) for each in seen.course)} with 0 to {ill.bounces} bounces; a day later {len(seen.waiting)} "
        f"waited for account_healthy ({why}); resumed by hand, {len(seen.left_resumed)} left",
        flaws,
    )
