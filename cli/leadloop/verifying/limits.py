"""Per-inbox limits: 20 connection requests, 40 LinkedIn messages and 100 e-mails a day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID
from zoneinfo import ZoneInfo

from contracts.taxonomy import Channel, SendKind
from leadloop.verifying.check import Check, Delivery, Waiting, conclude, moment, not_kept_by, told, twice
from leadloop.verifying.stage import LEAST, UNLIMITED, Stage

A_DAY = {SendKind.CONNECTION_REQUEST: 20, SendKind.LINKEDIN_MESSAGE: 40, SendKind.EMAIL: 100}
_TOO_MANY = 3
_ZONE = "America/New_York"
_NOON, _EVENING, _NEXT = (moment(text, _ZONE) for text in ("2027-01-04 12:00", "2027-01-04 18:00", "2027-01-05 09:00"))
"""On a Monday; and when the account's next day has begun, and the recipients' business hours too."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of more messages of a kind than an account may send a day.

    Attributes:
        left: all that left on that day and when the next one opened, by the log.
        waiting: what had not left on the first day, as it was at its end.
    """

    kind: SendKind
    account_id: UUID
    left: Sequence[Delivery]
    waiting: Sequence[Waiting]


async def play(stage: Stage) -> list[Check]:
    await stage.move(_NOON)
    mailbox = await stage.account(Channel.EMAIL, "inbox", time_zone=_ZONE, least_gap_minutes=0, most_gap_minutes=0)
    seat = await stage.account(Channel.LINKEDIN, "seat", time_zone=_ZONE, least_gap_minutes=0, most_gap_minutes=0)
    campaigns, leads = {}, {}
    for kind, limit in A_DAY.items():
        channel, accounts = (Channel.EMAIL, "inbox") if kind is SendKind.EMAIL else (Channel.LINKEDIN, "seat")
        source = f"limit_of_{kind}"
        campaigns[kind] = await stage.campaign(source, accounts=accounts, kinds=[kind], daily_cap=UNLIMITED)
        leads[kind] = await stage.leads(source, limit + _TOO_MANY, channel, _ZONE)
    for kind, limit in A_DAY.items():
        await stage.until_queued(limit + _TOO_MANY, campaigns[kind])
        await stage.until_left(limit, campaigns[kind])
    await stage.pulse()
    await stage.move(_EVENING - LEAST)
    await stage.pulse()
    waiting = {}
    for kind, campaign in campaigns.items():
        left = {each.lead_id for each in await stage.log(campaign)}
        waiting[kind] = await stage.waiting([lead for lead in leads[kind] if lead not in left], campaign)
    await stage.move(_NEXT)
    checks = []
    for kind, limit in A_DAY.items():
        log = await stage.until_left(limit + _TOO_MANY, campaigns[kind])
        account = mailbox if kind is SendKind.EMAIL else seat
        checks.append(judge(Seen(kind, account, log, waiting[kind])))
    return checks


def judge(seen: Seen) -> Check:
    """As many as the rule says left on the first day, and no more; all others waited for room, and left when there was some again."""
    limit, first_day = A_DAY[seen.kind], _NOON.date()
    today = [each for each in seen.left if _day(each) == first_day]
    later = {each.message_id: each.at for each in seen.left if _day(each) > first_day}
    flaws = [*twice(seen.left), *not_kept_by("account_capacity", seen.waiting)]
    if len(today) != limit:
        flaws.append(f"{len(today)} left on one day, and {limit} are to")
    if others := [each for each in seen.left if each.account_id != seen.account_id or each.kind != seen.kind]:
        flaws.append(f"{len(others)} left from another account, or were of another kind")
    if any(each.earliest != _NEXT for each in seen.waiting):
        flaws.append(f"what waits is to have room at {told(_NEXT, _ZONE)}")
    if late := [each for each in seen.waiting if later.get(each.message_id) != _NEXT]:
        flaws.append(f"{len(late)} of those that waited did not leave when there was room again")
    return conclude(
        f"{seen.kind}s_a_day",
        f"{len(today)} of {limit + _TOO_MANY} left on Mon 2027-01-04, {len(seen.waiting)} waited for account_capacity, "
        f"{len(later)} left {told(_NEXT, _ZONE)}",
        flaws,
    )


def _day(delivery: Delivery) -> date:
    return delivery.at.astimezone(ZoneInfo(_ZONE)).date()
