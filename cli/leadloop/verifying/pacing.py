"""The pace of an account: 38 messages a day of one campaign, and a random 6 to 16 minutes between any two messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from contracts.taxonomy import Channel
from leadloop.verifying.check import Check, Delivery, Waiting, conclude, moment, not_kept_by, told, twice
from leadloop.verifying.stage import LEAST, Stage

CAP = 38
SHORTEST, LONGEST = timedelta(minutes=6), timedelta(minutes=16)
_ZONE = "America/New_York"
_OPENS, _CLOSES, _NEXT = (moment(text, _ZONE) for text in ("2027-01-06 09:00", "2027-01-06 18:00", "2027-01-07 09:00"))
_FEWEST_GAPS = 30
_LOOKED_EVERY, _FEWEST_LOOKS = 6, 6
_WIDEST_OF_A_CONSTANT = timedelta(minutes=2)
"""Of 30 gaps between 6 and 16 minutes, drawn as any other, the longest is further than that from the shortest, but once in 10^18 runs."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one account on a day, with its usual limits and gaps.

    Attributes:
        of_campaign: what left of a campaign with one message too many, that day and at the next day's opening.
        waiting: the one too many, a gap after the last that left.
        of_other: what left of another campaign after that.
        due: before each but the first of the campaign, when the account was to send next, as it said itself.
        looked: moments right before the shortest gap was over, of every sixth, at which the worker had looked at all that waited.
    """

    account_id: UUID
    of_campaign: Sequence[Delivery]
    waiting: Sequence[Waiting]
    of_other: Sequence[Delivery]
    due: Sequence[datetime]
    looked: Sequence[datetime]


async def play(stage: Stage) -> list[Check]:
    await stage.move(_OPENS)
    account = await stage.account(Channel.EMAIL, "usual", time_zone=_ZONE)
    campaign = await stage.campaign("usual", accounts="usual")
    leads = await stage.leads("usual", CAP + 1, zone=_ZONE)
    await stage.until_queued(CAP + 1, campaign)
    due, looked = [], []
    left = await stage.until_left(1, campaign)
    while 0 < (before := len(left)) < CAP and stage.now < _CLOSES - LONGEST:
        if before % _LOOKED_EVERY == 1:
            await stage.move(max(stage.now, left[-1].at + SHORTEST - LEAST))
            await stage.pulse()
            looked.append(stage.now)
        next_at = (await stage.explain_account(account)).account.next_at or stage.now
        due.append(next_at)
        await stage.move(next_at)
        left = await stage.until_left(before + 1, campaign)
        if len(left) == before:
            break
    await stage.move(stage.now + LONGEST)
    await stage.pulse()
    kept = {each.lead_id for each in await stage.log(campaign)}
    waiting = await stage.waiting([lead for lead in leads if lead not in kept], campaign)
    other = await stage.campaign("usual_too", accounts="usual")
    await stage.lead("usual_too", zone=_ZONE)
    of_other = await stage.until_left(1, other)
    await stage.move(_CLOSES - LEAST)
    await stage.pulse()
    await stage.move(_NEXT)
    seen = Seen(account, await stage.until_left(CAP + 1, campaign), waiting, of_other, due, looked)
    return [judge_cap(seen), judge_gaps(seen)]


def judge_cap(seen: Seen) -> Check:
    """38 of the campaign left that day; the 39th waited, though the account still sent for another campaign."""
    today = [each for each in seen.of_campaign if each.at < _CLOSES]
    next_day = [each for each in seen.of_campaign if each.at >= _NEXT]
    flaws = [*twice(seen.of_campaign), *not_kept_by("account_capacity", seen.waiting)]
    if len(today) != CAP:
        flaws.append(f"{len(today)} left on one day, and {CAP} are to")
    if any(each.account_id != seen.account_id for each in (*seen.of_campaign, *seen.of_other)):
        flaws.append("another account was used")
    if not any(max(each.at for each in today) < other.at < _CLOSES for other in seen.of_other if today):
        flaws.append("the account sent nothing for another campaign after that, so it may be its own limit")
    if {each.message_id for each in next_day} != {each.message_id for each in seen.waiting}:
        flaws.append("what waited did not leave the next day")
    return conclude(
        "campaign_messages_a_day",
        f"{len(today)} of {CAP + 1} left on Wed 2027-01-06, {len(seen.waiting)} waited for account_capacity while "
        f"{len(seen.of_other)} of another campaign left, {len(next_day)} left {told(_NEXT, _ZONE)}",
        flaws,
    )


def judge_gaps(seen: Seen) -> Check:
    """Every gap is 6 to 16 minutes, they differ, and each message left at the moment that had been drawn for it."""
    today = sorted(each.at for each in (*seen.of_campaign, *seen.of_other) if each.at < _CLOSES)
    gaps = [later - sooner for sooner, later in pairwise(today)]
    by_themselves = gaps[: len(seen.due)]  # what came after those waited for us, too
    flaws = []
    if len(by_themselves) < _FEWEST_GAPS:
        flaws.append(f"{len(by_themselves)} gaps show too little")
    if short := [gap for gap in gaps if gap < SHORTEST]:
        flaws.append(f"{len(short)} gaps are shorter than {SHORTEST}, the shortest {min(short)}")
    if long := [gap for gap in by_themselves if gap > LONGEST]:
        flaws.append(f"{len(long)} gaps are longer than {LONGEST}, the longest {max(long)}")
    if by_themselves and max(by_themselves) - min(by_themselves) < _WIDEST_OF_A_CONSTANT:
        flaws.append("all gaps are alike, so they are not random")
    if [each for each, due in zip(today[1:], seen.due, strict=False) if each != due]:
        flaws.append("a message did not leave at the moment that its account had said")
    if len(seen.looked) < _FEWEST_LOOKS:
        flaws.append(f"before a gap was over it was looked {len(seen.looked)} times only")
    seconds = [gap.total_seconds() for gap in by_themselves] or [0.0]
    return conclude(
        "random_delays",
        f"{len(by_themselves)} gaps between {_minutes(min(seconds))} and {_minutes(max(seconds))}, "
        f"{_minutes(sum(seconds) / len(seconds))} on average, {len(set(seconds))} different; at {len(seen.looked)} looks 1 µs "
        f"before 6 minutes nothing left",
        flaws,
    )


def _minutes(seconds: float) -> str:
    return f"{int(seconds // 60)} min {seconds % 60:.1f} s"
